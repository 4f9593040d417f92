"""The system's libbpf, by ctypes: opens an object, loads those of its programs that this kernel takes, attaches them.

Nothing is pinned: programs, maps and links live by descriptors of this process, so the kernel takes them back however it ends.
What libbpf has to say (by default it writes to standard error, across the screen) is caught and becomes the reason of a refusal.
Functions used are those of libbpf 1.0 and later, which report errors by errno and a null pointer (``bpf/libbpf.h``, ``bpf/bpf.h``).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
from collections import deque
from collections.abc import Iterable
from ctypes import CFUNCTYPE, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import cache
from mmap import MAP_SHARED, PROT_READ, PROT_WRITE, mmap

from proctop.sanitize import clean

SONAME = "libbpf.so.1"
LOCKED = "kernel lockdown (confidentiality) forbids programs to read kernel memory"
_LOG = 1 << 20  # bytes of one message: a verifier's log may be long, and its end is what counts
_KEPT = 64  # messages
_WARN = 0  # enum libbpf_print_level
_Print = CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
_FAILED = re.compile(r"prog '(\w+)'.*(?:failed|-- BEGIN PROG LOAD LOG --)")


class Refused(Exception):
    """Nothing to be had, and why: one line for people."""


class _Messages:
    """What libbpf warned of, newest last. One for the process, as libbpf's own setting is."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.lines: deque[str] = deque(maxlen=_KEPT)
        self._format = ctypes.CDLL(None).vsnprintf
        self._format.argtypes = [c_void_p, c_size_t, c_char_p, c_void_p]
        self._callback = _Print(self._take)  # libbpf keeps the pointer, so this must live as long
        library.libbpf_set_print(self._callback)

    def _take(self, level: int, form: bytes, arguments: int) -> int:
        """A message: a printf format and its va_list, which is handed on as the pointer it is on x86_64 and arm64."""
        if level == _WARN:
            buffer = ctypes.create_string_buffer(_LOG)
            self._format(buffer, _LOG, form, arguments)
            self.lines.append(buffer.value.decode("utf-8", "replace").removeprefix("libbpf: ").strip())
        return 0

    def drain(self) -> list[str]:
        """What was said since the last call."""
        lines = list(self.lines)
        self.lines.clear()
        return lines


_POINTER_TO = {
    "bpf_object__open_mem": [c_void_p, c_size_t, c_void_p],
    "bpf_object__find_program_by_name": [c_void_p, c_char_p],
    "bpf_object__next_program": [c_void_p, c_void_p],
    "bpf_object__find_map_by_name": [c_void_p, c_char_p],
    "bpf_program__attach": [c_void_p],
    "bpf_program__attach_perf_event": [c_void_p, c_int],
}
_NUMBER = {
    "bpf_object__load": [c_void_p],
    "bpf_program__set_autoload": [c_void_p, ctypes.c_bool],
    "bpf_link__fd": [c_void_p],
    "bpf_link__destroy": [c_void_p],
    "bpf_map__fd": [c_void_p],
    "bpf_map__set_autocreate": [c_void_p, ctypes.c_bool],
    "bpf_iter_create": [c_int],
}


@cache
def _library() -> tuple[ctypes.CDLL, _Messages]:
    try:
        library = ctypes.CDLL(SONAME, use_errno=True)
        for table, result in ((_POINTER_TO, c_void_p), (_NUMBER, c_int)):
            for name, arguments in table.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, result
        library.bpf_object__close.argtypes, library.bpf_object__close.restype = [c_void_p], None
        library.bpf_map__value_size.argtypes, library.bpf_map__value_size.restype = [c_void_p], c_uint32
        library.libbpf_set_print.argtypes, library.libbpf_set_print.restype = [_Print], c_void_p
        return library, _Messages(library)
    except OSError as error:
        if str(error).startswith(f"{SONAME}: cannot open shared object file: No such file"):
            raise Refused(f"{SONAME} is not installed (Debian: apt-get install libbpf1)") from None
        raise Refused(clean(f"{SONAME} cannot be used: {error}")) from None
    except AttributeError as error:
        raise Refused(f"this {SONAME} is too old: {error}") from None


