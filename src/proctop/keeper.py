"""Keeps what the detector learned in a file: read at the start, written every five minutes and at the end.

Nothing that goes wrong with a save reaches the view but a line of words, and the next save is a new attempt.
"""

from __future__ import annotations

import errno
import os
import threading

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
        if not self._save or reading.mono - self._saved < EVERY or (self._writing is not None and self._writing.is_alive()):
            return
        self._saved = reading.mono
        self._writing = threading.Thread(target=self._write, args=(self._learned(),), name="baseline", daemon=True)
        self._writing.start()

    def close(self) -> None:
        """Save what is known now. Not while the detector steps."""
        if self._writing is not None:
            self._writing.join(_PATIENCE)
        if self._save:
            self._write(self._learned())

    def _learned(self) -> Learned:
        return self._detector.learned(self._info.hostname, self._info.boot_id)

    def _write(self, learned: Learned) -> None:
        try:
            replace_private(self.path, dump(learned))
            self.trouble = ""
        except OSError as error:
            self.trouble = f"saving {self.path}: {(error.strerror or os.strerror(error.errno or 0)).lower()}"
