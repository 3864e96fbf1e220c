"""Machines with a stand-in for CuPy, a small launch on them, and processes that compile at once."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.standin_cupy import Cupy
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.binaries import binary_of


def machine(monkeypatch: pytest.MonkeyPatch, folder: Path, **facts: Any) -> Cupy:
    module = Cupy(**facts)
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(folder / "cache"))
    return module


def sums(executor: Any, count: int) -> list[int]:
    """Sums of small arrays by a kernel, one group each."""
    arrays = [executor.upload(np.full(5, i, np.uint8)) for i in range(count)]
    items = np.zeros(count, struct_dtype("SampleRun"))
    items["samples"], items["count"] = [executor.address(a) for a in arrays], 5
    held, found = executor.upload(items), executor.empty(2 * count, np.int64)
    executor.launch("sample_statistics", groups=count, items=executor.address(held), sums=executor.address(found))
    return [int(n) for n in executor.download(found)[::2]]  # beside each its range


def slowly(cupy: Cupy) -> None:
    """Gives the others time to meet while one compiles."""
    compile_now = cupy.cuda.nvrtc.compileProgram

    def compile_later(program: Any, options: Any) -> None:
        time.sleep(0.2)
        compile_now(program, options)

    cupy.cuda.nvrtc.compileProgram = compile_later


def compile_in_child(ready: Any, found: Any) -> None:
    """What a process that is spawned does: it imports this module."""
    cupy = Cupy()
    slowly(cupy)
    ready.wait()
    binary_of(cupy.cuda.nvrtc, "90", "checks")
    found.put(len(cupy.compiled))
