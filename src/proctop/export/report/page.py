"""The page itself: one HTML file without script, font or picture from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from datetime import tzinfo
from importlib.resources import files

from proctop import __version__
from proctop.export.report import cards, host, tables, words
from proctop.export.report.episodes import Episode, Episodes, Watch
from proctop.export.report.origin import Origin
from proctop.export.report.quality import Quality
from proctop.export.report.timeline import Bins, Timeline
from proctop.export.report.times import Times
from proctop.export.report.usage import Totals, Usage
from proctop.export.report.words import esc, name, plural
from proctop.frames import Frame
from proctop.records import HostInfo

_FIRST = 10
"""Anomalies that are named before all are told of."""


class Report:
    """Takes frames in the order of time; :meth:`page` makes the page of them."""

    def __init__(self) -> None:
        self._timeline, self._watch, self._usage, self.quality = Timeline(), Watch(), Usage(), Quality()

    def step(self, frame: Frame) -> None:
        for part in (self._timeline, self._watch, self._usage, self.quality):
            part.step(frame)

    def page(self, origin: Origin, zone: tzinfo) -> str:
        """HTML, after one frame at least. ``zone``: in which times are told."""
        info = self.quality.info
        if info is None:
            raise ValueError("a page of no frames")
        style = files(__package__).joinpath("page.css").read_text("utf-8")
        first, last = self.quality.first, self.quality.last
        times = Times(zone, dated=Times(zone).date(first) != Times(zone).date(last))
        return document(f"proctop: {info.hostname}, {times.date(first)}", style, self._body(info, origin, times))

    def _body(self, info: HostInfo, origin: Origin, times: Times) -> str:
        bins, episodes, totals, q = self._timeline.bins(), self._watch.end(), self._usage.end(), self.quality
        return "\n".join(
            (
                _head(info, episodes, q, times),
                _tiles(bins, episodes, totals, q, info),
                f'<h2>The host</h2><div class="panel">{host.picture(bins, episodes, q, info.memory, times)}</div>{_legend(bins)}',
                _anomalies(episodes, origin, times),
                tables.top("Processes", totals.processes, totals),
                tables.top("Containers", totals.containers, totals) if totals.boxes else "",
                tables.quality(origin, q, times),
                f"<footer>Made by proctop {esc(__version__)} from {name(origin.name)}. Times are {esc(times.name(q.first))}.</footer>",
            )
        )


def document(title: str, style: str, body: str) -> str:
    """The style is allowed by its digest, and nothing else is: what slipped through could load, run or send nothing."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{esc(title)}</title><style>{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _head(info: HostInfo, episodes: Episodes, q: Quality, times: Times) -> str:
    a, b = times.date(q.first), times.date(q.last)
    until = times.clock(q.last) if a == b else f"{b}, {times.clock(q.last)}"
    boots = f" · {q.boots} boots" if q.boots > 1 else ""
    return (
        f'<h1>{name(info.hostname)}</h1><p class="lead">{a}, {times.clock(q.first)} – {until} ({words.lasting(q.last - q.first)})'
        f" · Linux {name(info.kernel)}, {plural(info.cpus, 'cpu')}, {words.size(info.memory)} of memory{boots}</p>"
        f'<p class="said">{_story(episodes, times)}</p>'
    )


def _story(episodes: Episodes, times: Times) -> str:
    """The whole in two sentences."""
    if not episodes.count:
        return "Nothing stood out: no process alerted."
    number, worst = _highest(episodes)[0]
    event = worst.event
    where = f" in {name(event.container.title)}" if event.container and event.key.pid else ""
    why = f". {esc(words.sentence(event.why[0]))}" if event.why else "."
    found = plural(episodes.count, "anomaly", "anomalies")
    who = f'<a href="#a{number}">{name(event.comm)}</a> ({words.whose(event.key)})'
    return f"{found}. The highest was {who}{where} at {times.stamp(event.start)}{why}"


