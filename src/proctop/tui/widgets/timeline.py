"""The timeline: a click or a drag on it goes to that moment."""

from __future__ import annotations

from textual import events

from proctop.tui.messages import Sought
from proctop.tui.widgets.lines import Lines
from proctop.view import timeline
from proctop.view.cells import Line


class Timeline(Lines):
    """Where we are within what can be gone to."""

    def __init__(self) -> None:
        super().__init__(id="timeline")
        self._outlook: timeline.Outlook | None = None
        self._here = float("nan")
        self._live = False
        self._held: int | None = None  # the column that a drag has come to

    def show(self, outlook: timeline.Outlook | None, here: float, *, live: bool) -> None:
        """``here``: wall seconds of the moment shown; ``live``: the span ends now."""
        self._outlook, self._here, self._live = outlook, here, live
        self.redraw()

    @property
    def columns(self) -> int:
        """Parts of the span that there is room for; asked for before there is a timeline to show."""
        outlook, total = self._outlook, self.app.size.width
        return timeline.columns(outlook, total, self._live) if outlook is not None else total

    def draw(self) -> list[Line]:
        return [timeline.draw(self._outlook, self._here, self.size.width, self.glyphs, live=self._live)]

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.capture_mouse()
        self._seek(event.x, dragged=False)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held is not None:
            event.stop()
            self._seek(event.x, dragged=True)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        self.release_mouse()

    def on_mouse_release(self) -> None:
        if self.app.mouse_captured is not self:  # another press may have come before word of this release
            self._held = None

    def _seek(self, x: int, *, dragged: bool) -> None:
        """To the moment of a cell; a click on an anomaly goes to where it began, and to its process."""
        outlook, total = self._outlook, self.size.width
        if outlook is None or not total:
            return
        place = timeline.place_at(outlook, total, self._live, x)
        if place == self._held:
            return
        self._held, count = place, timeline.columns(outlook, total, self._live)
        mark = None if dragged else outlook.marked(place, count)
        if mark is not None:
            self.post_message(Sought(mark.wall, mark.key))
        else:
            self.post_message(Sought(outlook.wall(place, count)))
