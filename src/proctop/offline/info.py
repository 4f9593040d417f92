"""What a recording holds, without decoding what its summaries tell: ``proctop info``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo

from proctop.fields import Unit
from proctop.scoring.explain import quantity
from proctop.stream import Damaged, FormatError, frames
from proctop.stream.archive import Archive
from proctop.stream.decoded import Segment
from proctop.stream.folder import header
from proctop.stream.frames import FrameHead
from proctop.stream.header import Header
from proctop.stream.summary import HOLE, Summary, Tally
from proctop.stream.volume import Volume
from proctop.view.units import duration

_HEAD = frames.FRAME.size
_WINDOW = 1 << 20  # bytes of the file that are looked at at once


@dataclass(frozen=True, slots=True)
class Info:
    """A recording in numbers.

    Attributes:
        size: bytes; files: how many of them.
        first, last: wall seconds of the first and the last reading; interval: seconds, as at its beginning.
        samples: rows of processes in all readings; most: in one reading; processes: how many there were, at least; exits: how many ended.
        holes: times without readings; lost: seconds in them. late: readings more than half an interval late.
        segments, damaged: how many, and how many of them end early; skipped: bytes that hold nothing readable.
        torn: ends within a reading, as a killed or a working writer leaves it.
        scored: readings in segments with scores. redacted: secrets were taken out of every segment.
    """

    path: str
    format: str
    writer: str
    size: int
    files: int
    hostname: str
    kernel: str
    cpus: int
    memory: int
    boots: int
    first: float
    last: float
    interval: float
    readings: int
    samples: int
    most: int
    processes: int
    exits: int
    holes: int
    lost: float
    late: int
    segments: int
    damaged: int
    skipped: int
    torn: bool
    scored: int
    redacted: bool
    marks: int
    remark: str

    @property
    def per_sample(self) -> float:
        """Bytes of a process in a reading."""
        return self.size / self.samples if self.samples else float("nan")


def examine(path: str) -> Info:
    """Look at a file or a directory. Raises StreamError."""
    archive = Archive.open(path)
    try:
        return _Survey(path, archive).info()
    finally:
        archive.close()


class _Survey:
    """Goes through the segments of an archive once."""

    def __init__(self, path: str, archive: Archive) -> None:
        self._path, self._archive = path, archive
        self._last: Summary | None = None
        self._boot = ""
        self._boots = self._processes = self._exits = self._holes = 0
        self._lost = 0.0
        self._interval = float("nan")
        self._damaged = self._skipped = 0
        self._torn = False

    def info(self) -> Info:
        summaries: list[Summary] = []
        volumes: dict[Volume, int] = {}
        head: Header | None = None
        redacted = True
        segments = 0
        for segment in self._segments():
            before = volumes.setdefault(segment.volume, segment.place.at)
            if before == segment.place.at:
                self._skipped += segment.place.at - min(frames.PREAMBLE.size, segment.place.at)
            try:
                head = header(segment.volume, segment.place.at)
            except Damaged:
                self._damaged += 1
                continue
            segments += 1
            redacted &= head.redacted
            whole = self._check(segment)
            summary = (self._archive.summary(segment) if whole else None) or self._decoded(segment)
            if summary is not None:
                self._add(summary, head, segment)
                summaries.append(summary)
        if head is None or self._last is None:
            raise FormatError(f"{self._path}: a recording without a whole reading")
        name, volume = head.info, next(reversed(volumes))
        _, major, minor = frames.PREAMBLE.unpack(volume.read(0, frames.PREAMBLE.size))
        return Info(
            path=self._path,
            format=f"{major}.{minor}",
            writer=head.writer,
            size=sum(v.size() for v in volumes),
            files=len(volumes),
            hostname=name.hostname,
            kernel=name.kernel,
            cpus=name.cpus,
            memory=name.memory,
            boots=self._boots,
            first=summaries[0].first,
            last=self._last.last,
            interval=self._interval,
            readings=sum(s.readings for s in summaries),
            samples=sum(s.samples for s in summaries),
            most=max(s.most for s in summaries),
            processes=self._processes + self._exits + self._last.left,
            exits=self._exits,
            holes=self._holes,
            lost=self._lost,
            late=sum(s.late for s in summaries),
            segments=segments,
            damaged=self._damaged,
            skipped=self._skipped,
            torn=self._torn,
            scored=sum(s.readings for s in summaries if s.scored),
            redacted=redacted,
            marks=sum(len(s.marks) for s in summaries),
            remark=self._archive.remark,
        )

    def _segments(self) -> Iterator[Segment]:
        segment = self._archive.first()
        while segment is not None:
            yield segment
            segment = self._archive.after(segment)

    def _check(self, segment: Segment) -> bool:
        """Whether every frame of a segment is whole, up to the next segment or the end."""
        volume, at = segment.volume, segment.place.at
        behind = volume.after(at)
        end = volume.size() if behind is None else behind.at
        data, start = b"", at  # a window of the file, and where it begins
        while at < end:
            if at + _HEAD > start + len(data):
                data, start = volume.read(at, min(_WINDOW, end - at)), at
            head = FrameHead.parse(data[at - start :]) if at + _HEAD <= start + len(data) else None
            stop = at + _HEAD + (head.stored if head is not None else 0)
            if head is None or stop > end:
                cut = behind is None and (head is None or head.possible())
                return self._broken(0 if cut else end - at, torn=cut)
            if head.possible() and stop > start + len(data):
                data, start = volume.read(at, max(_WINDOW, stop - at)), at
            if not (head.possible() and head.fits(data[at - start + _HEAD : stop - start])):
                return self._broken(end - at, torn=False)
            at = stop
        return True

    def _broken(self, skipped: int, *, torn: bool) -> bool:
        self._torn |= torn
        self._damaged += not torn
        self._skipped += skipped
        return False

    def _decoded(self, segment: Segment) -> Summary | None:
        """What a segment without a summary holds, as far as it can be read."""
        tally, k = Tally(), 0
        while (record := self._archive.get(segment, k)) is not None:
            tally.add(record.reading, record.seen)
            k += 1
        return tally.summary() if k else None

    def _add(self, summary: Summary, head: Header, segment: Segment) -> None:
        before, self._last = self._last, summary
        again = head.info.boot_id != self._boot
        self._boot = head.info.boot_id
        self._boots += again
        self._exits += summary.exits
        self._holes += summary.holes
        self._lost += summary.lost
        if before is None:
            record = self._archive.get(segment, 0)
            self._interval = record.reading.interval if record is not None else float("nan")
            return
        if again:
            self._processes += before.left
        passed = summary.first - before.last
        if again or passed > HOLE * self._interval:
            self._holes += 1
            self._lost += max(passed, 0.0)


def as_json(info: Info) -> str:
    """One object, times in RFC 3339."""
    out = asdict(info)
    for name in ("first", "last"):
        out[name] = datetime.fromtimestamp(out[name], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    out["bytes_per_sample"] = round(info.per_sample, 3)
    return json.dumps({name: value if value == value else None for name, value in out.items()}, indent=2) + "\n"


def as_text(info: Info, zone: tzinfo | None = None) -> str:
    """A line for each thing. Times in ``zone``, None = the local one."""
    rows = [
        ("host", f"{info.hostname}, Linux {info.kernel}, {info.cpus} cpus, {_size(info.memory)}" + _more(info.boots, "boots")),
        ("span", f"{_when(info.first, zone)} to {_when(info.last, zone)}, {duration(info.last - info.first, 9)}"),
        ("readings", f"{info.readings:,}" + (f", every {info.interval:g} s" if info.interval == info.interval else "")),
        ("processes", f"{info.most:,} at most, {info.samples / info.readings:,.0f} on average, {_all(info)}"),
        ("gaps", f"{info.holes}, {duration(info.lost, 9)} without readings" if info.holes else "none"),
        ("late", f"{info.late:,} readings ({info.late / info.readings:.1%})" if info.late else "none"),
        ("damage", _damage(info)),
        ("size", f"{_size(info.size)}{_more(info.files, 'files')}, {info.per_sample:.2f} bytes per process and reading"),
        ("scores", _scored(info)),
        ("secrets", "taken out of command lines" if info.redacted else "left in command lines"),
        ("format", f"{info.format}, written by {info.writer}"),
    ]
    return "".join(f"{title:10} {said}\n" for title, said in rows)


def _all(info: Info) -> str:
    return f"{info.processes:,} in all" + (f", {info.exits:,} ended" if info.exits else "")


def _more(count: int, what: str) -> str:
    return f" in {count} {what}" if count > 1 else ""


def _size(value: float) -> str:
    return quantity(value, Unit.BYTES)


def _when(wall: float, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(wall, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _damage(info: Info) -> str:
    parts = []
    if info.damaged or info.skipped:
        parts.append(f"{info.damaged} of {info.segments} segments, {info.skipped:,} bytes cannot be read")
    if info.torn:
        parts.append("ends within a reading (its writer works on it, or was killed)")
    return "; ".join(parts) or "none"


def _scored(info: Info) -> str:
    if not info.scored:
        return "none recorded: replay works them out"
    part = "all readings" if info.scored == info.readings else f"{info.scored:,} of {info.readings:,} readings"
    return f"recorded with {part}, {info.marks:,} anomalies"
