"""Software events of the kernel (perf_event_open(2)) that programs can be attached to."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Iterator

_CALL = {"x86_64": 298, "aarch64": 241}  # asm/unistd_64.h, asm-generic/unistd.h
_SOFTWARE, _PAGE_FAULTS = 1, 2  # enum perf_type_id, enum perf_sw_ids
_EXCLUDE_USER, _EXCLUDE_KERNEL = 1 << 4, 1 << 5  # flags of struct perf_event_attr
_VERSION_0 = 64  # bytes of that structure
_CLOEXEC = 8


def page_faults(cpus: Iterable[int], *, user: bool) -> Iterator[int]:
    """A descriptor for each cpu, an event at every page fault out of user mode, or out of the kernel. Raises OSError."""
    exclude = _EXCLUDE_KERNEL if user else _EXCLUDE_USER
    attributes = struct.pack("=IIQQQQQ", _SOFTWARE, _VERSION_0, _PAGE_FAULTS, 1, 0, 0, exclude).ljust(_VERSION_0, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    call = _CALL.get(platform.machine())
    if call is None:
        raise OSError(errno.ENOSYS, f"page faults cannot be told apart on {platform.machine()}")
    for cpu in cpus:
        fd = libc.syscall(ctypes.c_long(call), attributes, -1, cpu, -1, ctypes.c_ulong(_CLOEXEC))
        if fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        yield fd
