"""Words of the page. Everything that came from a recording goes through :func:`esc` or :func:`name`."""

from __future__ import annotations

import html

from proctop.fields import FEATURE, FEATURES, Unit
from proctop.frames import HOST, Reason
from proctop.records import ProcKey
from proctop.sanitize import clean
from proctop.scoring.explain import quantity, span

LONGEST, LONGEST_NAME = 500, 240
"""Characters that are shown of a text, and of a name or a command line."""

MISSING = "–"
_JOINED = "\N{NO-BREAK SPACE}"

_SAID = {
    "cpu": ("cpu", "It used {} of one cpu"),
    "minflt": ("page faults", "Page faults ran at {}"),
    "majflt": ("page faults from storage", "Page faults that needed storage ran at {}"),
    "rchar": ("bytes read", "It read {}"),
    "wchar": ("bytes written", "It wrote {}"),
    "syscalls": ("i/o calls", "Read and write calls ran at {}"),
    "disk_read": ("read from disk", "It read {} from disk"),
    "disk_write": ("written to disk", "It wrote {} to disk"),
    "vctx": ("sleeps", "It went to sleep and woke at {}"),
    "nvctx": ("preemptions", "It was put off the cpu at {}"),
    "rss_growth": ("memory growth", "Its memory grew by {}"),
    "data_growth": ("heap growth", "Its heap grew by {}"),
    "thread_growth": ("new threads", "Its threads grew by {}"),
    "fd_growth": ("new open files", "Its open files grew by {}"),
    "forks": ("new children", "It started children at {}"),
    "threads": ("threads", "It had {} threads"),
    "rss": ("memory", "It held {} of memory"),
    "fds": ("open files", "It had {} open files"),
    "children": ("children", "It had {} children"),
    "idle_s": ("silence", "It did nothing for {}"),
}
"""By feature: over its chart, and as a sentence."""

_YARDSTICK = {"own": "usual for it is", "cohort": "usual for its kind is"}


def esc(text: str) -> str:
    """Text as HTML, in an attribute too.

    >>> esc('<script>"&')
    '&lt;script&gt;&quot;&amp;'
    """
    return html.escape(clean(_cut(text, LONGEST)), quote=True)


def name(text: str) -> str:
    """A name from the host: what it is written in does not change the order of what stands beside it."""
    return f"<bdi>{esc(_cut(text, LONGEST_NAME))}</bdi>"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def sentence(reason: Reason) -> str:
    """A reason in full.

    >>> sentence(Reason("wchar", 38 * 2**20, (0.0, 1.2 * 2**20), "own", "writes 38 MB/s, usual 0–1.2 MB/s"))
    'It wrote 38 MB/s; usual for it is 0–1.2 MB/s.'
    >>> sentence(Reason("cpu", 0.0, (0.4, 0.6), "cohort", "cpu low: 0 %, usual for worker 40–60 %"))
    'It used only 0 % of one cpu; usual for its kind is 40–60 %.'
    """
    _, said = _SAID.get(reason.feature, ("", ""))
    low, high = reason.usual
    if "." in reason.feature:  # of the host: names of tools, disks and interfaces stay as they are
        return f"{reason.text}."
    if not said or not (reason.value == reason.value and low <= high):
        return f"{reason.text[:1].upper()}{reason.text[1:]}."
    unit = FEATURES[FEATURE[reason.feature]].unit
    now = ("only " if reason.value < low else "") + quantity(reason.value, unit)
    usual = f"at most {quantity(high, unit)}" if unit is Unit.SECONDS else span(low, high, unit)
    return f"{said.format(now)}; {_YARDSTICK.get(reason.against, 'usual is')} {usual}."


def whose(key: ProcKey) -> str:
    """Whose an anomaly is, beside its name."""
    return f"pid {key.pid}" if key.pid else "as a whole" if key == HOST else "container as a whole"


def heading(feature: str) -> str:
    """What a chart of a feature is called."""
    return _SAID.get(feature, (feature, ""))[0]


def amount(value: float, unit: Unit) -> str:
    return quantity(value, unit) if value == value else MISSING


def share(value: float) -> str:
    """0.123 as ``12 %``."""
    return amount(value, Unit.SHARE)


def size(value: float) -> str:
    return amount(value, Unit.BYTES)


def speed(value: float) -> str:
    return amount(value, Unit.BYTES_PER_SECOND)


def number(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}" if value == value else MISSING


def lasting(seconds: float) -> str:
    """How long something took; number and unit do not part at the end of a line.

    >>> [lasting(x).replace("\N{NO-BREAK SPACE}", "_") for x in (0.25, 4.0, 14.2, 754, 90000)]
    ['0.2_s', '4_s', '14_s', '12_min 34_s', '1_d 1_h']
    """
    if seconds != seconds:
        return MISSING
    whole = round(seconds)
    if whole < 10 and abs(seconds - whole) >= 0.05:
        return f"{seconds:.1f}{_JOINED}s"
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts: list[str] = []
    for length, unit in units:
        if whole >= length and len(parts) < 2:
            parts.append(f"{whole // length}{_JOINED}{unit}")
            whole %= length
        elif parts:
            break
    return " ".join(parts) or f"0{_JOINED}s"


def often(per_hour: float) -> str:
    """How rare something is; "" where nobody knows."""
    if not 0 < per_hour < 3600:
        return ""
    return f"once in {lasting(3600 / per_hour).partition(' ')[0]}"


def plural(count: int, one: str, many: str = "") -> str:
    """A count and what is counted.

    >>> plural(1, "process", "processes"), plural(1200, "reading")
    ('1 process', '1,200 readings')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
