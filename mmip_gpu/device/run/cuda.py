"""CUDA through CuPy: the device that is there, the kernels compiled for it, and its errors as ours.

Values: CuPy (the module) and the name of a kernel in; a function to launch out. The binary is kept on disk under a
name made of all sources, options, architecture and compiler. NVRTC is called with the options that the tests compile
with and no others: CuPy's own way would add -ftz=true (subnormal floats become 0, which FORMAT.md section 0 keeps), and
the key of its cache holds kernels.cu alone, not the headers that it includes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from mmip_gpu.errors import BackendUnavailable, LimitExceeded

__all__ = ["COMPILE_OPTIONS", "SOURCE", "DeviceMemoryExceeded", "kernel_of", "open_cupy", "our_errors"]

SOURCE = Path(__file__).parents[1] / "kernels.cu"
# No fused multiply-add: FORMAT.md section 0. Every include is a path from the package's folder.
COMPILE_OPTIONS = ("--std=c++17", "--fmad=false", f"-I{SOURCE.parents[1]}")
_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY
_INSTEAD = "use device='cpu'"


class DeviceMemoryExceeded(LimitExceeded):
    """The memory of the device does not hold what a batch needs; a smaller batch may fit."""


def open_cupy() -> Any:
    """CuPy, on a machine where it has a device.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver that is new enough, or a device.
    """
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailable(f"no CuPy ({error}): pip install 'mmip-gpu[gpu]', or {_INSTEAD}") from None
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise BackendUnavailable(f"no CUDA device: {error}{_driver_versions(runtime)}; {_INSTEAD}") from None
    if count == 0:
        raise BackendUnavailable(f"no CUDA device; {_INSTEAD}")
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
    except cuda.memory.OutOfMemoryError as error:
        raise DeviceMemoryExceeded(f"device memory: {error}; use a smaller batch, or {_INSTEAD}") from None
    except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
        if error.status == _OUT_OF_MEMORY:
            raise DeviceMemoryExceeded(f"device memory: {error}; use a smaller batch, or {_INSTEAD}") from None
        raise BackendUnavailable(f"{work} failed: {error}; {_INSTEAD}") from error


def kernel_of(cupy: Any, name: str) -> Any:
    """A kernel on the current device, to be called with (grid, block, arguments)."""
    return _loaded(cupy, cupy.cuda.runtime.getDevice(), name)


@cache
def _loaded(cupy: Any, device: int, name: str) -> Any:
    return _module(cupy, cupy.cuda.Device(device).compute_capability).get_function(name)


@cache
def _module(cupy: Any, architecture: str) -> Any:
    return cupy.RawModule(path=str(_binary(cupy, architecture)))


def _binary(cupy: Any, architecture: str) -> Path:
    """File of the kernels for an architecture such as "90"; compiled where it is not there."""
    flags = (*COMPILE_OPTIONS[:-1], f"-arch=sm_{architecture}")
    key = hashlib.sha256(repr((flags, cupy.cuda.nvrtc.getVersion(), _source_digest(SOURCE.parents[1]))).encode())
    folder = Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache")
    path = folder / f"mmip_{key.hexdigest()[:32]}.cubin"
    if path.exists():
        return path
    binary = _compiled(cupy.cuda.nvrtc, (*COMPILE_OPTIONS, flags[-1]))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _written(binary, path)
    except OSError:  # a home that cannot be written to
        return _written(binary, Path(tempfile.mkdtemp(prefix="mmip_")) / path.name)


def _source_digest(package: Path) -> str:
    """Digest of kernels.cu and of every header that it may include, in the folder of the package."""
    digest = hashlib.sha256()
    headers = [path for room in ("device/kernels", "rules") for path in sorted((package / room).rglob("*.h"))]
    for path in [package / "device" / SOURCE.name, *headers]:
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _written(binary: bytes, path: Path) -> Path:
    """Write a file that others may be reading or writing: it is there as a whole, or not."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(binary)
    Path(file.name).replace(path)
    return path


def _compiled(nvrtc: Any, options: tuple[str, ...]) -> bytes:
    program = nvrtc.createProgram(SOURCE.read_text(), SOURCE.name, (), ())
    try:
        nvrtc.compileProgram(program, options)
        binary: bytes = nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program).strip()
        raise BackendUnavailable(f"the kernels do not compile ({options[-1]}): {error}: {log}; {_INSTEAD}") from None
    finally:
        nvrtc.destroyProgram(program)
    return binary
