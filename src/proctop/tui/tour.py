"""What is told beside the bundled recording: a shop in containers, a mailer that logs too much, and a guest that nobody asked for."""

from __future__ import annotations

BEGIN, DEBUGGING, MINING, INCIDENT, LENGTH = 200.0, 220.0, 290.0, 40.0, 350.0
"""Seconds into the recording: where it begins to play, when the incidents begin, how long each lasts; and all of it."""

_TOLD: tuple[tuple[float, str], ...] = (
    (0.0, "A shop in six containers, recorded. All is well.  ) next anomaly  Space waits"),
    (DEBUGGING, "The mailer writes megabytes, not lines: debug logging.  ↓ Enter: why"),
    (DEBUGGING + INCIDENT, "Over: the log level was put back.  ( goes back to it  [ ] step"),
    (MINING + 2, "shop-cache-1 runs what it never ran: a miner.  c containers  ↓ Enter: why"),
    (MINING + INCIDENT, "It was killed; the end.  { again  q quits, then `proctop` shows this host"),
)


class Tour:
    """``start``: wall seconds of the first reading."""

    def __init__(self, start: float) -> None:
        self._start = start

    @property
    def begin(self) -> float:
        """Where to begin, in wall seconds."""
        return self._start + BEGIN

    def told(self, wall: float) -> str:
        """What is said of a moment."""
        return next((text for since, text in reversed(_TOLD[1:]) if wall - self._start >= since), _TOLD[0][1])
