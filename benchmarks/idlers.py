"""A crowd of small processes, of which a share (one in twenty) wakes each second.

The crowd is forked from one bare interpreter (no site, garbage collector frozen), so that 10,000 of them share nearly all their memory.
All inherit one pipe from :class:`Idlers` as standard input: its end of file, however this program ended, ends every one of them.

Run as a script this file is that interpreter, so it imports nothing at the top that the crowd does not need.
"""

from __future__ import annotations

import os
import select
import sys
import time

NAME = "idler"
SHARE = 0.05
"""Of the crowd, that wakes each second."""


class Idlers:
    """``count`` idle processes for the length of a ``with`` block, beside ``spinning`` ones that always want a cpu.

    Where they are ``lively``, each wake does a little of everything.

    Raises:
        RuntimeError: the crowd could not be started in full (process limit, memory).
    """

    def __init__(self, count: int, share: float = SHARE, *, lively: bool = False, spinning: int = 0) -> None:
        self.count = count
        self._spinning = spinning
        self._share = share
        self._lively = lively

    def __enter__(self) -> Idlers:
        from subprocess import PIPE, Popen

        argv = [sys.executable, "-S", "-E", "-I", os.path.abspath(__file__)]
        argv += [str(self.count), str(self._share), "1" * self._lively, str(self._spinning)]
        # A session of its own: Ctrl-C reaches this program only, which then closes the pipe.
        self._parent = Popen(argv, stdin=PIPE, stdout=PIPE, text=True, start_new_session=True)
        assert self._parent.stdout is not None
        started = self._parent.stdout.readline().strip()
        if started != str(self.count + self._spinning):
            self.__exit__()
            raise RuntimeError(f"started {started or 0} of {self.count + self._spinning} processes")
        return self

    def __exit__(self, *_: object) -> None:
        from subprocess import TimeoutExpired

        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.stdout.close()
        try:
            self._parent.wait(60)
        except TimeoutExpired:
            os.killpg(self._parent.pid, 9)
            self._parent.wait()


def _rename(name: str) -> None:
    with open("/proc/self/comm", "w") as file:
        file.write(name)


def _idle(number: int, count: int, share: float, lively: bool) -> None:
    """Sleep until standard input ends; process ``number`` of ``count`` wakes each second at its own phase if it is of the share."""
    end = select.poll()
    end.register(0, select.POLLIN)
    if int((number + 1) * share) == int(number * share):
        end.poll()
        return
    due = time.monotonic() + number / count
    luck = number
    while not end.poll(max(0.0, due - time.monotonic()) * 1000):
        stop = time.thread_time_ns() + 100_000
        if lively:
            luck = (luck * 1_103_515_245 + 12_345) & 0x7FFFFFFF  # as ANSI C's rand: the crowd imports no more than it needs
            _live(luck >> 8)
            stop += luck % 300_000
        while time.thread_time_ns() < stop:
            pass
        due += 1.0


def _spin() -> None:
    """Use all the cpu there is until standard input ends."""
    end = select.poll()
    end.register(0, select.POLLIN)
    while not end.poll(0):
        for _ in range(100_000):
            pass


def _live(luck: int) -> None:
    """Some pages, calls of I/O and naps; how many, differs from process to process and time to time."""
    bytearray(4096 * (luck % 40))
    for path, flags in (("/dev/null", os.O_WRONLY), ("/dev/zero", os.O_RDONLY)):
        fd = os.open(path, flags)
        for _ in range(luck % 5):
            os.write(fd, bytes(luck % 3000)) if flags else os.read(fd, luck % 5000)
        os.close(fd)
    for _ in range(luck % 3):
        time.sleep(0.001)


def main() -> None:
    import gc

    count, share, lively, spinning = int(sys.argv[1]), float(sys.argv[2]), bool(sys.argv[3]), int(sys.argv[4])
    _rename(NAME)
    gc.disable()
    gc.freeze()
    started = 0
    try:
        for number in range(count + spinning):
            if os.fork() == 0:
                os.close(1)
                _idle(number, count, share, lively) if number < count else _spin()
                os._exit(0)
            started += 1
    except OSError as error:
        print(error, file=sys.stderr)
    print(started, flush=True)
    sys.stdin.read()
    for _ in range(started):
        os.wait()


if __name__ == "__main__":
    main()
