"""The one format: a file, a pipe and ssh carry the same bytes. Specified in ``docs/format.md``."""

from __future__ import annotations

MAJOR, MINOR = 1, 3
"""Version written. Readers take every minor of their major, older or newer, and refuse a newer major."""


class StreamError(Exception):
    """Something a user can act on: one line, no traceback."""


class FormatError(StreamError):
    """Not a recording, or one that this version cannot read."""


class WriteFailed(StreamError):
    """The recording could not be opened or written. What is in the file stays readable."""


class Damaged(Exception):
    """Bytes that no writer wrote. Ends a segment, never the reading of a file."""
