"""A stand-in for CuPy with one kernel that is wrong, or that loses the device.

Values: what the kernel does beside its work, as a function of its parameters; the stand-in out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.standin_cupy import ILLEGAL_ADDRESS, CUDARuntimeError, Cupy


def lose_the_device(params: Any) -> None:
    raise CUDARuntimeError(ILLEGAL_ADDRESS)


def write_wrongly(params: Any) -> None:
    """Changes the first byte behind the last address of the parameters."""
    names = [name for name in params.dtype.names if params.dtype[name] == np.uint64 and params[name][0]]
    np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * 1).from_address(int(params[names[-1]][0])))[0] ^= 1


def faulty_cupy(faulty: str, fault: Callable[[Any], None]) -> Cupy:
    """The stand-in; a kernel of this name has the fault."""
    cupy = Cupy()
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
                fault(arguments[0])

            run.attributes = kernel.attributes  # type: ignore[attr-defined]
            return run

        loaded.get_function = get_function
        return loaded

    cupy.RawModule = module
    return cupy
