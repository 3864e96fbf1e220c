"""The GPU run's command, its judgement by rows, its rivals, and what kernels must move."""

from __future__ import annotations

import sys
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu import rivals as gpu_rivals
from gpu import run_all
from gpu import traffic as gpu_traffic
from gpu.places import RESULTS
from gpu.run import Run
from gpu.summary import run_summary
from gpu.targets import add_targets
from gpu.traffic import Work, moved, prediction_tables
from helpers.standin_cupy import Cupy
from studies import HERE

from mmip_gpu.device.layouts.structs import KERNEL_LANES
from mmip_gpu.device.run.cuda_executor import CudaExecutor


def test_rows_of_the_cpu_stay_out_of_the_results(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        run_all.main(["--device", "cpu", "--out", str(RESULTS)])
    assert "rows of the CPU" in capsys.readouterr().err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setitem(sys.modules, "cupy", Cupy())
    begun = Run(CudaExecutor(), tmp_path, 60.0, small=True)
    begun.begin()
    return begun


def test_rivals_are_measured_or_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Codec:
        def __init__(self, algorithm: str, **options: Any) -> None:
            if algorithm == "ANS":
                raise RuntimeError("no ANS here")

        def encode(self, array: Any) -> Any:
            coded = zlib.compress(array.tobytes(), 1)
            return types.SimpleNamespace(data=coded, buffer_size=len(coded))

        def decode(self, coded: Any, data_type: str) -> Any:
            return np.frombuffer(zlib.decompress(coded.data), data_type)

    monkeypatch.setattr(gpu_rivals, "_SIZE", 2**12)
    monkeypatch.setitem(sys.modules, "nvidia", types.ModuleType("nvidia"))
    gpu_rivals.run_rivals(run)
    assert run.read("rivals") == []
    named = {row["what"] for row in run.read("skipped")}
    assert {"nvCOMP, uint16", "nvJPEG2000 (nvImageCodec), uint8", "zfp CUDA, uint16"} <= named
    module = types.SimpleNamespace(Codec=Codec, as_array=lambda array: array)
    monkeypatch.setattr(sys.modules["nvidia"], "nvcomp", module, raising=False)
    gpu_rivals.run_rivals(run)
    found = run.read("rivals")
    assert {row["codec"] for row in found} >= {"nvCOMP LZ4", "nvCOMP Bitcomp"}
    assert "nvCOMP ANS, uint8" in {row["what"] for row in run.read("skipped")}
    assert all(row["psnr_db"] == np.inf and row["bits_per_sample"] > 0 for row in found)


def test_targets_are_judged_by_the_rows(run: Run) -> None:
    volume = {"data": "volume", "dtype": "uint16"}
    add_targets(run, 2.4e12)
    assert {row["met"] for row in run.read("targets")} == {"not measured"}
    run.begin()
    lossy = {**volume, "mode": "lossy, low rate", "bits_per_sample": 0.5}
    run.add("rates", **lossy, chunk_mb=67.0, batch=8, encode_gb_s=120.0, decode_gb_s=199.0, encode_host_gb_s=46.0)
    run.add("rates", **lossy, chunk_mb=1.0, batch=256, encode_gb_s=60.0, decode_gb_s=190.0)
    run.add("ceilings", what="host to device, pinned", megabytes=268.0, gb_s=50.0)
    run.add("kernels", **volume, mode="lossy, low rate", kernel="analyze_volumes", per_sample_ns=0.002)
    add_targets(run, 2.4e12)
    found = {row["target"]: (row.get("found"), row["met"]) for row in run.read("targets")}
    assert found["lossy encode at effort 1, device to device, GB/s"] == (120.0, "yes")  # half an H200
    assert found["lossy decode, device to device, GB/s"] == (199.0, "no")
    assert found["256 chunks of 1 MB, share of the rate of large ones, encode"] == (0.5, "no")
    assert found["encode from host memory, share of the link"] == (0.92, "yes")
    share, met = found["transform and quantization, share of a copy at 4 bytes a sample"]
    assert (round(share, 3), met) == (0.833, "yes")


def test_the_summary_is_made_from_rows(run: Run, capsys: Any) -> None:
    point = {"data": "volume", "dtype": "uint16", "mode": "lossless", "bits_per_sample": 9.0}
    run.add("rates", **point, chunk_mb=67.0, batch=8, encode_gb_s=120.0)
    run_summary(run.folder)
    table = capsys.readouterr().out.split("\nrates\n")[1]
    assert table.splitlines()[2].split() == ["volume", "lossless", "uint16", "67", "8", "120"]
    assert len(run.read("targets")) == 10
    assert (run.folder / "gpu.png").stat().st_size > 10_000


# --- what kernels must move


def test_every_kernel_of_the_main_path_has_its_bytes() -> None:
    assert set(gpu_traffic.BYTES) <= set(KERNEL_LANES)
    assert {*gpu_traffic.ENCODE, *gpu_traffic.DECODE} <= set(gpu_traffic.BYTES)
    work = Work(1000, 2, 8, nonzeros=0.5, bits=4.0)
    assert moved("sample_statistics", work) == 2000
    assert moved("group_crcs", work) == 500
    assert moved("write_tokens", work) == moved("count_token_bits", work) + 500  # type: ignore[operator]
    assert moved("unknown", work) is None


def test_the_notes_hold_the_table_that_the_script_prints(capsys: Any) -> None:
    assert run_all.main(["--predict"]) == 0
    assert capsys.readouterr().out.strip() == prediction_tables().strip()
    assert prediction_tables().strip() in (HERE / "GPU_NOTES.md").read_text()
