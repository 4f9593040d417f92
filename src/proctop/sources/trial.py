"""Which of the kernel's feeds work on this host: each is tried, and let go of again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from proctop.fields import BPF, CONNECTOR, DIAGNOSTICS, RECORDS, TASKSTATS
from proctop.kernel.host import Host


class Trial(NamedTuple):
    """``why`` a feed does not work, ``""`` = it does; ``command``: what would change that; ``lacks``: why it does not tell everything of
    an origin, by the names of :data:`proctop.fields.ORIGINS`."""

    why: str
    command: str = ""
    lacks: Mapping[str, str] = MappingProxyType({})


_TOLD_BY = {
    "ends": ("exited", "freed"),
    "births": ("forked", "execed", "exited"),
    "faults": ("user_fault", "kernel_fault"),
    "memory calls": ("memory",),
}
"""Origins → programs of eBPF without which they are told in part, or not at all."""

_REMEDIES = (
    ("needs root", "sudo proctop"),
    ("libbpf.so.1 is not installed", "sudo apt-get install libbpf1"),
    ("ulimit -l unlimited", "ulimit -l unlimited"),
)
"""What a reason says → the command that would change it."""


def try_all(host: Host) -> Mapping[str, Trial]:
    """Every feed but procfs, by the names that :data:`proctop.fields.ORIGINS` has for them. Takes a quarter of a second."""
    return {name: attempt(host) for name, attempt in _ATTEMPTS.items()}


def _bpf(host: Host) -> Trial:
    from proctop.kernel.bpf.feed import Feed, Unavailable

    feed = Feed.open(host, memory=True)
    if isinstance(feed, Unavailable):
        why = "; ".join(dict.fromkeys(feed.why.values()))
        return Trial(why, command=next((command for part, command in _REMEDIES if part in why), ""))
    feed.close()
    refused = {origin: [f"{name}: {feed.refused[name]}" for name in names if name in feed.refused] for origin, names in _TOLD_BY.items()}
    return Trial("", lacks={origin: "; ".join(lines) for origin, lines in refused.items() if lines})


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
    from proctop.kernel.netlink.link import permission

    why = taskstats_refusal()
    refusal = permission(host)
    return Trial(refusal.why, command=refusal.command) if why == "needs CAP_NET_ADMIN" else Trial(why)


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
