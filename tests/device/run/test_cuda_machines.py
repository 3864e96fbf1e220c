"""The executor for CUDA devices on machines that cannot: no CuPy, no device, no driver, no memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import standin_cupy
from helpers.cuda_machines import machine, sums
from helpers.standin_cupy import Cupy

import mmip_gpu as mmip
from mmip_gpu.device.run import cuda
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.errors import BackendUnavailable, LimitExceeded


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'mmip-gpu\[gpu\]'.*device='cpu'"):
        CudaExecutor()


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"devices": 0}, "no CUDA device; use device='cpu'"),
        ({"fails": standin_cupy.NO_DEVICE}, "no CUDA device: cudaError 100; use"),
        (
            {"fails": standin_cupy.INSUFFICIENT_DRIVER},
            "of CUDA 12, found one of CUDA 11: .*cupy-cuda11x",
        ),
    ],
)
def test_no_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facts: dict[str, Any], text: str) -> None:
    machine(monkeypatch, tmp_path, **facts)
    with pytest.raises(BackendUnavailable, match=text):
        mmip.decode(mmip.encode(np.zeros((9, 9), np.uint8), quality=10), device="gpu")


def test_no_driver_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = machine(monkeypatch, tmp_path, fails=standin_cupy.INSUFFICIENT_DRIVER)
    module.cuda.runtime.driverGetVersion = lambda: 0
    with pytest.raises(BackendUnavailable, match="no CUDA driver is loaded"):
        CudaExecutor()


def test_an_architecture_that_the_compiler_does_not_know(cupy: Cupy) -> None:
    cupy.compiler_log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n"
    with pytest.raises(BackendUnavailable, match=r"sm_90\): NVRTC_ERROR.*invalid value for --gpu-architecture"):
        sums(CudaExecutor(), 1)


def test_memory_that_runs_out(cupy: Cupy) -> None:
    cupy.memory = 100
    executor = CudaExecutor()
    for call in (executor.empty, executor.zeros, lambda n, dtype: executor.upload(np.zeros(n, dtype))):
        with pytest.raises(cuda.DeviceMemoryExceeded, match="allocating 101 bytes; use a smaller batch"):
            call(101, np.uint8)
    assert issubclass(cuda.DeviceMemoryExceeded, LimitExceeded)
    held = executor.zeros(3, np.uint8)
    cupy.fails = standin_cupy.OUT_OF_MEMORY
    with pytest.raises(cuda.DeviceMemoryExceeded, match="cudaError 2"):
        executor.download(held)
    cupy.fails = standin_cupy.ILLEGAL_ADDRESS
    with pytest.raises(BackendUnavailable, match="CUDA failed: cudaError 700"):
        executor.download(held)
