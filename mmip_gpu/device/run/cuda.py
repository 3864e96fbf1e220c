"""CUDA through CuPy: the device that is there, and its errors as ours.

Values: none in, CuPy (the module) out. Guarantees that what CuPy, its compiler or CUDA raise inside of `our_errors` is
of a kind of errors.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mmip_gpu.errors import BackendUnavailable, LimitExceeded, MmipError

__all__ = ["DeviceMemoryExceeded", "open_cupy", "our_errors"]

_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY
_NOT_INITIALIZED = 3  # cudaErrorInitializationError: what a forked child gets
_INSTEAD = "use device='cpu'"
_SPAWN = "a process made by fork cannot use the CUDA of its parent: start it by 'spawn' or 'forkserver'"
_OPENED_BY: set[int] = set()  # processes; that of a parent is among them in a child made by fork


class DeviceMemoryExceeded(LimitExceeded):
    """The memory of the device does not hold what a batch needs; a smaller batch may fit."""


def open_cupy() -> Any:
    """CuPy, on a machine where it has a device.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver that is new enough, or a device; in a process made by fork from one that used CUDA.
    """
    if _OPENED_BY - {os.getpid()}:
        raise BackendUnavailable(f"no CUDA device: {_SPAWN}, or {_INSTEAD}")
    try:
        import cupy
    except Exception as error:  # also of a CuPy whose libraries do not load
        found = " ".join(str(error).split())[:200]
        raise BackendUnavailable(f"no CuPy ({found}): pip install 'mmip-gpu[gpu]', or {_INSTEAD}") from None
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        why = f" ({_SPAWN})" if error.status == _NOT_INITIALIZED else _driver_versions(runtime)
        raise BackendUnavailable(f"no CUDA device: {error}{why}; {_INSTEAD}") from None
    if count == 0:
        raise BackendUnavailable(f"no CUDA device; {_INSTEAD}")
    _OPENED_BY.add(os.getpid())
    return cupy


def _driver_versions(runtime: Any) -> str:
    """What the driver can do and CuPy needs, where that differs."""
    with suppress(runtime.CUDARuntimeError):
        found, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        if found == 0:
            return " (no CUDA driver is loaded)"
        if found // 1000 < needed // 1000:
            versions = f"expected a driver of CUDA {needed // 1000}, found one of CUDA {found // 1000}"
            return f" ({versions}: update it, or install cupy-cuda{found // 1000}x)"
    return ""


@contextmanager
def our_errors(cupy: Any, work: str = "CUDA") -> Iterator[None]:
    """Errors of CuPy inside become kinds of errors.py; they name the work, such as a kernel.

    Raises
    ------
    DeviceMemoryExceeded
        Where memory runs out.
    BackendUnavailable
        For all others: after some of them the device is lost to this process.
    """
    cuda = cupy.cuda
    try:
        yield
    except MmipError:
        raise
    except cuda.memory.OutOfMemoryError as error:
        raise DeviceMemoryExceeded(f"device memory: {error}; use a smaller batch, or {_INSTEAD}") from None
    except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
        if error.status == _OUT_OF_MEMORY:
            raise DeviceMemoryExceeded(f"device memory: {error}; use a smaller batch, or {_INSTEAD}") from None
        raise BackendUnavailable(f"{work} failed: {error}; {_INSTEAD}") from error
    except Exception as error:
        if not _is_of_cupy(cupy, error):
            raise
        first = next(iter(str(error).strip().splitlines()), "")[:200]
        needed = "CuPy compiles some kernels of its own, for which it needs NVRTC and CUDA's headers"
        found = f"{work} failed: {type(error).__name__}: {first}"
        raise BackendUnavailable(
            f"{found}; {needed}: pip install 'cupy-cuda12x[ctk]' (CUDA 13: 'cupy-cuda13x[ctk]'), or {_INSTEAD}"
        ) from error


def _is_of_cupy(cupy: Any, error: Exception) -> bool:
    """Whether an error comes of CuPy's compiler, or of libraries that it does not find."""
    if isinstance(error, (cupy.cuda.nvrtc.NVRTCError, cupy.cuda.compiler.CompileException)):
        return True
    room = type(error).__module__.partition(".")[0]
    return room in ("cupy", "cupy_backends", "cuda") or (type(error) is RuntimeError and "CuPy" in str(error))
