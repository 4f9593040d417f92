"""Which of the kernel's feeds work on this host: each is tried, and let go of again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from proctop.fields import BPF, CONNECTOR, DIAGNOSTICS, RECORDS, TASKSTATS
from proctop.kernel.host import Host


class Trial(NamedTuple):
    """``why`` a feed does not work, ``""`` = it does; ``lacks``: what of it does not; ``command``: what would change that."""

    why: str
    lacks: str = ""
    command: str = ""


def try_all(host: Host) -> Mapping[str, Trial]:
    """Every feed but procfs, by the names that :data:`proctop.fields.ORIGINS` has for them. Takes a quarter of a second."""
    return {name: attempt(host) for name, attempt in _ATTEMPTS.items()}


def _bpf(host: Host) -> Trial:
    from proctop.kernel.bpf.feed import EVENTS, Feed, Unavailable

    feed = Feed.open(host, faults=False)
    if isinstance(feed, Unavailable):
        why = "; ".join(dict.fromkeys(feed.why.values()))
        return Trial(why, command="sudo proctop" if "needs root" in why else "")
    feed.close()
    return Trial("", "; ".join(f"{name}: {why}" for name, why in feed.refused.items() if name in EVENTS))


def _records(host: Host) -> Trial:
    from proctop.kernel.netlink.exits import probe

    refusal = probe(host)
    return Trial("") if refusal is None else Trial(refusal.why, command=refusal.command)


def _events(host: Host) -> Trial:
    from proctop.kernel.netlink.events import probe

    refusal = probe(host)
    return Trial("") if refusal is None else Trial(refusal.why, command=refusal.command)


def _taskstats(host: Host) -> Trial:
    from proctop.kernel.netlink import taskstats_refusal

    why = taskstats_refusal()
    return Trial(why, command="sudo proctop" if "CAP_NET_ADMIN" in why else "")


def _diagnostics(host: Host) -> Trial:
    from proctop.kernel.netlink.sockets import probe

    refusal = probe(host)
    return Trial("") if refusal is None else Trial(refusal.why, command=refusal.command)


_ATTEMPTS: Mapping[str, Callable[[Host], Trial]] = {
    BPF: _bpf,
    RECORDS: _records,
    CONNECTOR: _events,
    TASKSTATS: _taskstats,
    DIAGNOSTICS: _diagnostics,
}
NAMES = tuple(_ATTEMPTS)
