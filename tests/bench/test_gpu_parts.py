"""Parts of a GPU run on the CPU and on the stand-in for CuPy: what they write where all is right, and where not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gpu import checks as gpu_checks
from gpu import part, sanitizers, smoke
from gpu import rates as gpu_rates
from gpu.binaries import run_binaries
from gpu.ceilings import copy_rate, run_ceilings
from gpu.run import Run
from helpers.faulty_cupy import faulty_cupy, lose_the_device, write_wrongly
from helpers.standin_cupy import Cupy

from mmip_gpu.device.layouts.structs import KERNEL_LANES, KERNEL_MODULES
from mmip_gpu.device.run import clocks
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import BackendUnavailable

FIRST = {"sample_statistics", "analyze_volumes", "write_dcs", "write_tokens"}  # kernels of the first tiny case


@pytest.fixture(autouse=True)
def as_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No real images, own binaries; this process does not end with its parent."""
    for module in ("gpu.data", "gpu.rates"):
        monkeypatch.setattr(sys.modules[module], "data_folder", lambda: None)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(part, "end_with_parent", lambda: None)
    monkeypatch.setattr(clocks, "_FILLED_BYTES", 64)  # the stand-in's memory is slow


@pytest.fixture
def on_cpu(tmp_path: Path) -> Run:
    return begun(HostExecutor(descending=True), tmp_path)


@pytest.fixture
def on_cupy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """A run on a stand-in."""

    def made(cupy: Cupy | None = None) -> Run:
        monkeypatch.setitem(sys.modules, "cupy", cupy or Cupy())
        return begun(CudaExecutor(), tmp_path)

    return made


def begun(executor: Any, folder: Path) -> Run:
    run = Run(executor, folder, 60.0, small=True)
    run.begin()
    return run


def few_cases(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    for name in ("random_cases", "extreme_cases"):
        cases = getattr(gpu_checks, name)
        monkeypatch.setattr(gpu_checks, name, lambda small, cases=cases: list(cases(small))[::every])


def few_tiny(monkeypatch: pytest.MonkeyPatch, module: Any, *names: str) -> None:
    kept = [case for case in module.tiny_cases() if case.name in names]
    assert len(kept) == len(names)
    monkeypatch.setattr(module, "tiny_cases", lambda: kept)


def few_rates(monkeypatch: pytest.MonkeyPatch, *modes: str) -> None:
    monkeypatch.setattr(gpu_rates, "_SMALL_SIZES", ((1 / 128, 2),))
    monkeypatch.setattr(gpu_rates, "RATES", {mode: gpu_rates.RATES[mode] for mode in modes})


def found(run: Run) -> list[tuple[str, str]]:
    return [(row["part"], row["what"]) for row in run.read("differences")]


# --- every kernel alone


def test_every_kernel_is_met_alone_and_leaves_what_the_other_order_leaves(on_cpu: Run) -> None:
    smoke.run_smoke(on_cpu, ())
    assert {row["kernel"]: row["outcome"] for row in on_cpu.read("smoke")} == dict.fromkeys(KERNEL_LANES, "equal")
    assert on_cpu.read("skipped") == []


def test_attributes_of_kernels_on_a_device(on_cupy: Any) -> None:
    run = on_cupy()
    smoke.run_smoke(run, set(KERNEL_LANES) - {"write_dcs"})
    (row,) = run.read("smoke")
    assert (row["kernel"], row["module"], row["outcome"]) == ("write_dcs", KERNEL_MODULES["write_dcs"], "equal")
    assert (row["registers"], row["most_lanes"], row["device"]) == (32.0, 32.0, "stand-in")


def test_a_wrong_kernel_is_named_and_those_after_it_are_met(on_cupy: Any) -> None:
    run = on_cupy(faulty_cupy("write_dcs", write_wrongly))
    smoke.run_smoke(run, set(KERNEL_LANES) - FIRST)
    outcomes = {row["kernel"]: row["outcome"] for row in run.read("smoke")}
    wrong = outcomes.pop("write_dcs")
    assert "bytes of array" in wrong
    assert "differ, first byte" in wrong
    assert outcomes == dict.fromkeys(FIRST - {"write_dcs"}, "equal")
    assert found(run) == [("smoke", "write_dcs")]


def test_a_kernel_that_loses_the_device_is_named(on_cupy: Any, tmp_path: Path, capsys: Any) -> None:
    on_cupy(faulty_cupy("write_dcs", lose_the_device))
    asked = ["smoke", "--folder", str(tmp_path), "--seconds", "20", "--small", "--without"]
    assert part.main([*asked, *(set(KERNEL_LANES) - FIRST)]) == part.LOST
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith(smoke.BEGUN)][-1] == "kernel write_dcs"
    assert "write_dcs failed: cudaError 700" in told[-1]


