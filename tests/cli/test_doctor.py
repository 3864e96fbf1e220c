"""The command doctor: what it tells with a stand-in for CuPy, without CuPy, and with a CuPy that cannot compile."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.cuda_machines import machine

from mmip_gpu.cli import main
from mmip_gpu.device.layouts.structs import KERNEL_MODULES


def told(capsys: Any, *arguments: str) -> dict[str, Any]:
    assert main(["doctor", "--json", *arguments]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def test_a_machine_with_a_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    cupy = machine(monkeypatch, tmp_path)
    facts = told(capsys, "--compile")
    assert facts["device"] == "stand-in, sm_90, 1024.0 GiB"
    assert facts["driver"] == "13.0 (CUDA that it can do; CuPy is for 12.9)"
    assert (facts["CuPy"], facts["NVRTC"]) == ("0", "12.9, for sm_75 to sm_120")
    modules = set(KERNEL_MODULES.values())
    assert len(cupy.compiled) == len(facts["compiled"]) == len(modules)
    assert facts["kernels"] == f"{len(modules)} binaries in {tmp_path / 'cache'}"
    assert "numpy" in facts["packages"]
    assert facts["instruction set"]
    assert told(capsys, "--compile")["compiled"] == facts["compiled"]
    assert len(cupy.compiled) == len(modules)  # they were there


def test_a_head_of_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    machine(monkeypatch, tmp_path, devices=0)
    facts = told(capsys, "--architecture", "sm_80")
    assert facts["device"].startswith("no CUDA device")
    assert all("sm_80" in path for path in facts["compiled"])
    assert main(["doctor", "--compile"]) == 2
    assert "BackendUnavailable: no CUDA device" in capsys.readouterr().err


def test_what_is_missing_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    cupy = machine(monkeypatch, tmp_path)
    cupy.no_compiler = "CuPy failed to load libnvrtc.so.12:\nOSError"
    assert "[ctk]" in told(capsys)["NVRTC"]
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in ("device", "driver", "CuPy", "NVRTC"):
        assert [line for line in lines if line.startswith(f"{name}:") and "pip install 'mmip-gpu[gpu]'" in line]
    assert main(["doctor", "--architecture", "ninety"]) == 2


def test_a_bench_without_a_compiler_measures_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    machine(monkeypatch, tmp_path).no_compiler = "CuPy failed to load libnvrtc.so.12"
    assert main(["bench", "phantom3d:8x40x48", "--json", str(tmp_path / "bench.json")]) == 0
    assert "no GPU was measured: no NVRTC" in capsys.readouterr().err
    report = json.loads((tmp_path / "bench.json").read_text())
    assert report["rows"]
    assert not [row for row in report["rows"] if row["runs on"] == "GPU"]
