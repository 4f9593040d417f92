"""Starts ``bpf_crowd.py``: many processes with a known life."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CROWD = Path(__file__).parent / "bpf_crowd.py"


@contextlib.contextmanager
def crowd(kind: str, count: int, folder: str = "", *, go: bool = False) -> Iterator[subprocess.Popen[str]]:
    """``bpf_crowd.py``; ready, or with ``go`` waiting for a line."""
    argv = [sys.executable, "-S", "-E", "-I", str(CROWD), kind, str(count), folder]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        try:
            if not go:
                assert parent.stdout.readline()
            yield parent
        finally:
            parent.stdin.close()
