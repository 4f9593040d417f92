"""Batch mode: readings as text on a stream, until there are enough, no more, or nobody reads on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from io import TextIOWrapper
from typing import Protocol, TextIO

from proctop.fields import Column
from proctop.frames import Frame
from proctop.records import Reading
from proctop.sources import Source, Wants
from proctop.sources.pace import readings
from proctop.view.rows import Arranger, Rows, ViewState

INTERRUPTED = 130  # 128 + SIGINT, as shells count


class Steps(Protocol):
    """What turns readings into frames."""

    def step(self, reading: Reading) -> Frame: ...


def live(source: Source, engine: Steps, wait: Callable[[], float | None], *, threads: bool = False) -> Iterator[Frame]:
    """Frames of a running host. The first reading has no rates and only prepares the second.

    ``wait`` waits for the next tick and gives its lateness in seconds (:meth:`proctop.sources.pace.Ticker.wait`; None = stop).
    """
    source.wants = Wants(threads=threads)
    for reading in readings(source, wait, lambda said: print(f"proctop: {said}", file=sys.stderr)):
        frame = engine.step(reading)
        if frame.batch.dt == frame.batch.dt:
            yield frame


def run(
    frames: Iterable[Frame],
    *,
    state: ViewState,
    format: str,
    out: TextIO,
    count: int | None = None,
    top: int = 0,
    width: int = 0,
    columns: Sequence[Column] = (),
) -> int:
    """Write one frame after the other, each flushed; the exit code.

    Args:
        format: ``"table"``, ``"plain"`` (a sentence per process), ``"json"`` (one object a line) or ``"csv"``.
        count: frames to write, None = until there are no more or SIGINT.
        top: processes of each frame, 0 = all.
        width, columns: of the table; 0 = lines of any length, empty = the default layout.
    """
    write = _writer(format, top, width, columns, state.ascii)
    arranger = Arranger()
    if isinstance(out, TextIOWrapper):
        out.reconfigure(errors="replace")  # a locale that lacks a letter shows "?" for it
    written = 0
    try:
        for frame in frames:
            text = write(frame, arranger.arrange(replace(frame, departed=None), state), written == 0)  # who ended is no process
            if (failure := _put(out, text)) is not None:
                return failure
            written += 1
            if written == count:
                break
    except KeyboardInterrupt:
        _abandon(out)
        return INTERRUPTED
    return 0


def _writer(format: str, top: int, width: int, columns: Sequence[Column], ascii: bool) -> Callable[[Frame, Rows, bool], str]:
    if format == "table":
        from proctop.export import table

        draw = partial(table.as_table, top=top, width=width, columns=columns or table.DEFAULT, ascii=ascii)
        return lambda frame, rows, first: draw(frame, rows)
    if format == "plain":
        from proctop.export import plain

        return lambda frame, rows, first: plain.as_plain(frame, rows, top, ascii=ascii)
    from proctop.export import lines

    if format == "json":
        return lambda frame, rows, first: lines.as_json(frame, rows, top) + "\n"
    if format == "csv":
        return lambda frame, rows, first: (lines.csv_header() if first else "") + lines.as_csv(frame, rows, top)
    raise ValueError(f"no such format: {format}")


def _put(out: TextIO, text: str) -> int | None:
    """Write and flush; None, or the exit code of a stream that takes no more."""
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:  # `proctop -b | head`: the reader has what it wants
        _abandon(out)
        return 0
    except OSError as error:
        _abandon(out)
        print(f"proctop: cannot write the output: {error.strerror or error}", file=sys.stderr)
        return 1
    return None


def _abandon(out: TextIO) -> None:
    """Let what is still in the buffer of ``out`` go nowhere, or flushing it at exit fails once more, with a traceback."""
    try:
        descriptor = out.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
