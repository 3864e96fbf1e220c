"""Binaries of the kernels with a stand-in for NVRTC: whole files, compilers that are missing, many at once."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
from helpers import standin_cupy
from helpers.cuda_machines import compile_in_child, machine, slowly, sums
from helpers.standin_cupy import Cupy

from mmip_gpu.device.layouts.structs import KERNEL_LANES, KERNEL_MODULES
from mmip_gpu.device.run import binaries
from mmip_gpu.device.run.binaries import binary_of, cache_folder, is_whole
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.errors import BackendUnavailable


def test_the_byte_that_cupy_cuts_off(cupy: Cupy) -> None:
    path = binary_of(cupy.cuda.nvrtc, "90", "checks")
    data = path.read_bytes()
    assert is_whole(path)
    assert data == standin_cupy.cubin(binaries.SOURCE.read_text())
    for cut in (1, 100, len(data) - 10, len(data)):
        path.write_bytes(data[:-cut])
        assert not is_whole(path)
        assert binary_of(cupy.cuda.nvrtc, "90", "checks") == path  # compiled again
        assert path.read_bytes() == data
    assert len(cupy.compiled) == 5


def test_a_compiler_whose_binary_is_cut_off_further(cupy: Cupy) -> None:
    cupy.cuda.nvrtc.getCUBIN = lambda program: standin_cupy.cubin(program["source"])[:-2]
    with pytest.raises(
        BackendUnavailable, match=r"sm_90\): expected a binary of \d+ bytes, found \d+; use device='cpu'"
    ):
        binary_of(cupy.cuda.nvrtc, "90", "checks")
    assert list(cache_folder().glob("*.cubin")) == []


@pytest.mark.parametrize("full", ["the cache", "every disk"])
def test_a_full_disk(cupy: Cupy, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    plain = Path.write_bytes

    def written(path: Path, data: bytes) -> int:
        if full == "every disk" or path.parent == cache_folder():
            plain(path, data[:100])
            raise OSError(28, "No space left on device")
        return plain(path, data)

    monkeypatch.setattr(Path, "write_bytes", written)
    if full == "the cache":
        path = binary_of(cupy.cuda.nvrtc, "90", "checks")
        assert is_whole(path)
        assert path.parent != cache_folder()
    else:
        with pytest.raises(BackendUnavailable, match=r"No space left.*CUPY_CACHE_DIR.*device='cpu'"):
            binary_of(cupy.cuda.nvrtc, "90", "checks")
    assert [path.name for path in cache_folder().iterdir() if path.suffix != ".lock"] == []


def test_every_kernel_has_a_module_and_each_is_compiled_when_first_used(cupy: Cupy) -> None:
    assert set(KERNEL_MODULES) == set(KERNEL_LANES)
    assert len(set(KERNEL_MODULES.values())) > 4
    sums(CudaExecutor(), 1)
    assert len(cupy.compiled) == 1
    assert "-DMMIP_MODULE=MMIP_ENCODING_KERNELS" in cupy.compiled[0]
    CudaExecutor().launch(
        "gather_streams", **dict.fromkeys(binaries_fields("gather_streams"), 0)
    )  # no groups: not even loaded
    assert len(cupy.compiled) == 1


def binaries_fields(kernel: str) -> tuple[str, ...]:
    from mmip_gpu.device.layouts.structs import params_dtype

    return params_dtype(kernel).names or ()


# --- compilers


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, cupy: Cupy, tmp_path: Path) -> None:
    cupy.no_compiler = "CuPy failed to load libnvrtc.so.12: OSError: no such file"
    with pytest.raises(BackendUnavailable, match=r"no NVRTC.*libnvrtc.so.12.*cupy-cuda12x\[ctk\].*device='cpu'"):
        sums(CudaExecutor(), 1)
    cupy.no_compiler = ""
    assert sums(CudaExecutor(), 2) == [0, 5]
    other = machine(monkeypatch, tmp_path)  # another process with the same folder
    other.no_compiler = "CuPy failed to load libnvrtc.so.12"
    assert sums(CudaExecutor(), 2) == [0, 5]
    assert other.loaded == cupy.loaded
    newer = machine(monkeypatch, tmp_path, architecture="100")
    newer.no_compiler = "CuPy failed to load libnvrtc.so.12"
    with pytest.raises(BackendUnavailable, match="no NVRTC"):  # a binary of sm_90 is not for it
        sums(CudaExecutor(), 1)


@pytest.mark.parametrize(
    ("architecture", "target", "suffix"),
    [("90", "sm_90", ".cubin"), ("121", "compute_120", ".ptx"), ("103", "compute_100", ".ptx")],
)
def test_architectures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, architecture: str, target: str, suffix: str
) -> None:
    cupy = machine(monkeypatch, tmp_path, architecture=architecture)
    assert sums(CudaExecutor(), 2) == [0, 5]
    assert cupy.compiled[0][-1] == f"-arch={target}"
    assert [path.suffix for path in cupy.loaded] == [suffix]
    assert target in cupy.loaded[0].name
    again = machine(monkeypatch, tmp_path, architecture=architecture)
    again.no_compiler = "CuPy failed"
    assert sums(CudaExecutor(), 2) == [0, 5]
    assert again.loaded == cupy.loaded


def test_an_architecture_that_is_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, architecture="70")
    with pytest.raises(BackendUnavailable, match=r"sm_75 or later, which NVRTC 12.9 .*found sm_70: .*gpu-cuda12\]"):
        sums(CudaExecutor(), 1)


# --- at once


def test_threads_that_meet_cold_kernels_compile_once(cupy: Cupy) -> None:
    slowly(cupy)
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(sums(CudaExecutor(), 2))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[0, 5]] * 4
    assert len(cupy.compiled) == len(cupy.loaded) == 1


def test_processes_that_meet_cold_kernels_compile_once(cupy: Cupy) -> None:
    context = multiprocessing.get_context("spawn")
    ready, found = context.Barrier(3), context.Queue()
    children = [context.Process(target=compile_in_child, args=(ready, found)) for _ in range(3)]
    for child in children:
        child.start()
    counts = [found.get(timeout=300) for _ in children]
    for child in children:
        child.join()
    assert sorted(counts) == [0, 0, 1]
