"""Time of an installation: the launcher's notes, their sums, the copy that is built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import install_time
import pytest

OBJECTS = {
    "CMakeFiles/kernels_avx2.dir/mmip_gpu/passes/kernels_isa.cpp.o": 20.0,
    "CMakeFiles/kernels_avx2.dir/mmip_gpu/passes/more.cpp.o": 0.5,
    "CMakeFiles/kernels_baseline.dir/mmip_gpu/passes/kernels_isa.cpp.o": 30.0,
    "CMakeFiles/cmTC_1a2b3.dir/CMakeCXXCompilerABI.cpp.o": 9.0,
    "check.o": 9.0,
}


def test_compilations_are_summed_by_target(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(json.dumps({"object": o, "seconds": s}) + "\n" for o, s in OBJECTS.items()))
    assert install_time.seconds_by_target(log) == {"kernels_avx2": 20.5, "kernels_baseline": 30.0}


@pytest.mark.parametrize("status", [0, 3])
def test_the_launcher_notes_processor_time(tmp_path: Path, status: int) -> None:
    log = tmp_path / "log"
    work = f"import time\nwhile time.process_time() < 0.2: pass\nraise SystemExit({status})"
    compiler = [sys.executable, "-c", work, "-o", "CMakeFiles/_core.dir/a.o"]
    launcher = [sys.executable, install_time.HERE / "compile_timer.py", log, *compiler]
    assert subprocess.run(launcher, check=False).returncode == status
    assert 0.2 <= install_time.seconds_by_target(log)["_core"] < 20


def test_nothing_built_is_copied(tmp_path: Path) -> None:
    for name in ("tree/build/a.o", "tree/pkg/_core.so", "tree/pkg/rules.h", "tree/.git/HEAD", "tree/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    copy = install_time.source_copy(tmp_path / "tree", tmp_path / "copy")
    found = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    assert found == ["pkg/rules.h", "pyproject.toml"]


def test_rows_are_medians_of_trees_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([30.0, 3.0, 10.0, 1.0, 20.0, 2.0])
    order = []

    def installed(tree: Path, _: Path) -> install_time.Seconds:
        order.append(tree.name)
        return {"wall_s": next(taken)}

    monkeypatch.setattr(install_time, "installed", installed)
    monkeypatch.setattr(install_time, "build_requirements", lambda _: [])
    monkeypatch.setattr(install_time.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(install_time, "commit_of", lambda tree: f"commit of {tree.name}")
    rows = install_time.compared({"before": tmp_path / "old", "now": tmp_path / "new"}, 3)
    assert order == ["old", "new"] * 3
    assert [(row["tree"], row["wall_s"], row["commit"]) for row in rows] == [
        ("before", 20.0, "commit of old"),
        ("now", 2.0, "commit of new"),
    ]


def test_the_build_needs_what_the_project_says() -> None:
    assert {"nanobind", "scikit-build-core"} <= {
        text.split(">")[0] for text in install_time.build_requirements(install_time.HERE.parent)
    }
