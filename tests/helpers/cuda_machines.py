"""Machines with a stand-in for CuPy, and a small launch on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.standin_cupy import Cupy
from mmip_gpu.device.layouts.structs import struct_dtype


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