class Object:
    """Programs and maps of one object file, loaded into the kernel.

    Attributes:
        refused: program → why it could not be loaded or attached.
    """

    def __init__(self, image: bytes, programs: Iterable[str], without: Iterable[str] = ()) -> None:
        """Load ``programs`` out of ``image`` (the bytes of an ELF file); costs about 50 ms of cpu, without the interpreter's lock.

        A program that the kernel refuses is left out and the rest tried again. Maps named in ``without`` are not made.

        Raises:
            Refused: none could be loaded.
        """
        self._library, self._messages = _library()
        self._image = ctypes.create_string_buffer(image, len(image))  # libbpf reads it until the object is closed
        self._object: int | None = None
        self._links: dict[str, list[int]] = {}
        self._maps: list[mmap] = []
        self.refused: dict[str, str] = {}
        self.loaded = list(programs)
        self._without = tuple(without)
        while self.loaded:
            self._messages.drain()
            error = self._load()
            if not error:
                return
            said = self._messages.drain()
            failed = next((found[1] for line in said if (found := _FAILED.match(line)) and found[1] in self.loaded), "")
            why = reason(error, said)
            if not failed or error == errno.EPERM:
                raise Refused(why)
            self.refused[failed] = why
            self.loaded.remove(failed)
        raise Refused(next(iter(self.refused.values()), "no program was asked for"))

    def _load(self) -> int:
        """Open and load; errno, 0 = done."""
        self._object = self._library.bpf_object__open_mem(self._image, len(self._image), None)
        if not self._object:
            return ctypes.get_errno() or errno.EINVAL
        wanted = {self._program(name) for name in self.loaded}
        program = None
        while program := self._library.bpf_object__next_program(self._object, program):
            self._library.bpf_program__set_autoload(program, program in wanted)
        for name in self._without:
            self._library.bpf_map__set_autocreate(self._map(name), False)
        error = -int(self._library.bpf_object__load(self._object))
        if error:
            self._library.bpf_object__close(self._object)
            self._object = None
        return error

    def _program(self, name: str) -> int:
        program = self._library.bpf_object__find_program_by_name(self._object, name.encode())
        if not program:
            raise Refused(f"the object file has no program {name}")
        return int(program)

    def _map(self, name: str) -> int:
        place = self._library.bpf_object__find_map_by_name(self._object, name.encode())
        if not place:
            raise Refused(f"the object file has no map {name}")
        return int(place)

    def attach(self, name: str, events: Iterable[int] | None = None) -> bool:
        """Let a loaded program run: where its section says, or at ``events`` (descriptors of perf events, which are taken over).

        False = it cannot, and ``refused`` says why.
        """
        if name not in self.loaded:
            return False
        self._messages.drain()
        program = self._program(name)
        links = self._links.setdefault(name, [])
        code = 0
        try:
            if events is None:
                links.append(self._library.bpf_program__attach(program) or 0)
            else:
                for fd in events:
                    links.append(self._library.bpf_program__attach_perf_event(program, fd) or 0)
                    if not links[-1]:
                        os.close(fd)
        except OSError as error:
            code = error.errno or errno.EIO
        if links and all(links) and not code:
            return True
        self.refused[name] = reason(code or ctypes.get_errno() or errno.EINVAL, self._messages.drain())
        return False

    def iterate(self, name: str) -> int:
        """A descriptor from which an attached iterator is read once, from begin to end. Raises OSError."""
        fd = int(self._library.bpf_iter_create(self._library.bpf_link__fd(self._links[name][0])))
        if fd < 0:
            code = ctypes.get_errno() or errno.EIO
            raise OSError(code, os.strerror(code))
        return fd

    def memory(self, name: str, length: int = 0, offset: int = 0, *, writable: bool = False) -> mmap:
        """The memory of a map, shared with the kernel: ``length`` bytes from ``offset``, 0 = one value of an array map.

        ``bpf_map__initial_value`` is no way to it: in libbpf 1.1 that is not the live memory. Raises OSError.
        """
        place = self._map(name)
        size = length or self._library.bpf_map__value_size(place)
        memory = mmap(self._library.bpf_map__fd(place), size, MAP_SHARED, PROT_READ | PROT_WRITE * writable, offset=offset)
        self._maps.append(memory)
        return memory

    def close(self) -> None:
        """Detach and unload everything; memory that someone still looks at stays until he is done."""
        for link in [link for links in self._links.values() for link in links if link]:
            self._library.bpf_link__destroy(link)
        self._links.clear()
        for memory in self._maps:
            with contextlib.suppress(BufferError):
                memory.close()
        self._maps.clear()
        if self._object:
            self._library.bpf_object__close(self._object)
            self._object = None


def reason(code: int, said: Iterable[str]) -> str:
    """One line on why the kernel or libbpf refused: ``code`` is errno, ``said`` what libbpf warned of.

    >>> reason(errno.ESRCH, ["Error loading vmlinux BTF: -3"])
    'this kernel gives no type information: /sys/kernel/btf/vmlinux is missing or unusable'
    """
    text = "\n".join(said)
    if code in (errno.EMFILE, errno.ENFILE):
        return "too many open files: raise ulimit -n"
    if code == errno.EPERM and "ulimit -l" in text and "map '" in text:
        return "the limit of locked memory is too low: ulimit -l unlimited"
    if code in (errno.EPERM, errno.EACCES) and "PROG LOAD LOG" not in text:
        if os.geteuid() == 0:
            return "not permitted, even to root: a container, seccomp or kernel lockdown forbids bpf(2)"
        if "RLIMIT_MEMLOCK" in text and "map '" in text:  # Linux before 5.11, which counts maps as locked memory
            return "not permitted: needs root, or CAP_BPF, CAP_PERFMON and ulimit -l unlimited"
        return "not permitted: needs root, or CAP_BPF and CAP_PERFMON"
    if "vmlinux BTF" in text or "valid kernel BTF" in text:
        return "this kernel gives no type information: /sys/kernel/btf/vmlinux is missing or unusable"
    if code == errno.ENOSYS:
        return "this kernel is built without CONFIG_BPF_SYSCALL"
    if code == errno.EINVAL and (made := re.search(r"map '(\w+)': failed to create", text)):
        return f"this kernel is too old for it: no map of the kind of {made[1]}"
    if "unknown func bpf_probe_read" in text:  # the helper is withheld (kernel/trace/bpf_trace.c)
        return LOCKED
    if "PROG LOAD LOG" in text:
        log = text.partition("BEGIN PROG LOAD LOG --")[2].partition("-- END PROG LOAD LOG")[0].splitlines()
        last = [line for line in log if line.strip() and not line.startswith(("processed ", "verification time", "stack depth"))]
        return clean(f"the kernel's verifier refused it: {last[-1].strip()[:200]}" if last else "the kernel's verifier refused it")
    first = next((line for line in text.splitlines() if line.strip()), "")
    return clean(f"{os.strerror(code)}: {first[:200]}" if first else f"the kernel refused it: {os.strerror(code)}")
