"""Keeps what the detector learned in a file: read at the start, written every five minutes and at the end.

It is copied a piece a reading and written by a thread of its own, so that no reading waits for it.

Nothing that goes wrong with a save reaches the view but a line of words, and the next save is a new attempt.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator

from proctop.private import read_private, replace_private
from proctop.records import HostInfo, Reading
from proctop.scoring.baseline import Baseline
from proctop.scoring.store import LARGEST, BaselineError, Learned, dump, load

EVERY = 300.0
"""Seconds between two saves."""

_PATIENCE = 2.0  # seconds that the end waits for a save that is under way


class Keeper:
    """The file at ``path`` and the detector whose memory it holds.

    ``save=False``: what is learned here is not for keeping (a recording that is looked at again).
    """

    def __init__(self, path: str, detector: Baseline, info: HostInfo, *, save: bool = True) -> None:
        self.path = path
        self.trouble = ""
        """Why the last save failed, "" = it did not."""
        self._detector = detector
        self._info = info
        self._save = save
        self._saved = float("nan")  # monotonic time
        self._copying: Iterator[Learned | None] | None = None
        self._writing: threading.Thread | None = None

    def load(self) -> str:
        """Begin with what the file holds, if there is one; a remark for the user or "". Raises :class:`BaselineError`, OSError."""
        try:
            past = load(read_private(self.path, LARGEST))
        except FileNotFoundError:
            return ""
        except BaselineError as error:
            raise BaselineError(f"{self.path}: {error}; move it away to start afresh") from None
        except OSError as error:
            link = error.errno == errno.ELOOP
            said = "is a symbolic link, name the file itself" if link else (error.strerror or str(error)).lower()
            raise BaselineError(f"{self.path}: {said}") from None
        self._detector.restore(past, self._info.hostname, self._info.boot_id)
        if past.host != self._info.hostname:
            return f"{self.path} is of host {past.host}: names and images are known, how often alarms are false is not"
        return ""

    def step(self, reading: Reading) -> None:
        """After each step of the detector, in the same thread."""
        if self._saved != self._saved or reading.mono < self._saved:
            self._saved = reading.mono
        due = self._save and reading.mono - self._saved >= EVERY and (self._writing is None or not self._writing.is_alive())
        if due and self._copying is None:
            self._saved = reading.mono
            self._copying = self._detector.learning(self._info.hostname, self._info.boot_id)
        whole = next(self._copying) if self._copying is not None else None
        if whole is not None:
            self._copying = None
            self._writing = threading.Thread(target=self._write, args=(whole,), name="baseline", daemon=True)
            self._writing.start()

    def close(self) -> None:
        """Save what is known now. Not while the detector steps."""
        if self._writing is not None:
            self._writing.join(_PATIENCE)
        if self._save:
            self._write(self._detector.learned(self._info.hostname, self._info.boot_id))

    def _write(self, learned: Learned) -> None:
        try:
            replace_private(self.path, dump(learned))
            self.trouble = ""
        except OSError as error:
            self.trouble = f"saving {self.path}: {(error.strerror or os.strerror(error.errno or 0)).lower()}"
