"""Two builds against each other: the verdict's arithmetic, and the workers on tiny data."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import against
import pytest
import speed
import studies
from against import Environment, Runs, Worker
from against_cases import PLANE, VOLUME, Case, all_cases

TINY = 0.03
ENCODE = Case("encode", PLANE, {"quality": 10, "effort": 1})
# A worker that is like the real one but for what is added.
CHANGED_WORKER = """
import sys
sys.path.insert(0, {benchmarks!r})
import against_worker as worker
{change}
worker.main()
"""
TEN_CALLS = """
once = worker.seconds_a_call
worker.seconds_a_call = lambda call, calls: once(lambda: [call() for _ in range(10)], calls)
"""
OTHER_BYTES = "worker.digest = lambda result: 'other'"


@pytest.fixture
def own() -> Environment:
    return Environment.own()


def changed(own: Environment, change: str, folder: Path) -> Environment:
    script = folder / "changed_worker.py"
    script.write_text(CHANGED_WORKER.format(benchmarks=str(against.HERE), change=change))
    return Environment(own.python, own.folder, script)


def runs(old: list[float], new: list[float], again: list[float], equal: bool = True) -> Runs:
    return Runs(ENCODE, old, new, again, 1, equal)


# --- arithmetic


def test_the_spread_is_the_largest_ratio_of_the_old_build_to_itself() -> None:
    assert runs([1.0], [1.0], [1.25]).spread() == pytest.approx(0.25)
    assert runs([1.25], [1.0], [1.0]).spread() == pytest.approx(0.25)
    assert runs([1.0] * 7, [1.0] * 7, [1.0] * 6 + [9.0]).spread() == pytest.approx(0)
    # The pair 2, 4 stands either way; medians of (1, 2, 6) and (1, 4, 6) are the farthest apart.
    assert runs([1.0, 2.0, 6.0], [1.0] * 3, [1.0, 4.0, 6.0]).spread() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("new", "again", "verdict"),
    [
        (1.03, 1.0, "slower"),
        (1.019, 1.0, "same"),
        (0.97, 1.0, "faster"),
        (0.99, 1.0, "same"),
        (1.09, 1.1, "same"),
        (1.2, 1.1, "slower"),
    ],
)
def test_slower_is_beyond_both_limits(new: float, again: float, verdict: str) -> None:
    assert runs([1.0] * 5, [new] * 5, [again] * 5).verdict() == verdict


def test_a_fast_build_with_other_bytes_is_not_faster() -> None:
    assert runs([1.0], [0.1], [1.0], equal=False).verdict() == "bytes differ"


def test_every_case_has_a_name_of_its_own() -> None:
    names = [(case.name, case.image) for case in all_cases()]
    assert len(set(names)) == len(names)
    assert Case("decode", VOLUME, {"lossless": True, "stages": 3}, {"scale": 4}).name == (
        "decode lossless, stages 3 -> scale 4"
    )


# --- workers


def test_a_build_against_itself(own: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of call once; the rows come back from the file."""
    monkeypatch.setattr(studies, "RESULTS", tmp_path)
    monkeypatch.setattr(against, "_LEAST_SECONDS", 0.0)
    cases = list({case.kind: case for case in reversed(all_cases())}.values())
    rows = against.compared(own, own, cases, TINY, 1)
    against.report(rows, write=True)
    with (tmp_path / "against.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["case"] for row in read] == [case.name for case in cases]
    for row, case in zip(read, cases, strict=True):
        assert row["verdict"] in ("same", "slower", "faster")
        assert float(row["ratio"]) == pytest.approx(float(row["new_s"]) / float(row["old_s"]), rel=1e-4)
        assert float(row["aa_spread"]) >= 0
        assert row["runs"] == "1"
        assert len(row["data"]) == (16 if case.image else 0)
        assert row["old_commit"] == row["commit"]
        assert row["old_versions"] == row["new_versions"]


def test_a_planted_slow_down_is_found(own: Environment, tmp_path: Path) -> None:
    slow = changed(own, TEN_CALLS, tmp_path)
    rows = against.compared(own, slow, [ENCODE], TINY, 1)
    assert [row["verdict"] for row in rows] == ["slower"]
    assert rows[0]["ratio"] > 4
    assert against.report(rows, write=False) == 1
    assert against.compared(slow, own, [ENCODE], TINY, 1)[0]["verdict"] == "faster"


def test_other_bytes_are_found(own: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = against.compared(own, changed(own, OTHER_BYTES, tmp_path), [ENCODE], TINY, 1)
    assert [row["verdict"] for row in rows] == ["bytes differ"]
    assert f"BYTES DIFFER: {ENCODE.name}, {PLANE}" in capsys.readouterr().err
    assert against.report(rows, write=False) == 1


def test_a_worker_tells_why_it_failed(own: Environment, tmp_path: Path) -> None:
    with Worker(own, tmp_path / "a") as worker, pytest.raises(RuntimeError, match="KeyError: 'no such kind'"):
        worker.ask(prepare={"number": 0, "kind": "no such kind"})
    broken = changed(own, "raise SystemExit(3)", tmp_path)
    with Worker(broken, tmp_path / "b") as worker, pytest.raises(RuntimeError, match="the worker ended"):
        worker.ask(about=True)


def test_an_interrupt_ends_the_workers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Worker] = []

    def interrupted(_: Any, workers: list[Worker], __: Any) -> None:
        seen.extend(workers)
        raise KeyboardInterrupt

    monkeypatch.setattr(against, "run_round", interrupted)
    assert against.run(sys.executable, TINY, 1, "encode") == 130
    assert len(seen) == 3
    assert all(worker.process.poll() is not None for worker in seen)
    assert "nothing is written" in capsys.readouterr().err


# --- builds and the command


def test_the_commit_of_an_installed_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "commit_of", lambda folder: f"commit of {folder.relative_to(tmp_path)}")
    for place in ("site", "source"):
        (tmp_path / place / "mmip_gpu").mkdir(parents=True)
        (tmp_path / place / "mmip_gpu" / "api.py").write_text("1")
    about = {"package": str(tmp_path / "site" / "mmip_gpu"), "installed_from": str(tmp_path / "source")}
    assert against.build_commit(about) == "commit of source/mmip_gpu"
    assert against.build_commit(about | {"installed_from": ""}) == "commit of site/mmip_gpu"
    (tmp_path / "source" / "mmip_gpu" / "api.py").write_text("2")
    assert against.build_commit(about) == "unknown"
    assert against.build_commit(about | {"installed_from": str(tmp_path / "gone")}) == "unknown"


def test_speed_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "run", lambda *options: options)
    monkeypatch.setattr(sys, "argv", ["speed.py", "--against", "python3", "--rounds", "3"])
    assert speed.main() == ("python3", 4.0, 3, "")


def test_a_selection_of_nothing_is_refused() -> None:
    assert against.run(sys.executable, TINY, 1, "no such case") == 2
