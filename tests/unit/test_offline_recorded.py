"""The four tables of a recording, against what vmstat, iostat, netstat and ps would have made of the same counters."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from proctop import cli
from proctop.offline import recorded
from proctop.offline.plan import KINDS
from proctop.offline.stretches import Stretches
from proctop.records import DiskCounters, HostCounters, NetCounters, Reading
from proctop.stream.writer import Writer
from traffic import INFO, MB, MS, Host

COUNT = 80
KIB = 1024


def host_counters(k: int) -> HostCounters:
    """Of reading ``k``: everything rises by the same each second."""
    ns = 10_000_000 * k  # 1 % of a cpu
    cpu = np.array([[10, 5, 7, 60, 8, 2, 1, 7, 0, 0]]) * ns * 4
    return HostCounters(
        cpu=np.vstack([cpu, cpu // 4]),
        memory={"MemTotal": 16 << 30, "MemAvailable": 10 << 30, "MemFree": 4 << 30},
        tasks_running=3,
        tasks_blocked=2,
        switches=1000 * k,
        interrupts=500 * k,
        vmstat={"pswpin": 6 * k, "pswpout": 0, "pgsteal_kswapd": 10 * k, "pgsteal_direct": 2 * k},
        disks={
            "sda": DiskCounters(10 * k, 40 * KIB * k, 20 * k, 30 * k, 80 * KIB * k, 100 * k, 0, 200 * k, 1500 * k),
            "sdb": DiskCounters(*[0] * 9),
        },
        nets={"eth0": NetCounters(0, 100 * k, 2 * k, 0, 0, 50 * k, k, 0)},
    )


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """A gap after the 40th reading; the net counters begin anew in the 60th."""
    host = Host()
    host.born(10, "shop", rss=MB * 1024)
    host.born(11, "shop", rss=MB * 1024)
    host.born(12, "db", rss=MB * 4096)
    path = tmp_path / "monday.proctop"
    with Writer(str(path)) as writer:
        for k in range(COUNT):
            for pid in (10, 11):
                host.did(pid, utime=200 * MS, run_ns=2e8)
            reading = host.read(100.0 if k == 40 else 1.0)
            writer.write(replace(reading, host=nets_anew(host_counters(k), k)))
    return str(path)


def nets_anew(host: HostCounters, k: int) -> HostCounters:
    return host if k != 60 else replace(host, nets={"eth0": NetCounters(0, 1, 0, 0, 0, 1, 0, 0)})


def test_the_columns_are_the_tools_own(recording: str) -> None:
    tables, remark = recorded.load(recording, list(KINDS), Stretches(1.0, 42))
    assert remark == ""
    for kind, table in tables.items():
        assert set(KINDS[kind].critical) <= set(table.columns) <= set(KINDS[kind].columns)
        assert table.interval == 1e6
        assert (table.gaps[:, 1] - table.gaps[:, 0]).tolist() == [101 * 1_000_000]
        assert (np.diff(table.time) != 0).all()
    usual = {name: values[5] for name, values in tables["vmstat"].columns.items()}
    assert usual == pytest.approx(
        {
            "r": 3,
            "b": 2,
            "avm": 6 << 20,
            "fre": 4 << 20,
            "pi": 6,
            "po": 0,
            "fr": 12,
            "interface_in": 500,
            "cs": 1000,
            "us": 15,
            "sy": 10,
            "idle": 60,
        }
    )
    disk = tables["iostat"]
    assert disk.entities == ("sda", "sdb")
    assert disk.runs.tolist() == [0, 39, 78, 117]
    rows = [{name: values[i] for name, values in disk.columns.items()} for i in (0, 100)]
    assert rows[0] == pytest.approx(
        {"tps": 40, "kb_read": 40, "kb_wrtn": 80, "service_time": 5.0, "avg_queue_size": 1.5, "avg_wait_time": 3.0}
    )
    assert set(rows[1].values()) == {0.0}
    net = tables["netstat"]
    row = {name: values[0] for name, values in net.columns.items()}
    assert row == {"ipkts": 100, "opkts": 50, "ierrs": 2, "oerrs": 1, "ipkts_rate": 100, "opkts_rate": 50, "ierrs_rate": 2, "oerrs_rate": 1}
    assert np.flatnonzero(np.isnan(net.columns["ipkts_rate"])).tolist() == [58]  # a counter that fell, and no row for the first and the gap
    process = tables["process"]
    assert process.entities == ("shop", "db")
    assert [process.columns[name][0] for name in ("cpu", "mem")] == pytest.approx([40.0, 12.5], rel=1e-6)
    assert [process.columns[name][-1] for name in ("cpu", "mem")] == pytest.approx([0.0, 25.0], rel=1e-6)


def test_times_are_those_of_the_readings_in_utc(recording: str) -> None:
    tables, _ = recorded.load(recording, ["vmstat"], Stretches(1.0, 42))
    table = tables["vmstat"]
    assert table.zone == "UTC"
    assert table.time[0] == round((INFO.boot_time + 10_002.0) * 1e6)
    assert len(table) == COUNT - 2


def test_a_recording_through_the_command(
    recording: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    assert cli.main(["profile", recording, "--length", "10", "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if recording in line] == list(KINDS)
    assert "windows      60 of 10 rows" in out  # 30 before the gap, 30 behind it
    assert cli.main(["score", str(tmp_path / "out" / "process.parquet"), "--model", "hst"]) == 0
    whole = Path(recording).read_bytes()
    Path(recording).write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()
    assert cli.main(["profile", f"vmstat={recording}"]) == 0
    assert capsys.readouterr().err.startswith(f"proctop: {recording}: ")


def test_a_recording_of_one_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = Host()
    host.born(10)
    path = tmp_path / "short.proctop"
    with Writer(str(path)) as writer:
        writer.write(host.read())
    assert cli.main(["profile", f"iostat={path}"]) == 1
    assert capsys.readouterr().err == (f"proctop: {path}: no rows for iostat: it needs two readings in a row, and something to tell of\n")


def test_what_is_not_known_is_missing() -> None:
    host = Host()
    host.born(10)
    one, two = host.read(), host.read()
    empty: Reading = replace(two, host=HostCounters(cpu=np.full((1, 10), -1)))
    from proctop.vitals import host_rates

    (row,) = recorded.vmstat(empty, host_rates(one, empty))
    assert np.isnan(np.array(row, dtype=float)).all()
