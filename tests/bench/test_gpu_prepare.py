"""The folder to carry to a machine with a GPU: what it has, what is left out by name, and that it is enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu import prepare
from helpers.places import INSTALLED, REPOSITORY


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images, of 1 to 3 MB; no core is built."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, megabytes in {"small": 1, "large": 3, "mr_uih_t1_brain": 2}.items():
        np.save(folder / f"{name}.npy", np.zeros((megabytes, 2**20), np.uint8))
    monkeypatch.setenv("MMIP_DATA", str(folder))
    monkeypatch.setattr(prepare, "_core", lambda folder, python: f"none for {python}")
    monkeypatch.setattr(prepare, "installed_library", lambda: None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    return folder


def made(folder: Path, megabytes: float) -> int:
    return prepare.main([str(folder), "--python", "python3.12", "--megabytes", str(megabytes)])


def test_images_fill_what_is_left_and_what_is_missing_is_named(tmp_path: Path, images: Path, capsys: Any) -> None:
    folder = tmp_path / "carried"
    folder.mkdir()
    assert made(folder, 12) == 0
    assert sorted(path.name for path in (folder / "images").iterdir()) == [
        *("large.npy", "mr_uih_t1_brain.npy", "small.npy")
    ]
    told = capsys.readouterr().out
    assert "core: none for python3.12" in told
    assert "binaries left out: no NVRTC is here" in told
    without = prepare._size(folder) / 2**20 - 6
    assert made(tmp_path / "tighter", without + 3.5) == 0
    assert {path.name for path in (tmp_path / "tighter/images").iterdir()} == {"mr_uih_t1_brain.npy", "small.npy"}
    with pytest.raises(SystemExit):
        made(folder, 12)
    assert "is not empty" in capsys.readouterr().err


def ended(command: list[str], folder: Path, **more: str) -> str:
    """What a command prints that has no environment of this checkout."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "MMIP"))}
    done = subprocess.run(command, env=environment | more, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_folder_has_what_parts_import(tmp_path: Path, images: Path) -> None:
    folder = tmp_path / "carried"
    assert made(folder, 64) == 0
    code = "import sys, gpu.part, gpu.run_all; print(*(getattr(m, '__file__', 0) or 0 for m in sys.modules.values()))"
    path = os.pathsep.join([str(REPOSITORY / "benchmarks"), str(INSTALLED)])
    told = list(map(Path, ended([sys.executable, "-P", "-c", code], tmp_path, PYTHONPATH=path).split()))
    rooms = {INSTALLED: "mmip_gpu", REPOSITORY: "benchmarks"}
    ours = [file.relative_to(root) for root, room in rooms.items() for file in told if root / room in file.parents]
    assert {Path("benchmarks/gpu/smoke.py"), Path("mmip_gpu/__init__.py")} <= set(ours)
    assert [file for file in ours if file.suffix == ".py" and not (folder / file).exists()] == []
    assert (folder / "mmip_gpu/device/kernels.cu").exists()


def test_the_script_of_the_folder_runs_the_command_there(tmp_path: Path, images: Path) -> None:
    folder, python = tmp_path / "carried", tmp_path / "python"
    assert made(folder, 64) == 0
    (folder / "mmip_gpu/_core.there.so").touch()
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && echo .there.so || echo "$PWD $MMIP_COMMIT $MMIP_DATA $*"\n')
    python.chmod(0o755)
    told = ended(["sh", "carried/run.sh", "--device", "cpu"], tmp_path, PYTHON=str(python), OUT="/out")
    rest = "benchmarks/gpu.py --out rows --archive /out/gpu_rows.zip --binaries binaries --device cpu"
    assert told.split(maxsplit=3) == [str(folder), prepare.commit_of(REPOSITORY), f"{folder}/images", f"{rest}\n"]
