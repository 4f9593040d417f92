"""What tests of every kind share."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

Require = Callable[[str, str], None]

settings.register_profile("proctop", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test is about time
settings.load_profile("proctop")


@pytest.fixture(scope="session")
def require() -> Require:
    """``require("docker", why)``: go on where ``why`` is "", else skip with it.

    Names listed in ``PROCTOP_REQUIRE`` (``docker,ebpf``) fail instead of skipping: continuous integration must not lose
    a whole kind of test in silence.
    """
    wanted = {name.strip() for name in os.environ.get("PROCTOP_REQUIRE", "").split(",")}

    def check(name: str, why: str) -> None:
        if why and name in wanted:
            pytest.fail(f"{name} is required here (PROCTOP_REQUIRE), but {why}")
        if why:
            pytest.skip(f"needs {name}: {why}")

    return check
