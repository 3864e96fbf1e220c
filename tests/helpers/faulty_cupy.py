"""A stand-in for CuPy that processes import as `cupy`, with one kernel that does what a wrong one may do.

Values: the environment says which, as ``MMIP_TEST_FAULT=hangs:write_dcs``; see `FAULTS`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.standin_cupy import ILLEGAL_ADDRESS, CUDARuntimeError, Cupy
from mmip_gpu.device.run import clocks

VARIABLE = "MMIP_TEST_FAULT"
MODULE = "import sys\nfrom helpers.faulty_cupy import machine\nsys.modules['cupy'] = machine()\n"


def installed(folder: Path) -> None:
    """Make a folder of a path of modules have it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cupy.py").write_text(MODULE)


def _lose(params: Any) -> None:
    raise CUDARuntimeError(ILLEGAL_ADDRESS)


def _write_wrongly(params: Any) -> None:
    names = [name for name in params.dtype.names if params.dtype[name] == np.uint64 and params[name][0]]
    place = int(params[names[-1]][0])
    np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * 1).from_address(place))[0] ^= 1


FAULTS: dict[str, Callable[[Any], None]] = {
    "hangs": lambda params: time.sleep(1000),
    "dies": lambda params: os.kill(os.getpid(), signal.SIGSEGV),
    "is lost": _lose,
    "is wrong": _write_wrongly,
}


def machine() -> Cupy:
    """The stand-in, with the fault that the environment names."""
    clocks._FILLED_BYTES = 64  # the stand-in's memory is slow
    cupy = Cupy()
    fault, _, faulty = os.environ.get(VARIABLE, "").partition(":")
    load = cupy.RawModule

    def module(*, path: str) -> Any:
        loaded = load(path=path)
        get = loaded.get_function

        def get_function(name: str) -> Any:
            kernel = get(name)
            if name != faulty:
                return kernel

            def run(grid: Any, block: Any, arguments: Any) -> None:
                kernel(grid, block, arguments)
                FAULTS[fault](arguments[0])

            run.attributes = kernel.attributes  # type: ignore[attr-defined]
            return run

        loaded.get_function = get_function
        return loaded

    cupy.RawModule = module
    return cupy
