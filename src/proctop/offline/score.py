"""``proctop score FILE``: a recording, an events table or what profile made through a model; figures to read, and rows to go on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from proctop.fields import SCHEMA
from proctop.offline import scored, writing
from proctop.offline.figures import Figures
from proctop.offline.scored import Row
from proctop.scoring import registry
from proctop.scoring.catalogue import BASELINE, MODEL
from proctop.scoring.rowwise import RATES
from proctop.settings import SettingsError, nearest
from proctop.sources import events
from proctop.sources.replay import ReplaySource
from proctop.stream.frames import MAGIC

if TYPE_CHECKING:
    from proctop.offline.prepared import Prepared

_PREPARED = (b"PAR1", b"\x93NUMPY")  # how parquet and windows begin

EVENTS_MODEL = "ocsvm"
"""What scores an events table unless told otherwise: the default detector wants the features of a host."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to score and how. ``model`` "" = the default for the kind of file; ``features`` () = likewise; ``output`` "" = no rows."""

    path: str
    model: str = ""
    scope: str = "global"
    features: tuple[str, ...] = ()
    output: str = ""
    format: str = "csv"


def run(job: Job, out: TextIO) -> str:
    """Score ``job.path``; figures go to ``out``. Returns a remark on what could not be read, "" = all was.

    Raises ``EventsError``, ``StreamError`` and ``Unwritable`` for files, ``SettingsError`` for what does not go together.
    """
    with ExitStack() as stack:
        head = _head(job.path)
        return _recording(job, out, stack) if head.startswith(MAGIC) else _events(job, out, stack, prepared=head.startswith(_PREPARED))


def _head(path: str) -> bytes:
    """How the file begins."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC))
    except OSError as error:
        raise events.EventsError(f"{path}: {error.strerror}") from None


def _events(job: Job, out: TextIO, stack: ExitStack, *, prepared: bool) -> str:
    name = job.model or EVENTS_MODEL
    if name == BASELINE:
        raise SettingsError(f"--model {BASELINE} wants a recording; for a table give another (`proctop models` lists them)")
    from proctop.scoring import river

    table: events.Events | Prepared
    if prepared:
        table = _prepared(job)
        features = table.features
    else:
        features = _known(job.features or events.FEATURES, events.COLUMNS, strict=False)
        table = stack.enter_context(events.Events(job.path, features))
    models = river.models(name, registry.room(name, job.scope))
    rows = scored.events(table, models, job.scope)
    figures = _through(job, rows, features, models.flags, "no rows after the header")
    out.write(figures.text(table.columns, _title(name, job.scope)))
    return ""


def _prepared(job: Job) -> Prepared:
    try:
        from proctop.offline.prepared import opened
    except ImportError:
        raise events.EventsError(f"{job.path}: what profile wrote needs polars: pip install 'proctop[offline]'") from None
    return opened(job.path, job.features)


def _recording(job: Job, out: TextIO, stack: ExitStack) -> str:
    name = job.model or BASELINE
    features = _known(job.features or RATES, SCHEMA, strict=True)
    if name == BASELINE:
        detector, flags = registry.make(BASELINE), False
        if job.features:
            raise SettingsError(f"--features goes with a model that can choose; {BASELINE} looks at all of them")
    else:
        rowwise = registry.rowwise(name, scope=job.scope, features=features)
        detector, flags = rowwise, rowwise.models.flags
    source = ReplaySource(job.path)
    stack.callback(source.close)
    rows = scored.recording(source, detector, features)
    figures = _through(job, rows, features, flags, "no two readings in a row, so there is nothing to score")
    out.write(figures.text((*events.CONTEXT, *features), _title(name, job.scope)))
    return f"{job.path}: {source.damage}" if source.damage else ""


def _through(job: Job, rows: Iterator[Row], features: Sequence[str], flags: bool, none: str) -> Figures:
    """Every row into the figures, and into the output where there is one. ``none`` says what is wrong where there are no rows."""
    figures = Figures(features)
    with ExitStack() as stack:
        write = stack.enter_context(writing.opened(job.output, job.format, features, flags=flags)).write if job.output else None
        for row in rows:
            figures.add(row)
            if write is not None:
                write(row)
        if not figures.scores.size:
            raise events.EventsError(f"{job.path}: {none}")
    return figures


def _known(features: tuple[str, ...], names: Sequence[str], *, strict: bool) -> tuple[str, ...]:
    """``features``, each once and none of the context. A table may have columns of its own, a recording has no others."""
    for name in features:
        if name in events.CONTEXT or (strict and name not in names):
            raise SettingsError(f'--features: no feature "{name}"{nearest(name, names)}')
    return tuple(dict.fromkeys(features))


def _title(name: str, scope: str) -> str:
    steps = f" ({MODEL[name].steps})" if name in MODEL else ""
    many = "" if name == BASELINE or scope == "global" else f", one per {scope}"
    return f"{name}{steps}{many}"


def catalogue() -> str:
    """What ``proctop models`` prints: a model in two lines."""
    lines = [f"{'NAME':20} {'COST':>11}  {'ONE MODEL':>9}  GOOD FOR"]
    for model in MODEL.values():
        size = f"{model.size / 1000:,.0f} kB" if model.size else "–"
        lines += [f"{model.name:20} {model.cost:>8g} µs  {size:>9}  {model.good}", f"{'':20} {model.steps}"]
    lines += [
        "",
        "COST is what one process costs in one reading, measured with 15 features. A model that cannot do all processes in a fifth of the",
        "interval looks at some of them in turn, and says so. --scope container, image, comm or process makes a model for each.",
        "package.module:factory names one of your own: the factory takes nothing and returns what has River's score_one and learn_one.",
    ]
    return "\n".join(lines) + "\n"
