"""What widgets and the feed tell the screens."""

from __future__ import annotations

from textual.message import Message

from proctop.records import ProcKey


class FrameReady(Message, bubble=False):
    """The feed holds something new. Posted once until it is taken, however many frames come meanwhile."""


class Moved(Message):
    """The selection of the table changed."""

    def __init__(self, key: ProcKey | None) -> None:
        super().__init__()
        self.key = key


class Opened(Message):
    """Enter, or a second click, on a process."""

    def __init__(self, key: ProcKey) -> None:
        super().__init__()
        self.key = key


class SortBy(Message):
    """A click on the title of a column."""

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column


class Chosen(Message):
    """An item of a menu was taken."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value


class Pointed(Message):
    """The cursor of a menu stands on another item."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value


class MomentReady(Message, bubble=False):
    """The transport holds something new, as :class:`FrameReady` says of the feed."""


class Sought(Message):
    """A moment was pointed at on the timeline, with the process whose anomaly it is."""

    def __init__(self, wall: float, key: ProcKey | None = None) -> None:
        super().__init__()
        self.wall, self.key = wall, key
