"""A GPU run whose parts die, hang, or find no device: their rows are there, and those of the others."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from gpu import run_all, runner
from gpu.archive import Archive
from gpu.parts import PARTS, SUMMARY_SECONDS, Part, limit_of
from gpu.processes import last_line, run_process
from gpu.rows import COLUMNS, Rows
from helpers.places import INSTALLED, REPOSITORY
from helpers.stub_part import KERNELS, VARIABLE
from helpers.stub_run import STUB

PATH = os.pathsep.join(map(str, (REPOSITORY / "benchmarks", REPOSITORY / "tests", INSTALLED)))


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Parts that do these deeds and take no time else."""
    monkeypatch.setattr(runner, "_PROGRAM", STUB)
    monkeypatch.setattr(runner, "SUMMARY_SECONDS", 1.0)
    return lambda by_part: monkeypatch.setenv(VARIABLE, json.dumps(by_part))


def run(folder: Path, seconds: float, *parts: Part) -> int:
    logs = folder / "gpu_run"
    logs.mkdir(parents=True, exist_ok=True)
    archive = Archive(folder, logs / "gpu_rows.zip")
    return runner.Runner(folder, logs, archive, seconds, kind=["--device", "gpu"]).run(parts)


def three(middle: str = "effort 1") -> tuple[Part, ...]:
    return Part("binaries", "smoke", 1), Part(middle, "rates", 1), Part("random", "checks", 1)


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"gpu_{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def checks(folder: Path) -> list[tuple[str, str]]:
    return [(row["check"], row["case"]) for row in rows(folder, "checks")]


def assert_archive_is_whole(folder: Path) -> None:
    """It has every table as the folder has it, and the logs."""
    with zipfile.ZipFile(folder / "gpu_run/gpu_rows.zip") as file:
        assert file.testzip() is None
        assert {f"gpu_{table}.csv" for table in COLUMNS} <= set(file.namelist())
        assert "gpu_run/binaries.txt" in file.namelist()
        for name in file.namelist():
            assert file.read(name) == (folder / name).read_bytes(), name


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("deed", "outcome", "found"),
    [
        ("dies", "killed by SIGKILL", ["killed by SIGKILL; last: "]),
        ("raises", "exit status 1", ["exit status 1; last: TypeError: a wrong type"]),
        ("is lost", "exit status 3", ["cudaErrorIllegalAddress"]),
    ],
)
def test_a_part_that_dies_loses_itself_alone(
    deed: str, outcome: str, found: list[str], tmp_path: Path, deeds: Any
) -> None:
    deeds({"effort 1": deed})
    assert run(tmp_path, 30, *three()) == 1
    assert checks(tmp_path)[:5] == [
        *(("binaries", "before"), ("binaries", "after"), ("effort 1", "before")),
        *(("random", "before"), ("random", "after")),
    ]
    assert [row["outcome"] for row in rows(tmp_path, "parts")] == ["done", outcome, "done"]
    assert [row["found"].strip() for row in rows(tmp_path, "differences")] == [text.strip() for text in found]
    assert_archive_is_whole(tmp_path)


def test_a_part_that_hangs_is_killed_with_what_it_started(tmp_path: Path, deeds: Any, capsys: Any) -> None:
    deeds({"effort 1": "hangs"})
    start = time.monotonic()
    assert run(tmp_path, 30, *three()[:1], Part("effort 1", "rates", 1, most=1.5), *three()[2:]) == 0
    assert time.monotonic() - start < 20
    pids = [int(pid) for row in rows(tmp_path, "ceilings") for pid in row["what"].split()]
    assert len(pids) == 2
    wait_until(lambda: all(is_gone(pid) for pid in pids))
    assert checks(tmp_path)[2:5] == [("effort 1", "before"), ("random", "before"), ("random", "after")]
    assert [(row["part"], row["what"]) for row in rows(tmp_path, "skipped")] == [("effort 1", "the rest of it")]
    assert "effort 1: killed at its limit, after 2 s" in capsys.readouterr().out
    assert_archive_is_whole(tmp_path)


