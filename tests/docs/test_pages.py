"""The pages on the command line, stores, clusters, reading step by step, the benchmark: their commands run in order."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmip_gpu
from mmip_gpu.bench.datasets import DATASETS
from mmip_gpu.bench.records import read_records
from mmip_gpu.cli import main

DOCS = Path(mmip_gpu.__file__).parent / "docs"
ROOT = DOCS.parents[1]


def blocks(page: str, text_of: dict[str, str]) -> list[tuple[str, str]]:
    """Languages and texts of the fenced blocks of a page, with some words replaced."""
    text = (DOCS / page).read_text()
    for old, new in text_of.items():
        text = text.replace(old, new)
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.S | re.M)


def run_page(page: str, text_of: dict[str, str], processes: list[subprocess.Popen[bytes]]) -> None:
    for language, text in blocks(page, text_of):
        if language == "python":
            exec(compile(text, page, "exec"), {})
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            if words[:2] == ["mmip", "serve"] and words[-1] == "&":
                processes.append(served(words[1:-1]))
            elif words[0] == "mmip":
                assert main(words[1:]) == 0, line
            else:
                assert words[0] == "dask", line
                assert words[-1] == "&", line
                command = [sys.executable, "-m", f"distributed.cli.dask_{words[1]}", "--no-dashboard", *words[2:-1]]
                environment = os.environ | {"PYTHONPATH": str(ROOT)}
                processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))


def served(words: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "mmip_gpu", *words], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"http://")
    process.stdout.close()
    return process


@contextmanager
def background() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells").mkdir()
    for number in range(6):
        image = (mmip_gpu.phantom2d(70)[:, 5 * number :][:, :40] >> 8).astype(np.uint8)
        Image.fromarray(np.stack([image, image[::-1], image], -1)).save(tmp_path / "cells" / f"{number}.png")
    run_page("command-line.md", {}, [])
    expected = {
        "stage3.npy",
        "roi.mmip",
        "plain.json",
        "progressive.png",
        "phantom.zarr",
        "coarse.npy",
        "series",
        "cell.npy",
    }
    assert expected <= {p.name for p in tmp_path.iterdir()}


def test_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page("benchmark.md", {}, [])
    assert "phantom_fluorescence_192" in (tmp_path / "results" / "report.md").read_text()
    assert all(record["status"] == "ok" for folder in ("results", "own") for record in read_records(tmp_path / folder))


def test_the_page_of_the_benchmark_names_the_sets() -> None:
    text = (DOCS / "benchmark.md").read_text()
    assert [name for name in DATASETS if f"`{name}" not in text] == []


def test_compress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    run_page("compress.md", {}, [])
    assert '"ok": true' in capsys.readouterr().out
    assert {"volume.zarr", "regions.zarr", "array.zarr"} <= {p.name for p in tmp_path.iterdir()}


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_progressive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    pytest.importorskip("dask.array")
    monkeypatch.chdir(tmp_path)
    with background() as processes:
        run_page("progressive.md", {"8000": free_port()}, processes)
        assert len(processes) == 1
    expected = mmip_gpu.open_zarr("volume.zarr")
    assert (np.load("fine.npy") == expected[...]).all()
    assert (np.load("coarse.npy") == mmip_gpu.open_zarr("volume.zarr", stages=1)[...]).all()
    assert (Path("volume.ome.zarr") / "3/zarr.json").exists()


def test_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    with background() as processes:
        run_page("cluster.md", {"8786": free_port()}, processes)
        assert len(processes) == 2
    stored = [mmip_gpu.open_zarr(f"{name}.zarr") for name in ("local", "shared", "dask")]
    assert all(volume.report["complete"] for volume in stored)
