"""The words beside each process: composed from what the kernel and the container runtime say, shared while unchanged."""

from __future__ import annotations

import sys
from typing import Protocol

from proctop.containers.paths import Place, resolve
from proctop.kernel.host import Host, Unreadable
from proctop.kernel.subject import Subject
from proctop.kernel.words import Answer, Command, User, Words
from proctop.records import Container, Label
from proctop.sanitize import clean_bytes

_MOST_PLACES = 4096
_LONG = 8192  # bytes of a cgroup file beyond which it is read in pieces
NOWHERE = Place("", None, ())
"""Of a process whose cgroup is not known."""


class Names(Protocol):
    """What a container runtime knows. ``version`` rises whenever an answer may have changed."""

    @property
    def version(self) -> int: ...

    def enrich(self, c: Container) -> Container: ...

    def notes(self) -> tuple[str, ...]: ...


class Labels:
    """Keeps ``label`` of every subject up to date."""

    def __init__(self, host: Host, words: Words, names: Names | None) -> None:
        self._host = host
        self._words = words
        self._names = names
        self._version = -1
        self._subjects: dict[int, Subject] = {}  # by pid
        self._where: dict[Subject, Place] = {}
        self._present: dict[str, Place] | None = None  # places by path; None = to be collected again
        self._stale: set[Subject] = set()  # ran since its command line was read
        self._waiting: dict[Subject, None] = {}  # command line wanted, not asked for while in uninterruptible sleep
        self._users: dict[int, str] = {}  # by uid; the number itself until the name is in
        self._strangers: set[int] = set()  # uids to ask for
        self._places: dict[bytes, Place] = {}
        self._containers: dict[str, Container] = {}

    def drop(self, subject: Subject) -> None:
        """Forget a process; its label stays with it."""
        self._where.pop(subject, None)
        self._present = None
        self._stale.discard(subject)
        self._waiting.pop(subject, None)
        if self._subjects.get(subject.pid) is subject:
            del self._subjects[subject.pid]

    def places(self) -> dict[str, Place]:
        """Every cgroup path that some process is in, with the paths of all its hierarchies."""
        if self._present is None:
            self._present = {place.path: place for place in self._where.values() if place.path}
        return self._present

    def place(self, subject: Subject) -> Place | None:
        """Where a process is; None = could not be read."""
        return self._where.get(subject)

    def brief(self, comm: bytes, command: str | None, uid: int, place: Place | None, ppid: int) -> Label:
        """The label of a process that ended before anybody looked; without a ``command`` it was a copy of its parent, without a
        ``place`` it was where that is."""
        parent = self._subjects.get(ppid)
        if place is None:
            place = NOWHERE if parent is None else self._where.get(parent, NOWHERE)
        if command is None:
            command = parent.label.command if parent is not None and parent.comm == comm else ""
        kernel = parent is not None and parent.kernel and not command
        return self._label(comm, command, self._users.get(uid, str(uid)), uid, place, kernel)

    def renew(self, subjects: list[Subject]) -> None:
        """Processes that were born, ran another program or changed user: everything about them is asked anew."""
        for subject in subjects:
            self._subjects[subject.pid] = subject
            self._cgroup(subject)
            if subject.uid >= 0 and subject.uid not in self._users:
                self._users[subject.uid] = str(subject.uid)
                self._strangers.add(subject.uid)
            subject.label = self._compose(subject)
            if not subject.kernel:
                self._waiting[subject] = None

    def touch(self, subjects: list[Subject]) -> None:
        """Processes that ran: their command lines may have been overwritten."""
        self._stale.update(subjects)

    def check(self, subjects: list[Subject]) -> set[Subject]:
        """A turn of the rotating sweep; those whose cgroup changed."""
        self.remind(subjects)
        changed = set()
        for subject in subjects:
            if self._cgroup(subject):
                changed |= self._recompose(subject)
        return changed

    def remind(self, subjects: list[Subject]) -> None:
        """Ask again for the command lines of those that ran since they were asked for."""
        self._waiting.update((subject, None) for subject in subjects if subject in self._stale and not subject.kernel)

    def settle(self, wait: float, stuck: set[Subject]) -> set[Subject]:
        """Ask for what is wanted (not of ``stuck`` processes), take in what is there after ``wait`` seconds; those whose label changed."""
        asks: list[Command | User] = []
        for subject in [one for one in self._waiting if one not in stuck]:
            del self._waiting[subject]
            self._stale.discard(subject)
            asks.append(Command(subject.pid, subject.start))
        asks.extend(map(User, self._strangers))
        self._strangers.clear()
        self._words.ask(asks)
        changed: set[Subject] = set()
        for answer in self._words.take(wait):
            changed |= self._accept(answer)
        if self._names is not None and self._names.version != self._version:
            self._version = self._names.version
            self._containers.clear()
            for subject in [one for one in self._subjects.values() if one.label.container is not None]:
                changed |= self._recompose(subject)
        return changed

    def _accept(self, answer: Answer) -> set[Subject]:
        ask, text = answer
        if text is None:
            return set()
        if isinstance(ask, User):
            self._users[ask.uid] = text
            changed: set[Subject] = set()
            for subject in [one for one in self._subjects.values() if one.uid == ask.uid]:
                changed |= self._recompose(subject)
            return changed
        one = self._subjects.get(ask.pid)
        if one is None or one.start != ask.start or (not text and one.label.command):
            return set()  # gone meanwhile, or a zombie: it keeps the command line it had
        return self._recompose(one, text)

    def _recompose(self, subject: Subject, command: str | None = None) -> set[Subject]:
        label = self._compose(subject, command)
        if label == subject.label:
            return set()
        subject.label = label
        return {subject}

    def _compose(self, subject: Subject, command: str | None = None) -> Label:
        """The label as things stand, with another command line if given. Workers are often many of a kind: their texts are shared."""
        place, user = self._where.get(subject, NOWHERE), self._users.get(subject.uid, "")
        return self._label(subject.comm, subject.label.command if command is None else command, user, subject.uid, place, subject.kernel)

    def _label(self, comm: bytes, command: str, user: str, uid: int, place: Place, kernel: bool) -> Label:
        container = self._container(place.container) if place.container is not None else None
        return Label(sys.intern(clean_bytes(comm)), sys.intern(command), user, uid, place.path, container, kernel)

    def _cgroup(self, subject: Subject) -> bool:
        """Read the cgroup file; whether it differs."""
        try:
            text = self._host.read(f"{subject.path}/cgroup", _LONG)
            if len(text) == _LONG:
                text = self._host.read_whole(f"{subject.path}/cgroup")
        except Unreadable:
            return False
        place = self._place(text)
        if place == self._where.get(subject):
            return False
        self._where[subject] = place
        self._present = None
        return True

    def _place(self, text: bytes) -> Place:
        place = self._places.get(text)
        if place is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            place = self._places[text] = resolve(text.decode("utf-8", "surrogateescape"))
        return place

    def _container(self, container: Container) -> Container:
        known = self._containers.get(container.id)
        if known is None:
            if len(self._containers) >= _MOST_PLACES:
                self._containers.clear()
            known = self._names.enrich(container) if self._names is not None else container
            self._containers[container.id] = known
        return known
