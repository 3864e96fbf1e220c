"""What the GPU path finds on this machine, for reports of faults: device, driver, CuPy, NVRTC, binaries.

Values: none in, a line of text by fact out. Works without CuPy, a driver or a device: a fact then says what is missing.
`compile_all` fills the cache before the first batch, also where there is no device, such as at the head of a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmip_gpu.device.layouts.structs import KERNEL_MODULES
from mmip_gpu.device.run.binaries import binary_of, cache_folder, compiler_of, is_whole
from mmip_gpu.device.run.cuda import open_cupy, our_errors
from mmip_gpu.errors import BackendUnavailable, MmipError

__all__ = ["compile_all", "device_facts"]


def device_facts() -> dict[str, str]:
    """Facts of the GPU path by their names.

    Examples
    --------
    >>> sorted(device_facts())
    ['CuPy', 'NVRTC', 'device', 'driver', 'kernels']
    """
    facts = {"device": _told(_device), "driver": _told(_driver), "CuPy": _told(lambda: str(_cupy().__version__))}
    kept = [path for path in cache_folder().glob("mmip_*") if path.suffix in (".cubin", ".ptx") and is_whole(path)]
    return facts | {"NVRTC": _told(_nvrtc), "kernels": f"{len(kept)} binaries in {cache_folder()}"}


def compile_all(architecture: str | None = None) -> list[str]:
    """Compile all kernels for an architecture such as "90", by default the current device's; returns the files.

    Raises
    ------
    BackendUnavailable
        Without CuPy or its compiler; without a device where no architecture is given.
    """
    cupy = _cupy() if architecture else open_cupy()
    with our_errors(cupy):
        wanted = architecture or cupy.cuda.Device(cupy.cuda.runtime.getDevice()).compute_capability
        return [str(binary_of(cupy.cuda.nvrtc, wanted, module)) for module in dict.fromkeys(KERNEL_MODULES.values())]


def _told(fact: Callable[[], str]) -> str:
    """The fact, or in one line why there is none."""
    try:
        return fact()
    except MmipError as error:
        return " ".join(str(error).split())


def _cupy() -> Any:
    """CuPy, with a device or without one."""
    try:
        import cupy
    except Exception as error:  # also of a CuPy whose libraries do not load
        raise BackendUnavailable(f"no CuPy ({error}): pip install 'mmip-gpu[gpu]'") from None
    return cupy


def _device() -> str:
    cupy = open_cupy()
    with our_errors(cupy):
        number = cupy.cuda.runtime.getDevice()
        facts = cupy.cuda.runtime.getDeviceProperties(number)
        capability = cupy.cuda.Device(number).compute_capability
    return f"{facts['name'].decode()}, sm_{capability}, {facts['totalGlobalMem'] / 2**30:.1f} GiB"


def _driver() -> str:
    cupy = _cupy()
    with our_errors(cupy):
        found, runtime = cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
    return f"{_version(found) if found else 'none'} (CUDA that it can do; CuPy is for {_version(runtime)})"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _nvrtc() -> str:
    found = compiler_of(_cupy().cuda.nvrtc)
    if isinstance(found, BackendUnavailable):
        raise found
    (major, minor), known = found
    return f"{major}.{minor}, for sm_{min(known)} to sm_{max(known)}"
