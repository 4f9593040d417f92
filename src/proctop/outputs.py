"""What proctop makes of a recording: files for other programs, a page for people, and what there is to know about it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from proctop.compose import Refused, end_on_signals, played, view_of
from proctop.settings import SettingsError

if TYPE_CHECKING:
    import argparse

    from proctop.settings import Settings


def export(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """Every reading in a format of other programs; remarks go to standard error."""
    from proctop.export.files import FORMATS, Empty
    from proctop.export.files import export as write
    from proctop.outfile import Unwritable

    view = view_of(settings)
    _keep_apart(settings.replay, args.output)
    end_on_signals()
    suffix = os.path.splitext(args.output)[1][1:]
    chosen = args.rows or (suffix if suffix in FORMATS else "csv")
    if chosen == "parquet" and args.output == "-" and sys.stdout.isatty():
        raise SettingsError("parquet is no text: give -o FILE, or a pipe")
    _, frames = played(settings, stack)
    try:
        written = write(frames, args.output, chosen, view.query)
    except Unwritable as error:
        raise Refused(str(error)) from None
    except Empty:
        raise Refused(_nothing(settings)) from None
    if not written.rows and view.query is not None:
        written.remarks.append(f"no process matches --filter {settings.filter}")
    for remark in written.remarks:
        print(f"proctop: {remark}", file=sys.stderr)
    return 0


def report(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """One page of HTML."""
    from datetime import UTC, datetime

    from proctop.export.report.origin import Origin
    from proctop.export.report.page import Report
    from proctop.outfile import Unwritable, opened

    output = args.output or f"{os.path.splitext(_file(settings.replay)[0])[0]}.html"
    if settings.replay == "-" and not args.output:
        raise SettingsError("a report of a pipe needs -o FILE")
    _keep_apart(settings.replay, output)
    end_on_signals()
    source, frames = played(settings, stack)
    made, scored = Report(), not settings.rescore
    try:
        with opened(output) as file:
            for frame in frames:
                made.step(frame)
                scored &= source.seen is not None
            if not made.quality.readings:
                raise Refused(_nothing(settings))
            name, size = _file(settings.replay)
            whole = not (settings.begin or settings.end)
            origin = Origin(name, size, whole, str(source.damage), source.header.redacted, scored)
            file.write(made.page(origin, datetime.fromtimestamp(made.quality.first).astimezone().tzinfo or UTC).encode())
    except Unwritable as error:
        raise Refused(str(error)) from None
    if not args.output:
        print(f"proctop: written to {output}", file=sys.stderr)
    return 0


def info(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """What a recording holds, in lines or as JSON."""
    from proctop.offline.info import as_json, as_text, examine

    if args.file == "-":
        raise SettingsError("info looks at a file or a directory; a pipe can be read only once")
    found = examine(args.file)
    print(as_json(found) if settings.format == "json" else as_text(found), end="")
    if found.remark:
        print(f"proctop: {found.remark}", file=sys.stderr)
    return 0


def profile(args: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    """Tables: how good they are, to the terminal and as a page; with ``-o`` what is made of them."""
    from proctop.offline.plan import Plan, TableError, kinds_of, wrong
    from proctop.outfile import Unwritable

    given = {name: value for name, value in vars(args).items() if name in Plan.__dataclass_fields__}
    if "windows" in args and not args.output:
        raise SettingsError("--windows goes with -o DIR")
    if "apply" in args and (brought := sorted(given.keys() - {"sample", "seed", "random"})):
        raise SettingsError(f"--{brought[0]} goes without --apply, which brings its own")
    plan = Plan(**given)
    try:
        files = kinds_of(args.files)
    except TableError as error:
        raise SettingsError(str(error)) from None
    if said := wrong(plan):
        raise SettingsError(said)
    end_on_signals()
    try:
        from proctop.offline.page import write
        from proctop.offline.profile import Job, run
        from proctop.offline.remarks import as_json, text
    except ImportError:
        raise Refused("profile needs polars: pip install 'proctop[offline]'") from None
    if plan.random:
        print("proctop: --random-rows: rows that follow each other in a window are not neighbours in time", file=sys.stderr)
    try:
        profiles, remarks = run(Job(files, plan, args.output, "windows" in args, getattr(args, "apply", "")), sys.stderr)
        if args.output:
            write(args.output, profiles, remarks)
    except (TableError, Unwritable) as error:
        raise Refused(str(error)) from None
    print(as_json(profiles) if settings.format == "json" else text(profiles), end="")
    for remark in remarks:
        print(f"proctop: {remark}", file=sys.stderr)
    return 0


def _keep_apart(source: str, output: str) -> None:
    if output != "-" and os.path.exists(output) and os.path.exists(source) and os.path.samefile(source, output):
        raise SettingsError("-o would write over FILE")


def _file(path: str) -> tuple[str, int]:
    """The name of a recording without where it lies, and its bytes; -1 = a pipe."""
    if path == "-":
        return "standard input", -1
    name = os.path.basename(os.path.normpath(os.path.abspath(path)))
    if os.path.isdir(path):
        return name, sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file() and entry.name.endswith(".proctop"))
    return name, os.path.getsize(path) if os.path.isfile(path) else -1


def _nothing(settings: Settings) -> str:
    between = " between --begin and --end" if settings.begin or settings.end else ""
    return f"{settings.replay}: no reading{between}"
