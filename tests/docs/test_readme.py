"""Every command and example of README.md and of the docstrings runs. (.ci/run runs the two set-up lines themselves.)"""

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.places import REPOSITORY

import mmip_gpu
import numcodecs_plugin

README = (REPOSITORY / "README.md").read_text()
NEEDS_PACKAGE = {"mmip_gpu.__main__"}


def block(name: str) -> list[str]:
    """Lines of the fenced block that follows a marker."""
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```\n<!-- end -->", README, re.S)
    assert found, f"README.md has no block {name!r}"
    return [line for line in found[1].splitlines() if line.strip()]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "mmip"
    environment = dict(os.environ, PYTHONPATH=str(Path(mmip_gpu.__file__).parents[1]))
    return subprocess.run(
        [sys.executable, "-m", "mmip_gpu", *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo(tmp_path: Path) -> None:
    (line,) = block("demo line")
    done = run(line.rpartition("&& .venv/bin/")[2], tmp_path)
    assert done.returncode == 0, done.stderr
    names = {p.name for p in (tmp_path / "mmip_demo").iterdir()}
    assert {"volume.zarr", "progressive.png"} <= names


def test_the_python_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(block("python example")), "README.md", "exec"), {})
    assert "psnr" in capsys.readouterr().out


def test_the_two_lines_set_themselves_up() -> None:
    for name in ("demo line", "test line"):
        (line,) = block(name)
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install")


def modules() -> list[str]:
    found = []
    for package in (mmip_gpu, numcodecs_plugin):
        walk = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        found += [package.__name__, *(m.name for m in walk)]
    return sorted(set(found) - NEEDS_PACKAGE)


@pytest.mark.parametrize("name", modules())
def test_docstring_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.startswith("mmip_gpu.neural."):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
