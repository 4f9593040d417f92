"""Screens to read: help, and one process in detail."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from proctop import fields
from proctop.actions import ActionFailed, Detail
from proctop.records import Frame, Index, ProcKey
from proctop.tui.keys import TIME
from proctop.tui.screens.menus import Overlay
from proctop.tui.widgets.bars import Keys, Notice
from proctop.tui.widgets.menu import Page
from proctop.view import table, values
from proctop.view.cells import Cell
from proctop.view.panel import NOW, Moment, words

Text = list[list[Cell]]
LABEL = 14
AGAINST = {"own": "its own history", "cohort": "others of its name", "host": "all others here"}
BACK = (("Esc", "Back", "dismiss"), ("F10", "Quit", "app.quit"))


class Reader(Overlay[None]):
    """A title, pages, and the way back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "back", show=False),
        Binding("f10", "app.quit", "quit", show=False),
    ]
    AUTO_FOCUS = "Page"

    def compose(self) -> ComposeResult:
        yield Notice("reader-title")
        yield Page()
        yield Keys(BACK)

    def on_mount(self) -> None:
        self.fill()

    def on_resize(self) -> None:
        self.fill()

    def fill(self) -> None:
        """Say the title and show the text at the present width. A size or a frame may come before the widgets do, or after them."""
        if not self.query(Keys):
            return
        self.query_one("#reader-title", Notice).say([Cell(f" {self.headline()}", "strong")], self.aside())
        self.query_one(Page).show(self.text(max(20, self.size.width - 2)))

    def headline(self) -> str:
        raise NotImplementedError

    def aside(self) -> list[Cell]:
        """What stands on the right of the title."""
        return []

    def text(self, columns: int) -> Text:
        """The lines at a width of ``columns``."""
        raise NotImplementedError


def wrapped(label: str, text: str, columns: int, style: str = "text") -> Text:
    """A labelled paragraph; long words are broken so that all of it can be read."""
    room = max(10, columns - LABEL - 1)
    parts = textwrap.wrap(text, room, break_long_words=True, break_on_hyphens=False) or [""]
    return [[Cell(f" {label if k == 0 else '':{LABEL}}", "soft"), Cell(part, style)] for k, part in enumerate(parts)]


def heading(text: str) -> Text:
    return [[Cell("")], [Cell(f" {text}", "strong")]]


class Help(Reader):
    """Keys, columns, features and remarks, out of the bindings and the registry."""

    def __init__(self, keys: Iterable[tuple[str, str]], remarks: Sequence[str]) -> None:
        super().__init__()
        self._keys, self._remarks = tuple(keys), tuple(remarks)

    def headline(self) -> str:
        return "Help"

    def text(self, columns: int) -> Text:
        out: Text = []
        if self._remarks:
            out += [[Cell(" This host", "strong")]]
            for remark in self._remarks:
                out += wrapped("", remark, columns)
            out += [[Cell("")]]
        out += [[Cell(" Keys", "strong")]]
        for key, says in self._keys:
            out += wrapped(key, says, columns)
        out += heading("The score")
        out += wrapped(
            "",
            "How unlike its own past a process behaves now, in nats (3 is about once in 20 readings, 7 once in 1,000), smoothed over "
            "two readings. The bar is full at 12. A red number with ! alerts: so high an episode is rarer on this host than the budget of "
            "false alerts. A new process is judged by others of its name; while the monitor warms up nothing is judged.",
            columns,
        )
        out += heading("Columns")
        for column in fields.COLUMNS:
            out += wrapped(column.title, column.help, columns)
        out += heading("Features, as filters and exports name them")
        for feature in fields.FEATURES:
            unit = f" ({feature.unit})" if feature.unit not in ("", "1") else ""
            out += wrapped(feature.name, feature.help + unit, columns)
        return out


