"""How many processes come and go: as rates of the host, and as a line of the panel where there is room for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frames import NAN, Proc, build, host
from proctop.frames import HostRates
from proctop.view import panel
from proctop.view.cells import ASCII, UNICODE, width
from proctop.vitals import host_rates
from traffic import Host


def rates(*counts: tuple[int, int, int]) -> list[tuple[float, float, float]]:
    there, prev, out = Host(), None, []
    for births, execs, exits in counts:
        reading = there.read(2.0)
        reading = replace(reading, host=replace(reading.host, births=births, execs=execs, exits=exits))
        found = host_rates(prev, reading)
        out.append((found.births, found.execs, found.exits))
        prev = reading
    return out


def test_rates_are_per_second_and_unknown_where_nobody_counts_or_counting_began_anew() -> None:
    first, second, none, begun, anew = rates((10, 20, 5), (30, 60, 6), (-1, -1, -1), (4, 4, 4), (2, 8, 4))
    assert first == none == begun == pytest.approx((NAN, NAN, NAN), nan_ok=True)
    assert second == (10.0, 20.0, 0.5)
    assert anew == pytest.approx((NAN, 2.0, 0.0), nan_ok=True)


CHURN = host(births=231.0, execs=46200.0, exits=0.5)


def strip(rates: HostRates, columns: int, *, ascii: bool = False) -> str:
    frame = build([Proc(1, "init", rank=3.0)], host=rates)
    lines = panel.panel(frame, panel.Past(), columns, 4, ASCII if ascii else UNICODE)
    text = "".join(cell.text for cell in lines[-1].cells)
    assert width(text) == columns
    return text


@pytest.mark.parametrize("ascii", [False, True])
def test_the_panel_tells_as_much_of_it_as_fits(ascii: bool) -> None:
    for columns, words in {200: 3, 120: 3, 80: 2, 60: 0, 40: 0}.items():
        text = strip(CHURN, columns, ascii=ascii)
        assert [name in text for name in ("forks 231/s", "execs 46k/s", "exits 0.5/s")] == [k < words for k in range(3)], columns
        assert "top 3.0" in text


def test_what_nobody_counts_takes_no_room() -> None:
    assert strip(host(), 120) == strip(host(births=NAN, execs=NAN, exits=NAN), 120)
    assert "forks" not in strip(host(), 200)
    for columns in (80, 120):
        text = strip(host(exits=2.0), columns)
        assert "exits 2/s" in text and "forks" not in text
