"""Facts of the machine and of the checkout that rows are measured with."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mmip_gpu.bench.machine import commit_of


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_a_changed_source_marks_the_commit_and_new_results_do_not(tmp_path: Path) -> None:
    (tmp_path / "study/results").mkdir(parents=True)
    for name in ("study/results/rows.csv", "study/code.py", "top.py"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = commit_of(tmp_path / "study")
    assert len(clean) >= 7
    (tmp_path / "study/results/rows.csv").write_text("2")
    assert commit_of(tmp_path / "study") == commit_of(tmp_path / "study/results") == clean
    for name in ("study/code.py", "top.py"):
        (tmp_path / name).write_text("2")
        assert commit_of(tmp_path / "study") == f"{clean}-dirty"
        (tmp_path / name).write_text("1")


def test_a_folder_outside_of_a_checkout(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == "unknown"
