"""The host's quantities as lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

import alarms
from proctop.frames import Frame, HostRates
from proctop.view.cells import ASCII, UNICODE, Glyphs, width
from proctop.view.vitals import LENGTH, Past, Taste, headline, measured, retrospect, text


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return alarms.session()


def lines(frame: Frame, past: Past, total: int = 120, glyphs: Glyphs = UNICODE, taste: Taste = Taste()) -> list[str]:  # noqa: B008
    return ["".join(cell.text for cell in cells) for cells in text(frame, past, total, glyphs, taste)]


def past_of(frames: list[Frame]) -> Past:
    past = Past()
    for frame in frames:
        past.push(frame)
    return past


@pytest.mark.parametrize("total", [40, 54, 60, 80, 100, 120, 150, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("scored", [True, False])
def test_lines_fit_the_screen(frames: list[Frame], total: int, glyphs: Glyphs, scored: bool) -> None:
    frame = frames[-1] if scored else replace(frames[-1], vitals=None)
    for taste in (Taste(), Taste(worst=True), Taste(unusual=True)):
        for cells in text(frame, past_of(frames), total, glyphs, taste):
            assert sum(width(cell.text) for cell in cells) <= total
            assert glyphs is UNICODE or all(glyphs.plain(cell.text).isascii() for cell in cells)


def test_a_row_has_value_usual_score_and_history(frames: list[Frame]) -> None:
    (storm,) = [line for line in lines(frames[-1], past_of(frames)) if line.startswith("  in ")]
    assert "k/s" in storm and "–" in storm and "!" in storm and "█" in storm
    groups = [line.strip() for line in lines(frames[-1], past_of(frames)) if line.startswith(" ") and line[1:2].strip()]
    assert groups[:3] == ["vmstat", "pressure", "processes"] and "iostat sda" in groups and "netstat eth0" in groups


def test_only_what_is_unusual_and_the_worst_first(frames: list[Frame]) -> None:
    some = lines(frames[-1], past_of(frames), taste=Taste(unusual=True))
    assert any(line.startswith("  in ") for line in some) and not any(line.startswith("  fr ") for line in some)
    worst = lines(frames[-1], past_of(frames), taste=Taste(worst=True))
    assert worst[2].startswith("  in ")
    calm = frames[10]
    assert lines(replace(calm, vitals=replace(calm.vitals, rank=calm.vitals.rank * 0)), Past(), taste=Taste(unusual=True))[1] == (  # type: ignore[type-var,union-attr]
        " nothing unusual".ljust(120)
    )


def test_a_disk_at_rest_is_one_line(frames: list[Frame]) -> None:
    frame = frames[-1]
    assert frame.vitals is not None
    rest = frame.vitals.values.copy()
    rest[[name.group == "iostat" for name in frame.vitals.names]] = 0.0
    still = replace(frame, vitals=replace(frame.vitals, values=rest))
    said = lines(still, past_of([still]))
    assert any(line.startswith(" iostat sda  nothing moves") for line in said) and not any(line.startswith("  tps") for line in said)


def test_the_past_keeps_gaps_and_follows_names(frames: list[Frame]) -> None:
    past = past_of([frames[0], frames[1], frames[5]])
    names = measured(frames[0]).names
    row = past.of(names)[names.index(next(name for name in names if name.name == "cs"))]
    assert len(row) == 6 and [value == value for value in row.tolist()] == [True, True, False, False, False, True]
    fewer = tuple(name for name in names if name.group != "iostat")
    assert past.of(fewer).shape == (len(fewer), 6)
    assert past.of(fewer)[[name.name for name in fewer].index("ipkts_rate"), 0] > 0
    many = past_of([replace(frames[0], tick=k) for k in range(0, 5 * LENGTH, 4)])
    assert many.of(names).shape[1] == LENGTH


def test_scores_of_the_past_are_worked_out_where_its_rates_suffice(frames: list[Frame]) -> None:
    rates, _ = alarms.watched()
    frame = replace(frames[-1], vitals=None)
    assert retrospect(frame, rates[-30:]).vitals is None
    found = retrospect(frame, rates[-120:]).vitals
    assert found is not None and not found.alerting.any() and found.why == ()
    at = found.names.index(next(name for name in found.names if name.name == "interface_in"))
    assert found.rank[at] > 1.0
    assert retrospect(frames[-1], rates) is frames[-1]
    bare = [replace(one, vitals=None) for one in rates]
    assert retrospect(frame, bare).vitals is None


def test_the_headline_says_what_there_is_to_say(frames: list[Frame]) -> None:
    def said(frame: Frame) -> str:
        left, right = headline(frame)
        return "".join(cell.text for cell in (*left, *right))

    assert "in " in said(frames[-1]) and "usual" in said(frames[-1])
    assert "not scored" in said(replace(frames[-1], vitals=None))
    assert frames[0].vitals is not None
    assert "warming 50%" in said(replace(frames[0], vitals=replace(frames[0].vitals, warming=0.5)))


def test_nothing_known_is_said() -> None:
    frame = replace(alarms.session(20)[0], vitals=None)
    bare: HostRates = replace(frame.host, vitals=None)
    assert lines(replace(frame, host=bare), Past())[1].startswith(" nothing is known of this moment")
