"""The flags, and the names that they take. Costs no import that Python has not paid for already."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from proctop import __version__
from proctop.settings import NAMED, SettingsError, help_of, nearest


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see `{self.prog} --help`")


def _pids(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(pid) for pid in text.split(",") if pid.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no list of pids; give for example 1,4021') from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse(argv: list[str]) -> argparse.Namespace:
    """What was given: a flag that was not leaves no attribute behind, so that the settings file shows through.

    Raises ``SettingsError`` for what is no flag, argument or command.
    """
    parser, known = build_parser()
    # argparse would complain of the word after an unknown flag, as of a command that it does not know.
    for word in argv:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            raise SettingsError(f"no flag {name}{nearest(name, known) or '; see `proctop --help`'}")
    return parser.parse_args(_joined(argv))


def build_parser() -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser, and its long flags."""
    known = ["--help", "--version", "--config", "--print-config", "--output", "--features"]

    def flag(group: Any, name: str, *spelled: str, said: str = "", **more: Any) -> None:
        known.append(spelled[-1])
        group.add_argument(*spelled, dest=name, default=argparse.SUPPRESS, help=said or help_of(name), **more)

    def scoring(of: argparse.ArgumentParser) -> None:
        group = of.add_argument_group("scoring")
        flag(group, "model", "--model", metavar="NAME")
        flag(group, "scope", "--scope", metavar="global|container|image|comm|process")
        flag(group, "alerts", "--alerts", metavar="N/h")
        flag(group, "baseline", "--baseline", metavar="FILE", nargs="?", const=NAMED)

    def remote(of: argparse.ArgumentParser) -> None:
        group = of.add_argument_group("another host, over ssh")
        flag(group, "host", "--host", metavar="[USER@]HOST")
        flag(group, "host_command", "--host-command", metavar="COMMAND")

    def limits(group: Any) -> None:
        flag(group, "max_size", "--max-size", metavar="SIZE")
        flag(group, "max_age", "--max-age", metavar="AGE")
        flag(group, "redact", "--no-redact", action="store_false", said="keep secrets in recorded command lines")

    def outputs(commands: Any) -> None:
        """The subcommands that make something of a recording."""
        export = commands.add_parser("export", allow_abbrev=False, help="every process of every reading of a recording, for other programs")
        report = commands.add_parser("report", allow_abbrev=False, help="a recording as one page of HTML: the host, the anomalies and why")
        for command in (export, report):
            command.add_argument("replay", metavar="FILE|DIR|-", help="a recording, a directory of them, or a pipe")
            flag(command, "begin", "--begin", metavar="TIME", said='first reading: "10:00", "3m ago" or ISO 8601')
            flag(command, "end", "--end", metavar="TIME", said="last reading")
            flag(command, "rescore", "--rescore", action="store_true")
            scoring(command)
        flag(export, "filter", "-f", "--filter", metavar="EXPR", said="only processes that match (-f help explains)")
        export.add_argument(
            "--format",
            dest="rows",
            choices=("json", "csv", "parquet", "resource-events"),
            metavar="json|csv|parquet|resource-events",
            help="as batch mode prints it, typed columns, or an events table of 25 columns; default: by the name of -o, else csv",
        )
        export.add_argument("-o", "--output", metavar="FILE", default="-", help="file to write; default: standard output")
        report.add_argument("-o", "--output", metavar="FILE", default="", help="file to write; default: named after the recording, here")
        info = commands.add_parser("info", allow_abbrev=False, help="what a recording holds: host, span, processes, gaps, damage, size")
        info.add_argument("file", metavar="FILE|DIR", help="a recording, or a directory of them")
        flag(info, "format", "--format", choices=("table", "json"), metavar="table|json", said="table (the default) or json")

    def profile(commands: Any) -> None:
        """Tables of vmstat, iostat, netstat and processes."""
        command = commands.add_parser(
            "profile", allow_abbrev=False, help="tables of vmstat, iostat, netstat and processes: how good they are, scaled and in windows"
        )

        def plain(name: str, spelled: str, said: str, **more: Any) -> None:
            known.append(spelled)
            command.add_argument(spelled, dest=name, default=argparse.SUPPRESS, help=said, **more)

        kinds = "vmstat|iostat|netstat|process"
        command.add_argument(
            "files", metavar="TABLE=FILE", nargs="+", help=f"{kinds}=FILE (CSV, TSV, parquet, a recording), or a recording for all"
        )
        command.add_argument("-o", "--output", metavar="DIR", default="", help="directory for report, scaled tables and preprocessor")
        plain("windows", "--windows", "write the windows too, as float32 that can be mapped", action="store_true")
        plain("apply", "--apply", "select and scale as the preprocessor in DIR does", metavar="DIR")
        flag(command, "format", "--format", choices=("table", "json"), metavar="table|json", said="table (the default) or json")
        plain("sample", "--sample", "share of the rows, in contiguous blocks; default: 1", metavar="SHARE", type=float)
        plain("seed", "--seed", "of the sample; default: 42", metavar="N", type=int)
        plain("random", "--random-rows", "sample single rows: their order in time is destroyed", action="store_true")
        plain("length", "--length", "rows of a window; default: 50", metavar="N", type=int)
        plain("stride", "--stride", "rows from one window to the next; default: 1", metavar="N", type=int)
        plain("correlation", "--correlation", "above it two columns are too alike; default: 0.95", metavar="R", type=float)
        plain("missing", "--missing", "above it too much of a column is missing; default: 0.1", metavar="SHARE", type=float)
        plain("variance", "--variance", "below it a column is constant; default: 0.01", metavar="V", type=float)

    where = _Parser(add_help=False)
    host = where.add_argument_group("host")
    flag(host, "source", "--source", metavar="auto|bpf|proc")
    flag(host, "bpf_memory", "--bpf-memory", action="store_true")
    flag(host, "procfs", "--procfs", metavar="DIR")
    flag(host, "sysfs", "--sysfs", metavar="DIR")
    pace = _Parser(add_help=False)
    flag(pace, "interval", "-d", "--interval", metavar="SECONDS", type=float)
    flag(pace, "count", "-n", "--count", metavar="N", type=int)

    parser = _Parser(
        prog="proctop",
        description="Ranks the processes of this host by how unlike their own normal they behave right now, and says why.",
        parents=[where, pace],
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30),
    )
    parser.add_argument("--version", action="version", version=f"proctop {__version__}")
    show = parser.add_argument_group("what is shown")
    flag(show, "pids", "-p", "--pids", metavar="PID,…", type=_pids)
    flag(show, "user", "-u", "--user", metavar="USER")
    flag(show, "filter", "-f", "--filter", metavar="EXPR")
    flag(show, "sort", "-s", "--sort", metavar="[-]COLUMN")
    flag(show, "tree", "-t", "--tree", action="store_true")
    flag(show, "threads", "-H", "--threads", action="store_true")
    flag(show, "kernel", "--no-kernel", action="store_false", said="leave out kernel threads")
    flag(show, "columns", "--columns", metavar="NAME,…", type=_names)
    flag(show, "layout", "--layout", metavar="NAME")
    look = parser.add_argument_group("screen")
    flag(look, "theme", "--theme", metavar="NAME")
    flag(look, "ascii", "--ascii", action="store_true")
    flag(look, "color", "--no-color", action="store_false", said="use no colours; NO_COLOR in the environment does the same")
    flag(look, "mouse", "--no-mouse", action="store_false", said="leave the mouse to the terminal, to select text")
    flag(look, "readonly", "--readonly", action="store_true")
    scoring(parser)
    remote(parser)
    tape = parser.add_argument_group("recordings")
    flag(tape, "record", "-w", "--record", metavar="FILE|DIR", nargs="?", const=NAMED)
    limits(tape)
    flag(tape, "replay", "-r", "--replay", metavar="FILE|DIR|-")
    flag(tape, "rescore", "--rescore", action="store_true")
    flag(tape, "begin", "--begin", metavar="TIME")
    flag(tape, "end", "--end", metavar="TIME")
    batch = parser.add_argument_group("batch mode, for pipes and files")
    flag(batch, "batch", "-b", "--batch", action="store_true")
    flag(batch, "format", "--format", metavar="table|plain|json|csv")
    flag(batch, "top", "--top", metavar="K", type=int)
    config = parser.add_argument_group("settings file")
    config.add_argument("--config", metavar="FILE", help="read this file instead of the one in the XDG place")
    config.add_argument("--print-config", action="store_true", help="print a settings file with every setting, its meaning and its default")

    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    collect = commands.add_parser("collect", parents=[where, pace], allow_abbrev=False, help="record without a screen, to a file or a pipe")
    collect.add_argument(
        "-o",
        "--output",
        metavar="FILE|DIR|-",
        default="",
        help="file to write, directory of files, or - for standard output; default: named after host and time",
    )
    scoring(collect)
    remote(collect)
    limits(collect.add_argument_group("recordings"))
    doctor = commands.add_parser(
        "doctor", parents=[where], allow_abbrev=False, help="what works on this host, what does not, and what would change it"
    )
    flag(doctor, "format", "--format", choices=("table", "json"), metavar="table|json", said="table (the default) or json")
    score = commands.add_parser(
        "score",
        allow_abbrev=False,
        help="score a recording, an events table (CSV) or what profile made: figures, the ten highest, every row to a file",
    )
    score.add_argument(
        "file", metavar="FILE", help="a recording, a CSV with a row per process and interval, or tables and windows of profile"
    )
    flag(score, "model", "--model", metavar="NAME", said="model; default: baseline for a recording, ocsvm for a table")
    flag(score, "scope", "--scope", metavar="global|container|image|comm|process")
    score.add_argument(
        "--features",
        metavar="NAME,…",
        type=_names,
        default=(),
        help="features the model is given; default: all rates, or the nine of an events table",
    )
    score.add_argument(
        "--format",
        dest="rows",
        choices=("csv", "json", "parquet"),
        metavar="csv|json|parquet",
        help="format of the rows that -o writes; default: by the name of the file, else csv",
    )
    score.add_argument(
        "-o", "--output", metavar="FILE", default="", help="write every row with its score to this file, - for standard output"
    )
    outputs(commands)
    profile(commands)
    commands.add_parser("demo", allow_abbrev=False, help="play a bundled recording of a real incident; needs neither root nor trouble")
    commands.add_parser("models", allow_abbrev=False, help="the models: what they are good for, and what they cost")
    return parser, known


def _joined(argv: list[str]) -> list[str]:
    """``-s -cpu`` as ``-s=-cpu``: argparse would take the column for a flag."""
    out: list[str] = []
    for word in argv:
        if out and out[-1] in ("-s", "--sort") and word.startswith("-"):
            out[-1] = "-s" + word if out[-1] == "-s" else f"--sort={word}"
        else:
            out.append(word)
    return out


def columns() -> str:
    """What ``-s`` and ``--columns`` take, a line each."""
    from proctop.fields import COLUMNS

    return "".join(f"{column.name:12} {column.help}\n" for column in COLUMNS)
