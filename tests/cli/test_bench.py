"""The command bench: the CPU's half everywhere, the GPU's where there is one (here its stand-in)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.standin_cupy import Cupy

from mmip_gpu.bench import throughput as command
from mmip_gpu.cli import main
from mmip_gpu.device import _phases
from mmip_gpu.device.layouts.structs import params_dtype, struct_dtype

SMALL = "phantom3d:8x40x48"


def rows(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["coded with"], row["runs on"]): row for row in json.loads(path.read_text())["rows"]}


@pytest.mark.parametrize("device", [(), ("--device", "gpu")])
def test_without_a_gpu_it_measures_the_cpu_and_says_so(
    device: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    out = tmp_path / "bench.json"
    assert main(["bench", SMALL, *device, "--threads", "2", "--json", str(out)]) == 0
    printed = capsys.readouterr()
    assert "no GPU was measured: no CuPy" in printed.err
    assert "8 x 40 x 48 uint16" in printed.out
    found = rows(out)
    assert set(found) == {(m, p) for m in command._MODES for p in ("CPU", "CPU, 2 threads")}
    assert all(row["encode MB/s"] > 0 and row["decode MB/s"] > 0 for row in found.values())
    assert found["lossless", "CPU"]["bits/sample"] > found["effort 1", "CPU"]["bits/sample"] > 0


def test_the_cpu_alone_needs_no_note(capsys: Any) -> None:
    assert main(["bench", SMALL, "--device", "cpu"]) == 0
    assert capsys.readouterr().err == ""


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cupy:
    module = Cupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    return module


def test_a_gpu_is_measured_beside_the_cpu(cupy: Cupy, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "bench.json"
    assert main(["bench", SMALL, "--json", str(out)]) == 0
    found = rows(out)
    assert all(found[mode, "GPU"]["decode MB/s"] > 0 for mode in command._MODES)
    assert found["effort 1", "GPU"]["encode MB/s"] > 0
    assert "no GPU" not in capsys.readouterr().err


def test_other_bytes_than_the_cpus_are_an_error(cupy: Cupy, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    run = _phases.run

    def wrong(name: str, params: bytes) -> None:
        run(name, params)
        if name in ("synthesize_deep", "synthesize_flat"):
            raise_one(params)

    def raise_one(params: bytes) -> None:
        items = int(np.frombuffer(params, params_dtype("synthesize_flat"))["items"][0])
        item = np.ctypeslib.as_array(
            (np.ctypeslib.ctypes.c_uint8 * struct_dtype("DecodeItem").itemsize).from_address(items)
        )
        samples = int(item.view(struct_dtype("DecodeItem"))["samples"][0])
        np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * 1).from_address(samples))[0] ^= 1

    monkeypatch.setattr(_phases, "run", wrong)
    assert main(["bench", SMALL]) == 1
    assert "other samples than the CPU" in capsys.readouterr().err


def test_a_gpu_that_is_too_small_is_named(cupy: Cupy, capsys: Any) -> None:
    cupy.memory = 10_000
    assert main(["bench", SMALL]) == 0
    assert "effort 1: device memory" in capsys.readouterr().err
