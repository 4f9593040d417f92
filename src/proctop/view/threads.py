"""The threads of one process, the noisy ones first: by two readings of them."""

from __future__ import annotations

import numpy as np

from proctop.fields import COUNTER
from proctop.records import Floats, Index, Ints, Reading, ThreadTable
from proctop.view.cells import Cell, Glyphs, bar, fit
from proctop.view.prose import Text
from proctop.view.units import count, cpu_time, percent

MOST = 500
"""Threads that are shown."""

_BAR = 10


class Threads:
    """The threads of process ``pid`` between readings."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._mono = float("nan")
        self._then: dict[str, Floats] = {}
        self._tid: Ints = np.zeros(0, dtype=np.int64)
        self._start: Ints = self._tid
        self.table: ThreadTable | None = None
        self.mine: Index = np.zeros(0, dtype=np.intp)  # its rows in the table
        self.rates: dict[str, Floats] = {}

    def learn(self, reading: Reading) -> None:
        """Take another reading of them; without any in it, what was known goes."""
        table = reading.threads
        mine = table.pid == self._pid if table is not None else np.zeros(0, dtype=np.bool_)
        if table is None or not mine.any():
            self.table, self.rates, self._then = None, {}, {}
            self._mono = float("nan")
            return
        if reading.mono == self._mono:
            return
        now = {name: table.counters[COUNTER[name], mine] for name in _COUNTED}
        tid, start = table.tid[mine], table.start[mine]
        seconds = reading.mono - self._mono
        if not seconds > 0:
            seconds = float("nan")
        place, known = np.zeros(tid.size, dtype=np.intp), np.zeros(tid.size, dtype=np.bool_)
        if self._tid.size:
            order = np.argsort(self._tid, kind="stable")
            place = order[np.minimum(np.searchsorted(self._tid, tid, sorter=order), self._tid.size - 1)]
            known = (self._tid[place] == tid) & (self._start[place] == start)
        self.rates = {}
        for name in _COUNTED:
            rise = np.full(tid.size, np.nan)
            if name in self._then:
                rise[known] = now[name][known] - self._then[name][place[known]]
                rise[rise < 0] = np.nan
            self.rates[name] = rise / seconds
        self.table, self.mine = table, np.flatnonzero(mine)
        self._then, self._tid, self._start, self._mono = now, tid, start, reading.mono

    def text(self, columns: int, glyphs: Glyphs) -> Text:
        """A line each, the noisiest first; empty where none are known."""
        table = self.table
        if table is None:
            return []
        ran = self.rates["run_ns"]
        ticks = self.rates["utime"] + self.rates["stime"]
        cpu = np.where(np.isnan(ran), ticks, ran) / 1e9
        waited = self.rates["wait_ns"] / 1e9
        spent = (table.counters[COUNTER["utime"]] + table.counters[COUNTER["stime"]])[self.mine] / 1e9
        order = np.lexsort((table.tid[self.mine], -np.nan_to_num(spent), -np.nan_to_num(cpu)))
        titles = f" {'TID':>8} S {'CPU%':>6} {'':{_BAR}} {'WAIT%':>6} {'TIME':>9} {'CPU':>4} {'MINFLT/s':>9}  NAME"
        running = np.count_nonzero(cpu > 0)
        head = f" {len(order):,} threads" + (f", {running:,} ran since the reading before" if not np.isnan(cpu).all() else "")
        out: Text = [[Cell(head, "soft")], [Cell(fit(titles, columns + 2, glyphs), "title")]]
        faults = self.rates["minflt"]
        for k in order[:MOST].tolist():
            j = int(self.mine[k])
            code = table.counters[COUNTER["state"], j]
            state = chr(int(code)) if 32 < code < 127 else " "
            busy = cpu[k] > 0
            core = table.counters[COUNTER["processor"], j]
            out.append(
                [
                    Cell(f" {int(table.tid[j]):>8} ", "soft"),
                    Cell(state, {"D": "warn", "Z": "warn", "R": "good"}.get(state, "soft")),
                    Cell(f" {glyphs.plain(percent(float(cpu[k]) * 100, 6)):>6} ", "text" if busy else "faint"),
                    Cell(bar(min(float(cpu[k]), 1.0) if busy else 0.0, _BAR, glyphs), "spark"),
                    Cell(f" {glyphs.plain(percent(float(waited[k]) * 100, 6)):>6} ", "warn" if waited[k] > 0.2 else "soft"),
                    Cell(f"{glyphs.plain(cpu_time(float(spent[k]), 9)):>9} ", "text" if busy else "soft"),
                    Cell(f"{'' if core != core else int(core):>4} {glyphs.plain(count(float(faults[k]), 9)):>9}  ", "soft"),
                    Cell(glyphs.plain(table.comm[j]), "text" if busy else "soft"),
                ]
            )
        if len(order) > MOST:
            out.append([Cell(f"          and {len(order) - MOST:,} quieter ones", "soft")])
        return out


_COUNTED = ("run_ns", "wait_ns", "utime", "stime", "minflt")