def _highest(episodes: Episodes) -> list[tuple[int, Episode]]:
    """Those with the highest peaks, each with its number."""
    return sorted(enumerate(episodes.listed, 1), key=lambda entry: -entry[1].event.score)[:_FIRST]


def _tiles(bins: Bins, episodes: Episodes, totals: Totals, q: Quality, info: HostInfo) -> str:
    def worst(series: str) -> float:
        known = [peak for peak in bins.of(series)[1].tolist() if peak == peak]
        return max(known, default=float("nan"))

    def mean(series: str) -> float:
        known = [value for value in bins.of(series)[0].tolist() if value == value]
        return sum(known) / len(known) if known else float("nan")

    disks = f"on average, at most {words.speed(worst('read'))} read, {words.speed(worst('written'))} written"
    tiles = (
        ("Anomalies", f"{episodes.count:,}", f"in {plural(q.readings - q.warming, 'scored reading')}"),
        ("Highest score", words.number(worst("score")), "nats; 0 is ordinary"),
        ("CPU", words.share(mean("cpu")), f"on average, at most {words.share(worst('cpu'))}"),
        ("Memory", words.size(worst("memory")), f"at most, of {words.size(float(info.memory))}"),
        ("Disks", words.speed(mean("read") + mean("written")), disks),
        ("Processes", f"{totals.most:,}", f"at most, {totals.seen:,} in all"),
    )
    return '<dl class="tiles">' + "".join(f"<div><dt>{t}</dt><dd>{v}</dd><dd>{s}</dd></div>" for t, v, s in tiles) + "</dl>"


def _legend(bins: Bins) -> str:
    return (
        f'<p class="note">A step is {words.lasting(bins.width)}; lines are means, the thin line above them the highest reading. '
        "Red bars are anomalies and lead to what is said of them; grey is time without readings. "
        "Rest the pointer on the picture for its numbers.</p>"
    )


def _anomalies(episodes: Episodes, origin: Origin, times: Times) -> str:
    if not episodes.count:
        return "<h2>Anomalies</h2><p>None.</p>"
    drawn = [(i, e) for i, e in enumerate(episodes.listed, 1) if i - 1 in episodes.drawn]
    rest = [(i, e) for i, e in enumerate(episodes.listed, 1) if i - 1 not in episodes.drawn]
    first = ", ".join(f'<a href="#a{i}">{name(e.event.comm)} {words.number(e.event.score)}</a>' for i, e in _highest(episodes))
    scores = "as they were recorded" if origin.scored else "worked out from the readings for this page"
    note = (
        f'<p class="note">By time. Scores and reasons are {scores}: nats on a card are of the slow score, which alerts; the picture above '
        "shows the fast one, which ranks. In the charts green is what is usual, red the time of the anomaly, and the dot the value that "
        "stands over the chart.</p>"
    )
    index = f'<p class="index">Highest first: {first}</p>' if len(episodes.listed) > 1 else ""
    out = f'<h2>Anomalies</h2>{index}<div class="cards">{"".join(cards.card(i, e, times) for i, e in drawn)}</div>{note}'
    if rest:
        left = episodes.count - len(episodes.listed)
        more = f"; {left:,} more, lower still, are left out" if left else ""
        lines = tables.table(("", "Process", "Nats", "When", "Why"), [_line(i, e, times) for i, e in rest])
        count = plural(len(rest), "anomaly", "anomalies")
        out += f'<h2>Lower anomalies</h2><p class="index soft">{count}{more}.</p><div class="panel">{lines}</div>'
    return out


def _line(number: int, episode: Episode, times: Times) -> tuple[str, ...]:
    event = episode.event
    box = f" in {name(event.container.title)}" if event.container else ""
    lasted = f" for {words.lasting(event.end - event.start)}" if event.end > event.start else ""
    who = f"{name(event.comm)}{f' {event.key.pid}{box}' * (event.key.pid > 0)}"
    why = esc("; ".join(reason.text for reason in event.why))
    return f'<span id="a{number}" class="soft">{number}</span>', who, words.number(event.score), f"{times.stamp(event.start)}{lasted}", why