def test_a_run_that_is_killed_leaves_rows_and_no_process(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": PATH, VARIABLE: json.dumps({"effort 1": "hangs"})}
    command = [sys.executable, "-P", "-m", "helpers.stub_run", "--out", str(tmp_path)]
    process = subprocess.Popen([*command, "--parts", "rates", "checks"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: (tmp_path / "gpu_ceilings.csv").exists() and len(rows(tmp_path, "ceilings")) > 0)
    finally:
        process.kill()
        process.wait()
    part = int(rows(tmp_path, "ceilings")[0]["what"].split()[0])
    wait_until(lambda: is_gone(part))
    os.kill(int(rows(tmp_path, "ceilings")[0]["what"].split()[1]), signal.SIGKILL)
    assert checks(tmp_path) == [(p, c) for p in ("binaries", "ceilings") for c in ("before", "after")] + [
        ("effort 1", "before")
    ]
    with zipfile.ZipFile(tmp_path / "gpu_run/gpu_rows.zip") as file:
        assert b"ceilings,after" in file.read("gpu_checks.csv")


def test_a_kernel_that_ends_the_process_is_named_and_the_others_are_met(tmp_path: Path, deeds: Any) -> None:
    deeds({"smoke": "meets write_dcs"})
    assert run(tmp_path, 30, three()[0], Part("smoke", "smoke", 1)) == 1
    met = {row["kernel"]: row["outcome"] for row in rows(tmp_path, "smoke")}
    assert met == dict.fromkeys(KERNELS, "equal") | {"write_dcs": "killed by SIGSEGV"}
    assert [(row["part"], row["what"]) for row in rows(tmp_path, "differences")] == [("smoke", "write_dcs")]


def test_rows_of_an_earlier_run_stay_where_no_device_is(tmp_path: Path, deeds: Any, capsys: Any) -> None:
    Rows(tmp_path, {}).begin()
    Rows(tmp_path, {}).add("rates", data="measured earlier")
    before = {path: path.read_bytes() for path in tmp_path.glob("gpu_*.csv")}
    deeds({"binaries": "finds no device"})
    assert run(tmp_path, 30, *three()) == 2
    assert "no device here: python benchmarks/gpu.py --device cpu rehearses" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in tmp_path.glob("gpu_*.csv")} == before
    deeds({})
    assert run(tmp_path, 30, *three()[:1]) == 0
    assert rows(tmp_path, "rates") == []


def test_nothing_is_said_of_differences_where_no_device_is(tmp_path: Path, deeds: Any, capsys: Any) -> None:
    for deed, status in {"finds no device": 2, "": 0}.items():
        deeds({"binaries": deed})
        assert run_all.main(["--out", str(tmp_path), "--parts", "smoke"]) == status
        assert ("differences from the CPU core" in capsys.readouterr().out) == (status == 0)


def test_a_summary_that_dies_fails_nothing(tmp_path: Path, deeds: Any, capsys: Any) -> None:
    deeds({"summary": "dies"})
    assert run(tmp_path, 30, *three()[:1]) == 0
    assert "no summary: killed by SIGKILL" in capsys.readouterr().out
    assert_archive_is_whole(tmp_path)


def test_without_time_every_part_is_named(tmp_path: Path, deeds: Any) -> None:
    deeds({})
    assert run(tmp_path, 0, *three()) == 0
    assert [(row["part"], row["why"]) for row in rows(tmp_path, "skipped")] == [
        (part.name, "no time left") for part in three()
    ]


# --- time


@pytest.mark.parametrize("seconds", [run_all.SECONDS, run_all.AGAIN_SECONDS, run_all._REHEARSAL_SECONDS, 20.0])
@pytest.mark.parametrize("used", [0.0, 0.5, 1.0])
def test_limits_keep_within_the_whole(seconds: float, used: float) -> None:
    left, limits = seconds - SUMMARY_SECONDS, {}
    for number, part in enumerate(PARTS):
        limit = limit_of(PARTS[number:], left)
        left -= used * limit + 1 if limit >= runner._SHORTEST else 0
        limits[part.name] = limit
    assert left >= -1e-6
    assert limits["smoke"] <= 20
    assert seconds < run_all.SECONDS or min(limits.values()) >= 5


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of every run that is begun; none is made."""
    seconds: list[float] = []

    class Told:
        def __init__(self, folder: Path, logs: Path, archive: Archive, time: float, **more: Any) -> None:
            seconds.append(time)
            self.rows = Rows(folder, {})
            self.rows.begin()
            (logs / "binaries.txt").touch()

        def run(self, parts: Any) -> int:
            for number in range(30):
                self.rows.fail("checks", f"case {number}", "other bytes")
            return 1

    monkeypatch.setattr(run_all, "Runner", Told)
    return seconds


def test_a_second_run_has_less_time_and_the_first_archive_stays(
    tmp_path: Path, asked: list[float], capsys: Any
) -> None:
    assert run_all.main(["--out", str(tmp_path)]) == 1
    (tmp_path / "gpu_run/gpu_rows.zip").write_bytes(b"the first")
    assert run_all.main(["--out", str(tmp_path)]) == 1
    assert asked == [420.0, 270.0]
    assert (tmp_path / "gpu_run/gpu_rows_1.zip").read_bytes() == b"the first"
    told = capsys.readouterr().out.split("30 differences")[-1].splitlines()
    assert len([line for line in told if line.startswith("  checks: case")]) == 20
    assert told[-1] == "  and 10 more in gpu_differences.csv"


# --- a process and its rows


def test_a_process_that_writes_rows_leaves_whole_lines(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from gpu.rows import Rows\nrows = Rows(pathlib.Path(sys.argv[1]), {'cpu': 'x'})\n"
        "rows.begin()\nwhile True: rows.add('checks', check='y' * 1000, case='z', outcome='equal')"
    )
    environment = os.environ | {"PYTHONPATH": PATH}
    ended = run_process([sys.executable, "-c", code, str(tmp_path)], tmp_path / "log.txt", 0.6, environment, int)
    assert (ended.status, last_line(tmp_path / "log.txt")) == (None, "")
    with (tmp_path / "gpu_checks.csv").open("ab") as file:
        file.write(b"yyy")  # as one that is killed inside of a write
    written = Rows(tmp_path, {"cpu": "x"})
    assert len(written.read("checks")) > 10
    written.cut()
    written.add("checks", check="y" * 1000, case="z", outcome="equal")
    assert (tmp_path / "gpu_checks.csv").read_bytes().endswith(b",x\n")
    found = rows(tmp_path, "checks")
    assert len(found) > 10
    assert {(len(row["check"]), row["case"], row["cpu"]) for row in found} == {(1000, "z", "x")}


def test_texts_of_rows_are_one_line_and_unknown_columns_are_refused(tmp_path: Path) -> None:
    written = Rows(tmp_path, {})
    written.begin()
    written.fail("rates", "a point", "a\nlong \n" + "text " * 1000)
    assert len((tmp_path / "gpu_differences.csv").read_text().splitlines()) == 2
    with pytest.raises(KeyError, match="no columns"):
        written.add("rates", speed=3)
