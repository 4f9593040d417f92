"""One conversation with Docker or Podman: a list, then events. The only module that imports the docker SDK.

What is asked, and nothing else: ``GET /version`` (by the SDK), ``/events``, ``/containers/json``. Never anything for one container.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

from proctop.containers.book import Book, Known
from proctop.containers.endpoints import Endpoint
from proctop.sanitize import clean

TIMEOUT: Final = 2.0
"""Seconds that a request may take."""

SILENT: Final = "not answering, names may be stale"

LONGEST_NAME: Final = 128
LONGEST_TEXT: Final = 256
MOST_LABELS: Final = 64
_RELIST: Final = 1.0  # seconds between lists, where an event does not name its container
_NAMING: Final = ("create", "start", "rename")
_REMOVING: Final = ("destroy", "remove")  # the word of Docker, and of Podman
_NOT_LABELS: Final = frozenset({"name", "image", "oldName", "containerExitCode", "podId"})  # attributes of events beside labels


def entry(raw: object, kind: str) -> tuple[str, Known] | None:
    """(id, words) of one element of ``/containers/json``; None for what is none."""
    if not isinstance(raw, Mapping):
        return None
    cid, names = raw.get("Id"), raw.get("Names")
    if not isinstance(cid, str) or not cid:
        return None
    own = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    own.sort(key=lambda name: name.count("/"))  # links to it from others are "/other/alias"
    return cid[:LONGEST_NAME], _known(own[0] if own else "", raw.get("Image"), raw.get("Labels"), kind)


def change(raw: object, kind: str) -> tuple[str, str, Known | None] | None:
    """(action, id, words where it tells them) of one event; None for what does not concern a name.

    Docker's and Podman's events carry name, image and labels together as attributes of the actor.
    """
    if not isinstance(raw, Mapping):
        return None
    action, actor = raw.get("Action") or raw.get("status"), raw.get("Actor")
    if action not in (*_NAMING, *_REMOVING) or not isinstance(actor, Mapping):
        return None
    cid, attributes = actor.get("ID"), actor.get("Attributes")
    if not isinstance(cid, str) or not cid:
        return None
    cid = cid[:LONGEST_NAME]
    if action in _REMOVING or not isinstance(attributes, Mapping) or not attributes.get("name") or not attributes.get("image"):
        return action, cid, None
    labels = {key: value for key, value in attributes.items() if key not in _NOT_LABELS}
    return action, cid, _known(attributes["name"], attributes["image"], labels, kind)


def _known(name: object, image: object, labels: object, kind: str) -> Known:
    return Known(_text(name, LONGEST_NAME).lstrip("/"), _image(_text(image, LONGEST_TEXT)), _labels(labels), kind)


def _text(value: object, longest: int) -> str:
    return clean(value[:longest]) if isinstance(value, str) else ""


def _image(image: str) -> str:
    return image[: len("sha256:") + 12] if image.startswith("sha256:") else image


def _labels(labels: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(labels, Mapping):
        return ()
    return tuple(sorted((_text(key, LONGEST_TEXT), _text(value, LONGEST_TEXT)) for key, value in labels.items())[:MOST_LABELS])


class Session(threading.Thread):
    """A thread that opens the event stream, lists all containers, then writes each change into the book until the stream ends.

    Attributes, written by this thread and read by its watch:
        asked: monotonic time at which the request under way began; None between requests.
        listed: the list has come.
        error: why it ended, in the SDK's words.

    The SDK bounds the silence between two bytes, not a whole request, so the watch holds ``asked`` against the clock and
    leaves a session that takes too long: what it still receives is then ignored, and it ends with its connection.
    """

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str], book: Book, ended: Callable[[], None]) -> None:
        super().__init__(name=f"proctop-{endpoint.kind}", daemon=True)
        self.asked: float | None = None
        self.listed = False
        self.error = ""
        self._endpoint = endpoint
        self._environ = environ
        self._book = book
        self._ended = ended
        self._left = threading.Event()
        self._stream: Any = None

    def leave(self) -> None:
        """End, or be ignored from now on. Returns at once; from any thread."""
        self._left.set()
        self._hang_up()

    def _hang_up(self) -> None:
        stream = self._stream
        if stream is not None:
            # The SDK digs for the socket, which may be gone by now.
            with contextlib.suppress(OSError, AttributeError, ValueError):
                stream.close()

    def run(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of version mismatches, onto the screen
                import docker
        except ImportError as error:
            self.error = str(error)
            self._ended()
            return
        # Type errors: the SDK takes the shape of answers and of ~/.docker/config.json for granted.
        try:
            self._converse(docker)
        except (OSError, ValueError, AttributeError, TypeError, KeyError, docker.errors.DockerException) as error:
            slow = self.asked is not None and time.monotonic() - self.asked >= TIMEOUT
            self.error = SILENT if slow else clean(str(error)[:LONGEST_TEXT])
        finally:
            self._hang_up()
            self.asked = None
            self._ended()

    def _converse(self, docker: Any) -> None:
        tls = docker.utils.kwargs_from_env(dict(self._environ)).get("tls", False) if self._endpoint.tls else False
        self.asked = time.monotonic()
        client = docker.APIClient(self._endpoint.url, version="auto", timeout=TIMEOUT, tls=tls)
        with contextlib.closing(client):
            self.asked = time.monotonic()
            # Events first, so that nothing happens unseen between the list and them.
            self._stream = client.events(decode=True, filters={"type": ["container"], "event": [*_NAMING, *_REMOVING]})
            listed = self._list(client)
            if self._left.is_set():  # before there was a stream to hang up on
                return
            for event in self._stream:
                if self._left.is_set():
                    return
                found = change(event, self._endpoint.kind)
                if found is None:
                    continue
                action, cid, known = found
                if known is not None:
                    self._book.learn(self._endpoint.url, cid, known)
                elif action in _REMOVING:
                    self._book.retire(self._endpoint.url, cid)
                elif self._book.get(cid) is None or action == "rename":
                    if self._left.wait(listed + _RELIST - time.monotonic()):
                        return
                    listed = self._list(client)

    def _list(self, client: Any) -> float:
        self.asked = time.monotonic()
        entries = dict(one for one in (entry(raw, self._endpoint.kind) for raw in client.containers(all=True)) if one)
        self.asked = None
        if not self._left.is_set():
            self._book.tell(self._endpoint.url, entries)
            self.listed = True
        return time.monotonic()
