"""The GPU script without a GPU: its rehearsal, its rows, and what it does when something differs or is missing."""

from __future__ import annotations

import csv
import sys
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu import checks as gpu_checks
from gpu import rates as gpu_rates
from gpu import rivals as gpu_rivals
from gpu import rows as gpu_rows
from gpu import run_all
from gpu import traffic as gpu_traffic
from gpu.rows import Run
from gpu.targets import add_targets
from gpu.traffic import Work, moved, prediction_tables
from helpers.standin_cupy import Cupy
from studies import HERE, RESULTS

from mmip_gpu.device.layouts.structs import KERNEL_LANES
from mmip_gpu.device.run import clocks
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import BackendUnavailable


@pytest.fixture(autouse=True)
def no_real_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on a machine without them."""
    for module in ("gpu.data", "gpu.rates"):
        monkeypatch.setattr(sys.modules[module], "data_folder", lambda: None)


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"gpu_{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def few_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sixth of the small cases, all kinds of them."""
    for name in ("random_cases", "extreme_cases"):
        every = getattr(gpu_checks, name)
        monkeypatch.setattr(gpu_checks, name, lambda small, every=every: list(every(small))[::6])


def few_rates(monkeypatch: pytest.MonkeyPatch, *modes: str) -> None:
    """One size, these modes."""
    monkeypatch.setattr(gpu_rates, "_SMALL_SIZES", ((1 / 128, 2),))
    monkeypatch.setattr(gpu_rates, "RATES", {mode: gpu_rates.RATES[mode] for mode in modes})


