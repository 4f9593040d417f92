"""The filter language: ``redis``, ``cpu>5 and (user=root or mem>1gb)``, ``!container~^web``.

Read once, into the tests of :mod:`proctop.view.predicates`.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from proctop import fields
from proctop.frames import Frame
from proctop.records import Bools
from proctop.view import patterns, predicates, units, values
from proctop.view.predicates import Test

LONGEST = 2000
_DEEPEST = 50

ALIASES = {
    "name": "comm", "process": "comm", "cmd": "command", "cmdline": "command", "args": "command",
    "read": "disk_read", "write": "disk_write", "r": "disk_read", "w": "disk_write",
    "memory": "mem", "res": "rss", "virt": "vsize", "vsz": "vsize", "anomaly": "score", "rank": "score", "history": "score",
    "thr": "threads", "nlwp": "threads", "csw": "switches", "flt": "faults", "pri": "priority", "ni": "nice", "s": "state",
    "idle": "idle_s", "wait": "run_wait", "cputime": "time", "age": "elapsed", "parent": "ppid", "ctr": "container",
}  # fmt: skip
NAMES = tuple(sorted(({c.name for c in fields.COLUMNS} | set(fields.SCHEMA) | {"comm", "status"}) - set(ALIASES)))

_OPERATOR = re.compile(r"\s*(==|!=|!~|<=|>=|=|<|>|~)")
_WORD = re.compile(r"""(?:[^\s()"'=<>~!&|]|!(?![=~])|&(?!&)|\|(?!\|))+""")
_AND, _OR = ("and", "&&"), ("or", "||")


class QueryError(ValueError):
    """What is wrong with a query; ``column`` counts characters from 0."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column

    def __str__(self) -> str:
        return f"{self.message} (column {self.column + 1})"

    def pointed(self, text: str) -> str:
        """Three lines: ``text``, a caret below the place, the message."""
        return f"{text}\n{' ' * self.column}^\n{self.message}"


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query; equal when written equally."""

    text: str
    _test: Test = field(compare=False, repr=False)

    def mask(self, frame: Frame) -> Bools:
        """bool[n]: the processes of ``frame`` that match."""
        return self._test(frame)[0]


def parse(text: str) -> Query:
    """Read a query; one of blanks only matches everything. Raises :class:`QueryError`."""
    return Query(text, _Parser(text).read())


class _Parser:
    """Recursive descent: or < and (also by juxtaposition) < not < test."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def read(self) -> Test:
        if len(self._text) > LONGEST:
            raise QueryError(f"a filter longer than {LONGEST} characters", LONGEST)
        self._blank()
        if self._at == len(self._text):
            return lambda frame: predicates.decided(np.ones(len(frame.batch), dtype=np.bool_))
        test = self._or()
        if self._at < len(self._text):
            raise QueryError('")" without "("', self._at)
        return test

    def _or(self) -> Test:
        tests = [self._and()]
        while self._take(_OR):
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else predicates.any_of(tests)

    def _and(self) -> Test:
        tests = [self._not()]
        while self._take(_AND) or not self._ends():
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else predicates.all_of(tests)

    def _not(self) -> Test:
        negated = False
        while True:
            if self._text.startswith("!", self._at) and not self._text.startswith(("!=", "!~"), self._at):
                self._at += 1
                self._blank()
            elif not self._take(("not",)):
                break
            negated = not negated
        test = self._primary()
        return predicates.negate(test) if negated else test

    def _primary(self) -> Test:
        start = self._at
        if self._text.startswith("(", start):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise QueryError("parentheses nested too deeply", start)
            self._at += 1
            self._blank()
            test = self._or()
            if not self._text.startswith(")", self._at):
                raise QueryError('"(" without ")"', start)
            self._at += 1
            self._blank()
            self._depth -= 1
            return test
        if start == len(self._text):
            raise QueryError("a word or a comparison is missing here", start)
        if self._text[start] in "\"'":
            return predicates.words(self._quoted())
        word = _WORD.match(self._text, start)
        if word is None or word[0].casefold() in (*_AND, *_OR):
            raise QueryError(f"a word or a comparison is missing before {self._text[start : start + 3].split()[0]!r}", start)
        self._at = word.end()
        sign = _OPERATOR.match(self._text, self._at)
        if sign is None:
            self._blank()
            return predicates.words(word[0])
        name = self._name(word[0], start)
        self._at = sign.end()
        self._blank()
        return self._comparison(name, start, sign[1], sign.start(1))

    def _name(self, word: str, column: int) -> str:
        name = ALIASES.get(word.casefold(), word.casefold())
        if name not in NAMES:
            near = difflib.get_close_matches(name, [*NAMES, *ALIASES], n=1)
            raise QueryError(f"nothing is called {word[:40]!r}" + (f", but {near[0]!r} is" if near else ""), column)
        return name

    def _comparison(self, name: str, column: int, sign: str, sign_column: int) -> Test:
        at = self._at
        value, quoted = self._value()
        if not value and not quoted:
            raise QueryError(f"a value is missing after {sign!r}", at)
        if sign in ("~", "!~"):
            if not values.is_text(name):
                raise QueryError(f"{name} is a number: compare it with = != < <= > >=", sign_column)
            try:
                pattern = patterns.read(value)
            except patterns.PatternError as error:
                raise QueryError(str(error), at + quoted + error.offset) from None
            test = predicates.text_test(name, pattern.found_in)
            return predicates.negate(test) if sign == "!~" else test
        if values.is_text(name):
            if sign not in ("=", "==", "!="):
                raise QueryError(f"{name} is text: compare it with = != ~ !~", sign_column)
            wanted = {value.casefold()} if quoted else {part.casefold() for part in value.split(",")}
            test = predicates.text_test(name, lambda text: not wanted.isdisjoint(predicates.names_of(name, text)))
            return predicates.negate(test) if sign == "!=" else test
        equality = sign in ("=", "==", "!=")
        tests = []
        for part in value.split(",") if equality else [value]:
            tests.append(self._number(name, "=" if equality else sign, part, at + quoted))
            at += len(part) + 1
        test = tests[0] if len(tests) == 1 else predicates.any_of(tests)
        return predicates.negate(test) if sign == "!=" else test

    def _number(self, name: str, sign: str, text: str, column: int) -> Test:
        if name == "mem" and units.is_size(text):
            name = "rss"
        try:
            return predicates.number_test(name, sign, units.parse(text, values.unit(name)))
        except ValueError as error:
            raise QueryError(str(error), column) from None

    def _value(self) -> tuple[str, bool]:
        """The value that begins here, and whether it was quoted. An unquoted one ends at a blank, at && and ||, or at a parenthesis
        that it did not open."""
        if self._text[self._at : self._at + 1] in ("'", '"'):
            return self._quoted(), True
        start, open_ = self._at, 0
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter.isspace() or (not open_ and (letter == ")" or self._text.startswith(("&&", "||"), self._at))):
                break
            if letter == "\\" and self._at + 1 < len(self._text):
                self._at += 1
            open_ += (letter == "(") - (letter == ")")
            self._at += 1
        value = self._text[start : self._at]
        self._blank()
        return value, False

    def _quoted(self) -> str:
        start = self._at
        end = self._text.find(self._text[start], start + 1)
        if end < 0:
            raise QueryError(f"the {self._text[start]} here is never closed", start)
        self._at = end + 1
        self._blank()
        return self._text[start + 1 : end]

    def _take(self, words: Sequence[str]) -> bool:
        for word in words:
            end = self._at + len(word)
            if self._text[self._at : end].casefold() != word:
                continue
            if word.isalpha() and (_WORD.match(self._text, end) or _OPERATOR.match(self._text, end)):
                continue  # "android", and a process called "or" can be sought by its quotes
            self._at = end
            self._blank()
            return True
        return False

    def _ends(self) -> bool:
        if self._at == len(self._text) or self._text[self._at] == ")":
            return True
        at = self._at
        ends = self._take(_OR)
        self._at = at
        return ends

    def _blank(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1


def help_text() -> str:
    """What ``-f help`` prints."""

    def block(words: Iterable[str]) -> str:
        return textwrap.fill(" ".join(words), 100, initial_indent="  ", subsequent_indent="  ")

    return f"""\
A filter is made of words and comparisons.

  redis                     name or command line holds "redis", whatever the case; quote what has blanks: "my app"
  cpu>5 mem>1gb             both; also: and, &&.  Either: or, ||.  Not: !, not.  Group with ( )
  cpu>5 and (user=root or mem>1gb)
  pid=1,2,3   user!=root    any of these, none of these
  image=redis               an image is also equal without registry, path, tag or digest:
                            docker.io/library/redis:7.2 = redis = redis:7.2 = library/redis
  container~^web  cmd!~java regular expression found, not found; case does not matter
  container!=""             in a container
  state=D   status=new      R S D Z T I; warming, new, scored

Text:    = != ~ !~          Numbers: = != < <= > >=     What is missing (–) matches no comparison of numbers.
Units:   sizes and rates 500k 38MiB (powers of 1024), 38mb 1gb (powers of 1000); counts 5k; shares 5 or 5%;
         times 10ms 1.5s 3m 1h30m 2d. cpu is percent of one core; mem is percent of the host's, or bytes when it has a unit.

Names:
{block(NAMES)}
Also:
{block(f"{alias}={name}" for alias, name in sorted(ALIASES.items()))}
"""
