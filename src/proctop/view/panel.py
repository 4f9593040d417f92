"""The host as lines: the header, and the panel of gauges with their history."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from proctop.frames import HOST, Frame, HostRates
from proctop.history import FACTORS
from proctop.view import sparkline
from proctop.view.cells import Cell, Glyphs, Line, fit, line, sides, width
from proctop.view.table import FULL
from proctop.view.units import count, duration, percent, size
from proctop.view.zoom import span

NAN = float("nan")
GAUGES = ("cpu", "mem", "swap", "psi", "disk", "net")
LENGTH = 120


class Series:
    """The last :data:`LENGTH` values, and the highest of as many longer parts."""

    def __init__(self) -> None:
        self._parts = {factor: deque[float](maxlen=LENGTH) for factor in (1, *FACTORS)}
        self._count = 0

    def append(self, value: float) -> None:
        for factor, parts in self._parts.items():
            if self._count % factor == 0:
                parts.append(value)
            elif not value <= parts[-1]:  # NaN is no value yet
                parts[-1] = value if value == value else parts[-1]
        self._count += 1

    def of(self, factor: int) -> Sequence[float]:
        return self._parts[factor]


class Past:
    """The last values of each gauge, oldest first. Readings that were not shown leave a gap."""

    def __init__(self) -> None:
        self._series = {name: Series() for name in GAUGES}
        self._tick = -1

    def push(self, frame: Frame) -> None:
        missed = frame.tick - self._tick - 1 if 0 <= self._tick < frame.tick else 0
        self._tick = frame.tick
        self._append(frame.host, min(missed, LENGTH))

    def _append(self, rates: HostRates, missed: int) -> None:
        for name, value in _levels(rates).items():
            for one in [NAN] * missed + [value]:
                self._series[name].append(one)

    @classmethod
    def through(cls, rates: Iterable[HostRates]) -> Past:
        """Of readings one after the other, oldest first."""
        past = cls()
        for one in rates:
            past._append(one, 0)
        return past

    def of(self, name: str, factor: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """The last values or, with one of :data:`FACTORS`, the highest of parts of so many readings."""
        return np.array(self._series[name].of(factor), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Moment:
    """Which moment is shown: now, unless it is a ``replay`` or has an ``age``."""

    replay: bool = False
    age: float | None = None  # seconds before now
    speed: float = 0.0  # at which it plays, 0 = it stands
    end: bool = False  # nothing comes after it


NOW = Moment()


@dataclass(frozen=True, slots=True)
class Mode:
    """What the header says about the screen itself."""

    moment: Moment = NOW
    query: str = ""
    user: str = ""
    follow: bool = False
    ended: bool = False
    recording: bool = False


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0 if part == 0 else NAN


def _levels(host: HostRates) -> dict[str, float]:
    """The gauges as shares or bytes per second."""
    return {
        "cpu": host.cpu,
        "mem": _share(host.memory_used, host.memory_total),
        "swap": _share(host.swap_used, host.swap_total),
        "psi": max((some for some, _ in host.pressure.values() if some == some), default=NAN),
        "disk": host.disk_read + host.disk_write,
        "net": host.net_rx + host.net_tx,
    }


def header(frame: Frame | None, total: int, glyphs: Glyphs, mode: Mode) -> Line:
    """Host, time, how it is read, and on the right what nobody may overlook."""
    if frame is None:
        return line(
            [Cell(" proctop", "strong"), Cell("  opening the recording" if mode.moment.replay else "  reading this host", "soft")], total
        )
    reading = frame.reading
    left = [
        Cell(fit(f" {reading.info.hostname}", min(width(reading.info.hostname) + 1, 24), glyphs), "strong"),
        Cell(time.strftime("  %Y-%m-%d" if mode.moment.replay else "  %H:%M:%S", time.localtime(reading.wall))),
    ]
    extra = [
        f"  {reading.source} every {_seconds(reading.interval)}",
        f"  {len(reading)} processes",
        f"  up {duration(reading.boot, 6)}",
    ]
    if frame.host.load is not None:
        extra.append("  load " + " ".join(f"{value:.2f}" for value in frame.host.load))
    right = _badges(frame, glyphs, mode)
    room = total - sum(width(c.text) for c in [*left, *right]) - 1
    remarks = _remarks(frame)
    aside = f"  {len(remarks)} remarks: F1 " if len(remarks) > 1 else "  1 remark: F1 " if remarks else ""
    room -= width(aside)
    for text in extra:
        text = glyphs.plain(text)
        if width(text) <= room:
            left.append(Cell(text, "soft"))
            room -= width(text)
    if remarks and room > 12:  # what is most restricted, as far as it fits
        more = f" (+{len(remarks) - 1}: F1) " if len(remarks) > 1 else " "
        first = "  " + remarks[0]
        aside = fit(first, min(width(glyphs.plain(first)), room + width(aside) - width(more)), glyphs) + more
    return sides(left, [Cell(aside, "soft"), *right] if aside and room >= 0 else right, total)


PER_PROCESS = ("io", "fd", "status", "schedstat", "blkio_delay")
"""Gaps of single processes. A few of them are told by the help and by exports, and are no news for the header."""

NOTABLE = 0.02
"""The share of processes from which on such a gap is a remark."""


def _remarks(frame: Frame) -> list[str]:
    """What the source has to say, and what it could not read of the host or of many processes."""
    reading = frame.reading
    few = NOTABLE * len(reading)
    # Delays for storage stand in no column and in no score.
    told = [g for g in reading.gaps if g.field not in PER_PROCESS or (g.count > few and g.field != "blkio_delay")]
    return [
        *reading.notes,
        *frame.scores.notes,
        *(gap.reason if gap.reason.startswith(gap.field) else f"{gap.field}: {gap.reason}" for gap in told),
    ]


def _seconds(value: float) -> str:
    return f"{value:g}s"


def _badges(frame: Frame, glyphs: Glyphs, mode: Mode) -> list[Cell]:
    out: list[Cell] = []
    reading = frame.reading
    if mode.user:
        out.append(Cell(fit(f"user {mode.user} ", min(width(mode.user) + 6, 20), glyphs), "mid"))
    if mode.query:
        out.append(Cell(fit(f"filter {mode.query} ", min(width(mode.query) + 8, 32), glyphs), "mid"))
    if mode.follow:
        out.append(Cell("follow ", "soft"))
    if reading.late > max(0.25, reading.interval / 2):
        out.append(Cell(f"late {_seconds(round(reading.late, 1))} ", "warn"))
    if frame.warming < 1.0:
        out.append(Cell(f"warming {frame.warming * 100:.0f}% ", "good"))
    if mode.recording:
        out.append(Cell("rec ", "bad"))
    if mode.ended:
        out.append(Cell(" ENDED ", "badge"))
    if mode.moment != NOW:
        out.append(Cell(f" {glyphs.plain(words(mode.moment, reading.wall))} ", "badge"))
    elif not mode.ended:
        out.append(Cell("now ", "soft"))
    return out


def words(moment: Moment, wall: float) -> str:
    """The moment in words: "now", "paused 12s ago", "12s ago 2×", "replay 10:03:12 paused".

    >>> words(NOW, 0.0), words(Moment(age=12.0), 0.0), words(Moment(age=95.0, speed=10.0), 0.0)
    ('now', 'paused 12s ago', '1m35s ago 10×')
    """
    pace = f"{moment.speed:g}×"
    if moment.replay:
        clock = time.strftime("%H:%M:%S", time.localtime(wall))
        return f"replay {clock} {'paused' if not moment.speed else 'end' if moment.end else pace}"
    if moment.age is None:
        return "now"
    age = round(moment.age, 0 if moment.age >= 1 else 1)
    ago = f"{age // 60:.0f}m{age % 60:02.0f}s" if 60 <= age < 3600 else duration(age, 6)  # 1:35 is a time of day
    return f"{ago} ago {pace}" if moment.speed else f"paused {ago} ago"


def panel(frame: Frame | None, past: Past, total: int, rows: int, glyphs: Glyphs, factor: int = 1) -> list[Line]:
    """The gauges: on four rows with history, of which a cell is the highest of ``factor`` readings, or in short on one."""
    if frame is None or rows < 1:
        return []
    if rows < 4:
        return [_short(frame.host, total, glyphs)]
    half = (total - 3) // 2
    texts = _texts(frame.host, glyphs)
    out = []
    for left, right in (("cpu", "psi"), ("mem", "disk"), ("swap", "net")):
        cells = [Cell(" "), *_gauge(left, texts[left], past, half, glyphs, factor), Cell(glyphs.bar.center(1), "faint")]
        out.append(line([*cells, Cell(" "), *_gauge(right, texts[right], past, half, glyphs, factor)], total))
    out.append(_strip(frame, total, glyphs, factor))
    return out


TEXT = 28
"""Cells of the words beside a gauge."""

LEAST = 24
"""Cells that the history of the score keeps."""


def _gauge(name: str, text: list[Cell], past: Past, total: int, glyphs: Glyphs, factor: int) -> list[Cell]:
    room = max(0, min(total - 6 - TEXT, LENGTH))
    high = 1.0 if name in ("cpu", "mem", "swap", "psi") else None
    spark = sparkline.text(past.of(name, factor), room, high=high, ascii=glyphs.ascii) + " " if room > 2 else ""
    said = line(text, max(0, total - 5 - width(spark))).cells
    return [Cell(f"{name:5}", "soft"), Cell(spark, "spark"), *said]


def _pair(label: str, text: str, cells: int, style: str = "text") -> list[Cell]:
    return [Cell(f"{label} ", "soft"), Cell(f"{text:<{cells}}", style)]


def _pct(share: float, cells: int = 4) -> str:
    return percent(share * 100, cells)


def _hot(share: float, limit: float) -> str:
    return "warn" if share >= limit else "text"


def _texts(host: HostRates, glyphs: Glyphs) -> dict[str, list[Cell]]:
    """What stands beside the history of each gauge, at most 23 cells."""
    plain = glyphs.plain
    user = host.parts.get("user", NAN) + host.parts.get("nice", NAN)
    pressure = {name: host.pressure.get(name, (NAN, NAN))[0] for name in ("cpu", "memory", "io")}
    return {
        "cpu": [
            Cell(f"{plain(_pct(host.cpu, 5)):>5}% ", _hot(host.cpu, 0.95)),
            *_pair(" us", plain(percent(user * 100, 3)), 3),
            *_pair(" sy", plain(percent(host.parts.get("system", NAN) * 100, 3)), 3),
            *_pair(" io", plain(percent(host.parts.get("iowait", NAN) * 100, 3)), 3, _hot(host.parts.get("iowait", NAN), 0.2)),
        ],
        "mem": _of(host.memory_used, host.memory_total, plain, 0.95),
        "swap": _of(host.swap_used, host.swap_total, plain, 0.5) if host.swap_total else [Cell(" none", "faint")],
        "psi": [
            cell
            for label, name in (("cpu", "cpu"), ("  mem", "memory"), ("  io", "io"))
            for cell in _pair(label, plain(percent(pressure[name] * 100, 3)), 3, _hot(pressure[name], 0.2))
        ],
        "disk": [
            *_pair("r", plain(size(host.disk_read, 5)), 5),
            *_pair(" w", plain(size(host.disk_write, 5)), 5),
            *_pair(" busy", plain(percent(host.disk_busy * 100, 3)) + "%", 4, _hot(host.disk_busy, 0.9)),
        ],
        "net": [
            *_pair(glyphs.rx.strip(), plain(size(host.net_rx, 5)), 5),
            *_pair(" " + glyphs.tx.strip(), plain(size(host.net_tx, 5)), 5),
        ],
    }


def _of(used: float, whole: float, plain: object, limit: float) -> list[Cell]:
    share = _share(used, whole)
    text = f"{percent(share * 100, 5):>5}% "
    rest = f" {size(used, 5)} of {size(whole, 5)}"
    if callable(plain):
        text, rest = plain(text), plain(rest)
    return [Cell(text, _hot(share, limit)), Cell(rest, "soft")]


def _strip(frame: Frame, total: int, glyphs: Glyphs, factor: int) -> Line:
    """The highest score of each reading, newest on the right; then how many processes come and go, and the load of each cpu, where there
    is room."""
    top = float(frame.history.host[-1]) if frame.history.host.size else NAN
    alerts = int(frame.scores.alerting.sum())
    text = f" top {percent(top, 4)}"
    said = Cell(f"  {alerts} alerting ", "alert") if alerts else Cell("  no alerts ", "faint")
    if alarm := next((event for event in frame.alerts if event.key == HOST and event.open and event.why), None):
        host = glyphs.plain(f"{f'  {alerts} alerting,' if alerts else ' '} host: {alarm.why[0].text} ")
        said = Cell(fit(host, min(width(host), total // 2), glyphs), "alert")
    cores = frame.host.cores
    right = [Cell(glyphs.plain(text)), said]
    room = total - 7 - sum(width(c.text) for c in right) - (12 if factor > 1 else 0)
    churn = _churn(frame.host, room - LEAST, glyphs)
    right += churn
    room -= sum(width(c.text) for c in churn)
    spare = room - LENGTH - 8
    if 0 < len(cores) <= spare:
        right += [Cell(" cpus ", "soft"), Cell(_heights(cores, glyphs), "spark")]
        room -= len(cores) + 6
    cells = min(room, LENGTH)
    shown = sparkline.text(frame.history.tops(cells, factor), cells, high=FULL, ascii=glyphs.ascii) if cells > 0 else ""
    zoomed = [Cell(fit(f" last {span(cells, factor, frame.reading.interval)}", 12, glyphs), "mid")] if factor > 1 else []
    return sides([Cell(" score ", "soft"), Cell(shown, "spark"), *zoomed, *right[:2]], right[2:], total)


def _churn(host: HostRates, room: int, glyphs: Glyphs) -> list[Cell]:
    """Processes started, programs run and processes ended, as far as somebody counts them and ``room`` is there."""
    cells: list[Cell] = []
    for name, rate in (("forks", host.births), ("execs", host.execs), ("exits", host.exits)):
        pair = [Cell(f" {name} ", "soft"), Cell(fit(f"{count(rate, 4)}/s", 6, glyphs))]
        if rate == rate and (room := room - sum(width(c.text) for c in pair)) >= 0:
            cells += pair
    return cells


def _heights(shares: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], glyphs: Glyphs) -> str:
    return sparkline.text(np.asarray(shares, dtype=np.float32), len(shares), high=1.0, ascii=glyphs.ascii)


def _short(host: HostRates, total: int, glyphs: Glyphs) -> Line:
    """The gauges in one line, as many as fit."""
    levels = _levels(host)
    cells: list[Cell] = []
    for name in ("cpu", "mem", "psi", "disk", "net", "swap"):
        share = name in ("cpu", "mem", "psi", "swap")
        text = f"{percent(levels[name] * 100, 3):>3}%" if share else f"{size(levels[name], 5):>5}"
        pair = [Cell(f" {name} ", "soft"), Cell(glyphs.plain(text) + " ", _hot(levels[name], 0.95) if share else "text")]
        if sum(width(c.text) for c in [*cells, *pair]) <= total:
            cells += pair
    return line(cells, total)