class ProcessDetail(Reader):
    """One process: reasons, features against what is usual, words, and what only a closer look tells."""

    BINDINGS: ClassVar[list[BindingType]] = TIME

    def __init__(self, key: ProcKey, frame: Frame, look: Callable[[ProcKey], Detail] | None, moment: Moment) -> None:
        """``look`` asks the host about the process; None: it is not the host of the frame."""
        super().__init__()
        self.key = key
        self._frame, self._look, self._moment = frame, look, moment
        self._detail: Detail | str | None = None
        self._gone = ""

    def on_mount(self) -> None:
        super().on_mount()
        self._look_closely()

    def _look_closely(self) -> None:
        """Once, when the moment is now."""
        if self._look is not None and self._detail is None and self._moment == NOW:
            self._detail = "looking …"
            self.app.look_closely(self.key, self._look, self._seen)  # type: ignore[attr-defined]

    def _seen(self, detail: Detail | ActionFailed | None) -> None:
        """Take the closer look; None: it did not come back in time."""
        if detail is None:
            self._detail = "the kernel does not answer about this process"
        else:
            self._detail = str(detail) if isinstance(detail, ActionFailed) else detail
        self.fill()

    def show(self, frame: Frame, moment: Moment) -> None:
        """Go on with another frame; the last one stays where the process is not in it."""
        self._gone = "" if table.row_of(frame, self.key) is not None else table.absence(frame, self.key)
        self._moment = moment
        if not self._gone:
            self._frame = frame
        self.fill()
        if self.is_attached:
            self._look_closely()

    def aside(self) -> list[Cell]:
        return [] if self._moment == NOW else [Cell(f" {words(self._moment, self._frame.reading.wall)} ", "badge")]

    def headline(self) -> str:
        row = table.row_of(self._frame, self.key)
        name = self._frame.batch.labels[row].comm if row is not None and row >= 0 else "thread"
        return f"{name}  pid {self.key.pid}" + (f"  {self._gone}" if self._gone else "")

    def text(self, columns: int) -> Text:
        frame = self._frame
        row = table.row_of(frame, self.key)
        if row is None or row < 0:
            return [[Cell(" A thread has no detail of its own: select its process.", "soft")]]
        label = frame.batch.labels[row]
        out: Text = []
        reasons = frame.scores.why.get(row, ())
        said = [f"{r.text} ({AGAINST.get(r.against, r.against)})" for r in reasons]
        for k, text in enumerate(said or [table.no_reason(frame, row)]):
            out += wrapped("why" if k == 0 else "", text, columns, table.level(frame, row) if reasons else "soft")
        hourly = float(frame.scores.per_hour[row])
        rarity = f"   comes by chance {_often(hourly)}" if frame.scores.rank[row] >= table.NOTABLE and hourly == hourly else ""
        score = [Cell(cell.text.lstrip(), cell.style) for cell in table.score_cells(frame, row, 9, self.query_one(Page).glyphs)]
        out.append([Cell(f" {'score':{LABEL}}", "soft"), *score, Cell(rarity, "soft")])
        out += heading("Identity")
        cells = {
            name: values.texts(frame, name, _index(row))[0] for name in ("state", "ppid", "nice", "priority", "start", "elapsed", "time")
        }
        out += wrapped("command", label.command or f"[{label.comm}]", columns)
        out += wrapped("user", f"{label.user} ({label.uid})", columns)
        out += wrapped(
            "state", f"{cells['state']}   nice {cells['nice']}   priority {cells['priority']}   cpu time {cells['time'].strip()}", columns
        )
        out += wrapped("started", f"{cells['start'].strip()}, {cells['elapsed'].strip()} ago", columns)
        out += wrapped("cgroup", label.cgroup or "–", columns)
        box = label.container
        if box is not None:
            pod = f", pod {box.pod}" if box.pod else ""
            out += wrapped(
                "container", f"{box.title}  {box.image or 'image not known'}  ({box.runtime or 'runtime not known'}{pod})", columns
            )
            out += wrapped("id", box.id, columns, "soft")
            for name, value in box.labels:
                out += wrapped("label", f"{name}={value}", columns, "soft")
        out += self._closer(columns)
        out += heading("Features")
        usual = {reason.feature: reason for reason in reasons}
        for feature in fields.FEATURES:
            value = values.texts(frame, feature.name, _index(row))[0].strip()
            reason = usual.get(feature.name)
            cells_of = [Cell(f" {feature.name:{LABEL}}", "soft"), Cell(f"{value:>9}  ", "faint" if value in table.ZEROS else "text")]
            says = fields.COLUMN[feature.name].help if feature.name in fields.COLUMN else feature.help
            cells_of.append(Cell(reason.text, table.level(frame, row)) if reason else Cell(says, "soft"))
            out.append(cells_of)
        return out

    def _closer(self, columns: int) -> Text:
        detail = self._detail if self._moment == NOW else None
        if detail is None:
            detail = "another host or a recording tells no more" if self._look is None else "told of now only"
        if isinstance(detail, str):
            return [*heading("A closer look"), *wrapped("", detail, columns, "soft")]
        out = heading("A closer look")
        out += wrapped("exe", _known(detail.exe), columns)
        out += wrapped("directory", _known(detail.cwd), columns)
        parents = "  <  ".join(f"{name} {pid}" for pid, name in detail.parents)
        out += wrapped("parents", parents or "none", columns)
        out += wrapped("open files", _known(detail.files), columns)
        out += wrapped("cpus", _known(None if detail.affinity is None else ",".join(map(str, detail.affinity))), columns)
        if detail.connections is None:
            out += wrapped("connections", _known(None), columns)
        for k, text in enumerate((detail.connections or ())[:40]):
            out += wrapped("connections" if k == 0 else "", text, columns)
        return out


def _often(hourly: float) -> str:
    """A frequency as people say it: "once in 2.5 h", "40 times an hour"."""
    return f"{hourly:.0f} times an hour" if hourly >= 1.5 else f"once in {1 / hourly:.2g} h" if hourly > 0 else "almost never"


def _known(value: object) -> str:
    return "– (not permitted)" if value is None else str(value)


def _index(row: int) -> Index:
    return np.array([row], dtype=np.intp)