def test_without_time_kernels_are_named(on_cpu: Run) -> None:
    on_cpu.seconds = 0
    smoke.run_smoke(on_cpu, set(KERNEL_LANES) - FIRST)
    assert {(row["what"], row["why"]) for row in on_cpu.read("skipped")} == {(k, "no time left") for k in FIRST}


# --- a part as a process does it


def test_without_a_device_a_part_says_so_and_leaves_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert part.main(["binaries", "--folder", str(tmp_path), "--seconds", "5", "--first"]) == part.NO_DEVICE
    assert "CuPy" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_first_part_begins_tables(tmp_path: Path) -> None:
    asked = ["--folder", str(tmp_path), "--seconds", "5", "--device", "cpu", "--small"]
    for _ in range(2):
        assert part.main(["binaries", *asked, "--first"]) == 0
    assert part.main(["ceilings", *asked]) == 0
    text = (tmp_path / "gpu_binaries.csv").read_text()
    assert text.count("none: kernels run on the CPU") == 2 * len(set(KERNEL_MODULES.values()))  # outcome and device
    assert (tmp_path / "gpu_ceilings.csv").read_text().count("copy on the device") == 1


def test_binaries_at_hand_are_taken(on_cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        """A pool of processes in this one."""

        def __init__(self, *given: Any, **named: Any) -> None:
            pass

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *given: Any) -> None:
            pass

        def submit(self, work: Any, *given: Any) -> Any:
            done: Any = sys.modules["concurrent.futures"].Future()
            done.set_result(work(*given))
            return done

    monkeypatch.setattr("gpu.binaries.ProcessPoolExecutor", Here)
    run = on_cupy()
    run_binaries(run)
    run_binaries(run)
    count = len(set(KERNEL_MODULES.values()))
    assert [row["outcome"] for row in run.read("binaries")] == ["compiled"] * count + ["at hand"] * count
    assert len({row["file"] for row in run.read("binaries")}) == count
    assert len(sys.modules["cupy"].compiled) == count  # type: ignore[attr-defined]


# --- checks, rates and sanitizers


