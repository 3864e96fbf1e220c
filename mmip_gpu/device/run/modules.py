"""Kernels of the current device by their names; a module of them is loaded when the first is asked for.

Values: CuPy (the module) and the name of a kernel in; a function to launch out. Guarantees that threads which meet a
module that is not loaded compile it once.
"""

from __future__ import annotations

import threading
from typing import Any

from mmip_gpu.device.layouts.structs import KERNEL_MODULES
from mmip_gpu.device.run.binaries import binary_of

__all__ = ["kernel_of"]

_KERNELS: dict[tuple[Any, int, str], Any] = {}
_MODULES: dict[tuple[Any, str, str], Any] = {}
_LOCKS: dict[tuple[Any, str, str], threading.Lock] = {}


def kernel_of(cupy: Any, name: str) -> Any:
    """A kernel on the current device, to be called with (grid, block, arguments)."""
    key = cupy, cupy.cuda.runtime.getDevice(), name
    kernel = _KERNELS.get(key)
    if kernel is None:
        architecture = cupy.cuda.Device(key[1]).compute_capability
        kernel = _KERNELS[key] = _module(cupy, architecture, KERNEL_MODULES[name]).get_function(name)
    return kernel


def _module(cupy: Any, architecture: str, name: str) -> Any:
    """A module of CuPy, which it loads on every device."""
    key = cupy, architecture, name
    with _LOCKS.setdefault(key, threading.Lock()):
        if key not in _MODULES:
            _MODULES[key] = cupy.RawModule(path=str(binary_of(cupy.cuda.nvrtc, architecture, name)))
        return _MODULES[key]
