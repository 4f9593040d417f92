"""Files that are there whole or not at all, and read by their owner only."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


class Unwritable(Exception):
    """Why a file cannot be written, in one line."""


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """What is written takes the place of ``path`` at the end; after an error there is what was there before.

    A new file has mode 0600. ``"-"`` is standard output; a pipe or a device is written as it comes. Raises :class:`Unwritable`; a
    reader that has gone (``BrokenPipeError``) goes through, as whoever reads a pipe may have what it wants.
    """
    try:
        with _place(path) as file:
            yield file
            file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritable(f"{path}: {error.strerror or error}") from None


@contextmanager
def _place(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdout.buffer
    elif os.path.exists(path) and not os.path.isfile(path):  # a pipe, a device
        with open(path, "wb") as file:
            yield file
    else:
        target = os.path.realpath(path)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(target), prefix=f".{os.path.basename(target)[:200]}.", delete=False) as file:
            try:
                yield file
                file.close()
                os.replace(file.name, target)
            except BaseException:
                os.unlink(file.name)
                raise
