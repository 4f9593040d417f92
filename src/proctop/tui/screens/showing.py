"""What a screen over the main one offers to go on with the frames."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from proctop.frames import Frame
from proctop.view.panel import Moment


@runtime_checkable
class Showing(Protocol):
    """A :class:`Header` on it is kept up to date besides."""

    def show(self, frame: Frame, moment: Moment) -> None:
        """Go on with another frame."""
        ...