def test_rehearsal_on_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    few_cases(monkeypatch)

    def refused(plan: Any, dtype: Any) -> str | None:
        return "a reason" if plan.config.effort == 3 else None

    monkeypatch.setattr(gpu_checks, "refusal", refused)
    monkeypatch.setattr(gpu_rates, "refusal", refused)
    few_rates(monkeypatch, "lossy, low rate", "lossless", "lossy, effort 3")
    committed = {path: path.read_bytes() for path in RESULTS.glob("gpu*")}
    assert run_all.main(["--device", "cpu", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "NO GPU NUMBER WAS MEASURED" in printed
    assert "0 differences" in printed
    checks = rows(tmp_path, "checks")
    assert {"equal", "skipped: a reason"} <= {row["outcome"] for row in checks}
    assert {"encode random", "decode extreme", "damage random, crcs off"} <= {row["check"] for row in checks}
    assert all(row["device"].startswith("none") for row in checks)
    kernels = rows(tmp_path, "kernels")
    assert {row["kernel"] for row in kernels} <= {*KERNEL_LANES, "outside kernels"}
    assert {"analyze_volumes", "write_tokens", "unpack_tokens", "synthesize_flat"} <= {r["kernel"] for r in kernels}
    assert all(float(row["of_copy"]) > 0 for row in kernels if row["kernel"] == "unpack_tokens")
    rates = rows(tmp_path, "rates")
    assert {row["mode"] for row in rates} >= {"lossless", "lossy, low rate"}
    numbers = ("encode_gb_s", "decode_gb_s", "encode_host_gb_s", "decode_host_gb_s", "cpu_encode_gb_s")
    assert all(float(row[name]) > 0 for row in rates for name in numbers if row["mode"] != "lossy, effort 3")
    assert {row["encode_gb_s"] for row in rates if row["mode"] == "lossy, effort 3"} == {""}
    skipped = {(row["part"], row["what"]) for row in rows(tmp_path, "skipped")}
    assert ("rates, encoding", "volume, uint16, lossy, effort 3, 2 of 0.0078125 MB") in skipped
    assert {("rivals", "nvCOMP"), ("compute-sanitizer", "memcheck"), ("checks", "real data")} <= skipped
    assert (tmp_path / "gpu.png").stat().st_size > 10_000
    assert {path: path.read_bytes() for path in RESULTS.glob("gpu*")} == committed


def test_rows_of_the_cpu_stay_out_of_the_results(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        run_all.main(["--device", "cpu", "--out", str(RESULTS)])
    assert "rows of the CPU" in capsys.readouterr().err


def test_without_a_gpu_it_says_what_works(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert run_all.main([]) == 2
    assert "gpu.run_all --device cpu rehearses" in capsys.readouterr().err


def test_no_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_all.main(["--device", "cpu", "--seconds", "0", "--out", str(tmp_path)]) == 0
    skipped = rows(tmp_path, "skipped")
    assert {row["part"] for row in skipped} >= {"checks, random", "checks, extreme", "rates", "rivals"}
    assert {row["why"] for row in skipped} == {"no time left", "none at hand: set MMIP_DATA to a folder of .npy files"}


def test_a_wrong_kernel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Wrong(HostExecutor):
        def launch(self, kernel: str, **values: int) -> None:
            super().launch(kernel, **values)
            if kernel == "write_dcs":
                room = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * 1).from_address(values["output"]))
                room[0] ^= 1

    few_cases(monkeypatch)
    monkeypatch.setattr(run_all, "HostExecutor", Wrong)
    assert run_all.main(["--device", "cpu", "--small", "--out", str(tmp_path)]) == 1
    assert "DIFFERENT: encode random: 2D" in capsys.readouterr().out
    different = [row for row in rows(tmp_path, "checks") if "difference" in row["outcome"]]
    assert different[0]["outcome"].startswith("stage 1: first difference at byte ")


def test_an_error_ends_its_batch_and_a_lost_device_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_cases(monkeypatch)
    few_rates(monkeypatch, "lossless")
    for error in (TypeError("wrong"), BackendUnavailable("list_tokens failed: cudaErrorIllegalAddress")):

        class Failing(HostExecutor):
            def launch(self, kernel: str, error: Exception = error, **values: int) -> None:
                if kernel == "list_tokens":
                    raise error
                super().launch(kernel, **values)

        monkeypatch.setattr(run_all, "HostExecutor", Failing)
        assert run_all.main(["--device", "cpu", "--parts", "checks", "rates", "--out", str(tmp_path)]) == 1
        failed = [row for row in rows(tmp_path, "checks") if str(error) in row["outcome"]]
        if isinstance(error, TypeError):
            assert {row["check"] for row in failed} == {"encode random", "encode extreme", "rates"}
            assert {row["check"] for row in rows(tmp_path, "checks")} >= {"decode random", "damage extreme, crcs on"}
        else:
            assert [(row["check"], row["case"]) for row in failed] == [("device", "the rest of the script")]


def test_rows_are_there_when_it_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    few_cases(monkeypatch)
    monkeypatch.setattr(gpu_checks, "_check_damage", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_all.main(["--device", "cpu", "--small", "--out", str(tmp_path)])
    assert rows(tmp_path, "checks")


# --- what only runs with CuPy, on its stand-in


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setitem(sys.modules, "cupy", Cupy())
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(clocks, "_FILLED_BYTES", 64)  # the stand-in's memory is slow
    return Run(CudaExecutor(), tmp_path / "rows", 60.0, small=True)


def test_all_parts_through_cupy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    few_cases(monkeypatch)
    assert run.on_gpu
    assert (run.facts["device"], run.facts["driver"], run.facts["cuda"]) == ("stand-in", "13.0", "12.9")
    gpu_checks.run_checks(run, 1.0)
    copy_rate = run_all.run_ceilings(run)
    assert [row["what"].split(",")[0] for row in run.rows["ceilings"]][1:] == ["host to device", "device to host"]
    few_rates(monkeypatch, "lossless")
    gpu_rates.run_rates(run, copy_rate, 1.0)
    assert len(run.rows["rates"]) == 4
    assert run.failures == []


def test_a_device_that_is_too_small_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.modules["cupy"].memory = 5000  # type: ignore[attr-defined]
    few_rates(monkeypatch, "lossless", "lossy, low rate")
    gpu_rates.run_rates(run, 1e9, 1.0)
    assert len(run.rows["skipped"]) == 4 * 2  # kinds of data, modes
    assert "device memory" in run.rows["skipped"][0]["why"]


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
    gpu_rivals.run_rivals(run, 1.0)
    assert run.rows["rivals"] == []
    named = {row["what"] for row in run.rows["skipped"]}
    assert {"nvCOMP, uint16", "nvJPEG2000 (nvImageCodec), uint8", "zfp CUDA, uint16"} <= named
    module = types.SimpleNamespace(Codec=Codec, as_array=lambda array: array)
    monkeypatch.setattr(sys.modules["nvidia"], "nvcomp", module, raising=False)
    gpu_rivals.run_rivals(run, 1.0)
    found = run.rows["rivals"]
    assert {row["codec"] for row in found} >= {"nvCOMP LZ4", "nvCOMP Bitcomp"}
    assert "nvCOMP ANS, uint8" in {row["what"] for row in run.rows["skipped"]}
    assert all(row["psnr_db"] == np.inf and row["bits_per_sample"] > 0 for row in found)


def test_targets_are_judged_by_the_rows(run: Run) -> None:
    volume = {"data": "volume", "dtype": "uint16"}
    add_targets(run, 2.4e12)
    assert {row["met"] for row in run.rows["targets"]} == {"not measured"}
    run.rows["targets"].clear()
    lossy = {**volume, "mode": "lossy, low rate", "bits_per_sample": 0.5}
    run.add("rates", **lossy, chunk_mb=67.0, batch=8, encode_gb_s=120.0, decode_gb_s=200.0, encode_host_gb_s=46.0)
    run.add("rates", **lossy, chunk_mb=1.0, batch=256, encode_gb_s=60.0, decode_gb_s=199.0)
    run.add("ceilings", what="host to device, pinned", megabytes=268.0, gb_s=50.0)
    run.add("kernels", **volume, mode="lossy, low rate", kernel="analyze_volumes", per_sample_ns=0.002)
    add_targets(run, 2.4e12)
    found = {row["target"]: (row.get("found"), row["met"]) for row in run.rows["targets"]}
    assert found["lossy encode at effort 1, device to device, GB/s"] == (120.0, "yes")  # half an H200
    assert found["lossy decode, device to device, GB/s"] == (200.0, "no")
    assert found["256 chunks of 1 MB, share of the rate of large ones, encode"] == (0.5, "no")
    assert found["encode from host memory, share of the link"] == (0.92, "yes")
    share, met = found["transform and quantization, share of a copy at 4 bytes a sample"]
    assert (round(share, 3), met) == (0.833, "yes")


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


def test_unknown_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no columns"):
        Run(HostExecutor(), tmp_path, 1.0).add("rates", speed=3)
    assert set(gpu_rows.COLUMNS) == {"checks", "ceilings", "kernels", "rates", "host", "rivals", "targets", "skipped"}
