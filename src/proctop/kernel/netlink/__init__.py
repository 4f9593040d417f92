"""What the kernel tells over netlink: waiting (taskstats), ends (exits), births and starts (events), connections (sockets).

Each is optional: ``probe`` of its module says why it is not to be had, with the command that would change that. pyroute2 asks the one
question that is asked once. It takes 194 µs for one process, and its process events end at a name that is not UTF-8: the rest is ours.
"""

from __future__ import annotations

import errno
import os


def taskstats_refusal() -> str:
    """Why no taskstats are to be had (Documentation/accounting/taskstats.rst), "" = they are.

    A real request: to open and bind the socket succeeds even for those who get no answer afterwards.
    """
    from pyroute2 import TaskStats
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with TaskStats() as socket:
            socket.bind()
            socket.get_pid_stat(os.getpid())
    except NetlinkError as error:
        if error.code == errno.ENOENT:
            return "this kernel is built without CONFIG_TASKSTATS"
        return "needs CAP_NET_ADMIN" if error.code == errno.EPERM else os.strerror(error.code)
    except OSError as error:
        return os.strerror(error.errno or errno.EIO)
    return ""
