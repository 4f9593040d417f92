"""The selected container on four lines: what it is, its processor and its memory against their limits, and what its tasks wait for."""

from __future__ import annotations

from proctop.view import units
from proctop.view.boxes import HOT
from proctop.view.cells import Cell, Glyphs, Line, line
from proctop.view.group_lines import hot
from proctop.view.groups import Groups


def about(groups: Groups, g: int, total: int, glyphs: Glyphs) -> list[Line]:
    """Four lines about the container of group ``g``; none where it has none."""
    box = groups.boxes.containers[g] if groups.boxes is not None else None
    if groups.boxes is None or box is None:
        return []
    rates, again = groups.boxes.rates[g], int(groups.boxes.restarts[g])
    figures = {name: float(column[g]) for name, column in groups.figures.items()}
    marked = {name for name in HOT if hot(groups, name)[g]}

    def said(label: str, text: str, name: str = "") -> list[Cell]:
        return [Cell(f"  {label} ", "soft"), Cell(text + "!", "warn") if name in marked else Cell(text)]

    def percent(name: str) -> str:
        return units.percent(figures[name], 6) + ("%" if figures[name] == figures[name] else "")

    def size(name: str) -> str:
        return units.size(figures[name], 6)

    def limit(value: float, text: str, share: str) -> str:
        return f" of {text} = {percent(share)}" if value == value else ", no limit"

    titled = [
        Cell(f" {box.title}", "strong"),
        Cell(f"  {box.image or 'image not known'}", "box"),
        Cell(f"  {box.runtime or 'runtime not known'} {box.id[:12]}" + (f"  pod {box.pod}" if box.pod else ""), "soft"),
    ]
    cores = f"{rates.cpu_limit:g} {'cpu' if rates.cpu_limit == 1 else 'cpus'}"
    processor = [
        *said("cpu", percent("cpu") + limit(rates.cpu_limit, cores, "cpu_share"), "cpu"),
        *said("throttled in", f"{percent('throttled')} of periods, {percent('throttled_time')} of time", "throttled"),
    ]
    memory = [
        *said("mem", size("rss") + limit(rates.memory_limit, size("memory_limit"), "memory_share"), "memory_share"),
        *said("out of memory", units.count(figures["oom_kills"], 6) + " killed", "oom_kills"),
        *said("reads", size("disk_read") + "/s"),
        *said("writes", size("disk_write") + "/s"),
    ]
    waits = [
        *said("waits for cpu", percent("psi_cpu"), "psi_cpu"),
        *said("memory", percent("psi_memory"), "psi_memory"),
        *said("io", percent("psi_io"), "psi_io"),
        *said("tasks", units.count(figures["pids"], 6)),
        *said("started again", f"{again} {'time' if again == 1 else 'times'}", "restarts"),
        *([Cell(f"  read {units.duration(rates.age, 5)} ago", "soft")] if rates.age > 0 else []),
    ]
    return [line([Cell(glyphs.plain(cell.text), cell.style) for cell in cells], total) for cells in (titled, processor, memory, waits)]