def test_checks_and_rates_through_cupy(on_cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    few_cases(monkeypatch, 20)
    run = on_cupy()
    assert (run.facts["device"], run.facts["driver"], run.facts["cuda"]) == ("stand-in", "13.0", "12.9")
    gpu_checks.run_checks(run, "random")
    gpu_checks.run_checks(run, "extreme")
    run_ceilings(run)
    assert [row["what"].split(",")[0] for row in run.read("ceilings")][1:] == ["host to device", "device to host"]
    assert copy_rate(run)
    few_rates(monkeypatch, "lossless")
    gpu_rates.run_rates(run, "lossless")
    (row,) = run.read("rates")
    numbers = ("encode_gb_s", "decode_gb_s", "encode_host_gb_s", "decode_host_gb_s", "cpu_encode_gb_s")
    assert all(row[name] > 0 for name in numbers)
    kernels = run.read("kernels")
    assert {row["kernel"] for row in kernels} <= {*KERNEL_LANES, "outside kernels"}
    assert {"analyze_volumes", "write_tokens", "unpack_tokens", "synthesize_deep"} <= {r["kernel"] for r in kernels}
    assert all(row["of_copy"] > 0 for row in kernels if row["kernel"] == "unpack_tokens")
    assert {row["outcome"].split()[-1] for row in run.read("checks")} == {"equal"}
    assert {"encode random", "decode extreme", "damage random, crcs off"} <= {r["check"] for r in run.read("checks")}
    assert found(run) == []


def test_what_kernels_refuse_is_named(on_cpu: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gpu_checks, gpu_rates):
        monkeypatch.setattr(module, "refusal", lambda plan, dtype: "a reason")
    few_cases(monkeypatch, 20)
    gpu_checks.run_checks(on_cpu, "random")
    assert "skipped: a reason" in {row["outcome"] for row in on_cpu.read("checks")}
    few_rates(monkeypatch, "lossless")
    gpu_rates.run_rates(on_cpu, "sizes")
    assert [(row["part"], row["why"]) for row in on_cpu.read("skipped")] == [("rates, encoding", "a reason")]
    (row,) = on_cpu.read("rates")
    assert "encode_gb_s" not in row
    assert row["decode_gb_s"] > 0


def test_an_error_ends_its_batch_and_a_lost_device_the_part(on_cpu: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    few_cases(monkeypatch, 20)

    def failing(error: Exception) -> None:
        def launch(kernel: str, **values: int) -> None:
            if kernel == "list_tokens":
                raise error
            HostExecutor.launch(on_cpu.executor, kernel, **values)  # type: ignore[arg-type]

        monkeypatch.setattr(on_cpu.executor, "launch", launch)

    failing(TypeError("wrong"))
    gpu_checks.run_checks(on_cpu, "random")
    assert [name for name, _ in found(on_cpu)] == ["encode random"]
    assert {row["check"] for row in on_cpu.read("checks")} >= {"decode random", "damage random, crcs on"}
    failing(BackendUnavailable("cudaErrorIllegalAddress"))
    with pytest.raises(BackendUnavailable):
        gpu_checks.run_checks(on_cpu, "random")


def test_a_device_that_is_too_small_is_named(on_cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = on_cupy()
    sys.modules["cupy"].memory = 5000  # type: ignore[attr-defined]
    few_rates(monkeypatch, "lossless")
    gpu_rates.run_rates(run, "sizes")
    (row,) = run.read("skipped")
    assert "device memory" in row["why"]


def test_real_data_that_is_missing_is_named(on_cpu: Run) -> None:
    gpu_checks.run_checks(on_cpu, "real")
    gpu_rates.run_rates(on_cpu, "real data")
    assert [row["part"] for row in on_cpu.read("skipped")] == ["checks", "rates"]


def test_tiny_arrays_in_plain_memory(on_cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    few_tiny(monkeypatch, sanitizers, "image", "stage array")
    run = on_cupy(faulty_cupy("write_dcs", write_wrongly))
    sanitizers.run_sanitized(run, "memcheck")
    assert sys.modules["cupy"].allocator is None  # type: ignore[attr-defined]
    assert {row["case"]: row["outcome"] for row in run.read("checks")} == {"image": "differs", "stage array": "equal"}
    assert found(run) == [("memcheck", "image")]


def test_what_a_tool_says_is_found_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(
        "========= COMPUTE-SANITIZER\nimage: equal\n========= Invalid __global__ read of size 4 bytes\n"
        "=========     at write_dcs+0x100\n========= ERROR SUMMARY: 1 error\n"
    )
    assert sanitizers.findings(log) == (
        "Invalid __global__ read of size 4 bytes; at write_dcs+0x100; ERROR SUMMARY: 1 error"
    )
