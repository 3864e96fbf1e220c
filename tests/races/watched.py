"""Runs tests with kernels that are watched for races: ``pytest -p races.watched``, as tests/races/detect.py does.

Values: the module is the file ``$MMIP_RACES_MODULE``. Guarantees that what a HostExecutor leaves undefined is marked.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import weakref
from typing import Any

from mmip_gpu import device
from mmip_gpu.device.run.executors import HostExecutor

NAME = "mmip_gpu.device._phases"


def load(path: str) -> Any:
    """The watched module in place of the package's."""
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[NAME] = device._phases = module  # type: ignore[attr-defined]
    return ctypes.CDLL(path)


def watch(library: Any) -> None:
    """Watch launches, and reads of what `empty` gives (with the plant ``zeros``, of what `zeros` gives too)."""
    mark = library.mark_undefined
    mark.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_bool)
    made = HostExecutor.empty

    def empty(self: HostExecutor, shape: Any, dtype: Any) -> Any:
        array = made(self, shape, dtype)
        if array.nbytes:
            mark(array.ctypes.data, array.nbytes, True)
            weakref.finalize(array, mark, array.ctypes.data, array.nbytes, False)
        return array

    HostExecutor.empty = empty  # type: ignore[method-assign]
    if os.environ.get("MMIP_RACES_PLANT") == "zeros":
        HostExecutor.zeros = empty  # type: ignore[method-assign]


LIBRARY = load(os.environ["MMIP_RACES_MODULE"])
watch(LIBRARY)


def pytest_unconfigure() -> None:
    LIBRARY.write_findings(os.environ["MMIP_RACES_LOG"].encode())
