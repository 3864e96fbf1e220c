"""Runs tests with kernels that are watched for races: ``pytest -p races.watched``, as tests/races/detect.py does.

Values: the module is the file ``$MMIP_RACES_MODULE``. Guarantees that what a HostExecutor leaves undefined is marked.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

from mmip_gpu import device
from mmip_gpu.device.decode import batch
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


def marker(library: Any) -> Callable[[Any, bool], None]:
    """What says of arrays whether they are undefined."""
    mark = library.mark_undefined
    mark.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_bool)

    def undefined(array: Any, is_so: bool) -> None:
        if array.nbytes:
            mark(array.ctypes.data, array.nbytes, is_so)
            if is_so:
                weakref.finalize(array, mark, array.ctypes.data, array.nbytes, False).atexit = False

    return undefined


def watch(undefined: Callable[[Any, bool], None]) -> None:
    """Watch reads of what `empty` gives, or `zeros` where that is planted."""
    name = "zeros" if "zeros" in os.environ.get("MMIP_RACES_PLANT", "").split(",") else "empty"
    made: Any = getattr(HostExecutor, name)
    decode_planes = batch.decode_planes

    def marked(self: HostExecutor, shape: Any, dtype: Any) -> Any:
        array = made(self, shape, dtype)
        undefined(array, True)
        return array

    def decoded_planes(setup: Any, chunks: Any, decoded: Any) -> None:
        # Samples of refused tiles stay undefined. Finishing kernels read them; nobody gets what they make of these.
        decode_planes(setup, chunks, decoded)
        for index, error in enumerate(decoded.errors()):
            if error is not None and index in chunks:
                undefined(chunks[index].planes_dev, False)

    setattr(HostExecutor, name, marked)
    batch.decode_planes = decoded_planes


LIBRARY = load(os.environ["MMIP_RACES_MODULE"])
watch(marker(LIBRARY))


def pytest_unconfigure() -> None:
    LIBRARY.write_findings(os.environ["MMIP_RACES_LOG"].encode())
