"""What the kernel tells over netlink: waiting (taskstats), ends (exits), births and starts (events), connections (sockets).

Each is optional: ``probe`` of its module says why it is not to be had, with the command that would change that.
"""

from __future__ import annotations


def taskstats_refusal() -> str:
    """Why no taskstats are to be had, "" = they are."""
    from proctop.kernel.host import Host
    from proctop.kernel.netlink.taskstats import probe

    refusal = probe(Host.this())
    return refusal.why if refusal else ""
