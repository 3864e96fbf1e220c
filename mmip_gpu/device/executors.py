"""Where kernels run: on a CUDA device through CuPy, or phase by phase on the CPU.

Values: arrays of the executor's memory; parameters as structured scalars whose layout is that of the kernel's Params.
Guarantees the same results on both; launches go to the caller's current stream and are not waited for.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import BackendUnavailable, InvalidArgument
from .parameters import layout_of

__all__ = ["COMPILE_OPTIONS", "SOURCE", "CudaExecutor", "Executor", "HostExecutor"]

SOURCE = Path(__file__).with_name("kernels.cu")
# No fused multiply-add: FORMAT.md section 0.
COMPILE_OPTIONS = ("--std=c++17", "--fmad=false", f"-I{SOURCE.parent}")
_MOST_BLOCKS = 2**31 - 1

Array = Any  # numpy.ndarray or cupy.ndarray


class Executor(Protocol):
    """Memory and launches of one place."""

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """Array that is not initialized."""
        ...

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """Array of zeros."""
        ...

    def upload(self, array: NDArray[Any]) -> Array:
        """Copy of a host array in the executor's memory."""
        ...

    def download(self, array: Array) -> NDArray[Any]:
        """Copy of an array of the executor in host memory."""
        ...

    def contiguous(self, array: Array) -> Array:
        """The array C-ordered: itself, or a copy in the same memory."""
        ...

    def adopt(self, data: Any) -> Array:
        """Bytes that already lie in this memory, as an array."""
        ...

    def address(self, array: Array) -> int:
        """Where its first item stands."""
        ...

    def launch(self, kernel: str, **values: int) -> None:
        """Run a kernel on all its groups; `values` are the fields of its Params, `groups` among them."""
        ...


def packed(kernel: str, values: dict[str, int]) -> np.void:
    """Params of a kernel as one structured scalar."""
    layout = layout_of(kernel)
    if set(values) != set(layout.names or ()):
        raise InvalidArgument(f"{kernel}: expected {layout.names}, found {tuple(values)}")
    scalar: np.void = np.zeros(1, layout)[0]
    for name, value in values.items():
        scalar[name] = value
    return scalar


class HostExecutor:
    """Runs kernels on the CPU, lane after lane; `descending` turns the order of lanes and groups round.

    Examples
    --------
    >>> HostExecutor().zeros(3, "int32").tolist()
    [0, 0, 0]
    """

    def __init__(self, descending: bool = False) -> None:
        self._descending = descending

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Array of bytes that no kernel should rely on."""
        array = np.empty(shape, dtype)
        array.view(np.uint8).fill(0xCD)
        return array

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Array of zeros."""
        return np.zeros(shape, dtype)

    def upload(self, array: NDArray[Any]) -> NDArray[Any]:
        """Copy of a host array."""
        return np.array(array, order="C")

    def download(self, array: NDArray[Any]) -> NDArray[Any]:
        """Copy of an array."""
        return np.array(array, order="C")

    def contiguous(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array C-ordered."""
        return np.ascontiguousarray(array)

    def adopt(self, data: Any) -> NDArray[Any]:
        """The array that it is."""
        found: NDArray[Any] = _checked_bytes(data)
        return found

    def address(self, array: NDArray[Any]) -> int:
        """Where its first item stands."""
        return int(array.ctypes.data)

    def launch(self, kernel: str, **values: int) -> None:
        """Run all phases of all groups."""
        from . import _phases

        _phases.run(kernel, packed(kernel, values).tobytes(), self._descending)


class CudaExecutor:
    """Runs kernels on the current CUDA device, on CuPy's current stream, in memory of CuPy's pool.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a CUDA driver or a device.
    """

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise BackendUnavailable(f"no CuPy ({error}): pip install 'mmip-gpu[gpu]', or use device='cpu'") from None
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise BackendUnavailable(f"no CUDA device ({error}); use device='cpu'") from None
        if count == 0:
            raise BackendUnavailable("no CUDA device; use device='cpu'")
        self._cupy = cupy

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """Array that is not initialized."""
        return self._cupy.empty(shape, dtype)

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """Array of zeros."""
        return self._cupy.zeros(shape, dtype)

    def upload(self, array: NDArray[Any]) -> Array:
        """Copy of a host array on the device; of an array of structs, its bytes."""
        given = np.ascontiguousarray(array)
        return self._cupy.asarray(given.view(np.uint8) if given.dtype.names else given)

    def download(self, array: Array) -> NDArray[Any]:
        """Copy of a device array on the host; waits for what was launched before."""
        found: NDArray[Any] = self._cupy.asnumpy(array)
        return found

    def contiguous(self, array: Array) -> Array:
        """The array C-ordered."""
        return self._cupy.ascontiguousarray(array)

    def adopt(self, data: Any) -> Array:
        """The bytes as an array of CuPy, not copied."""
        has_interface = hasattr(data, "__cuda_array_interface__")
        array = self._cupy.asarray(data) if has_interface else self._cupy.from_dlpack(data)
        here, there = self._cupy.cuda.runtime.getDevice(), array.device.id
        if here != there:
            raise InvalidArgument(f"expected data of device {here}, the current one, found device {there}")
        return _checked_bytes(array)

    def address(self, array: Array) -> int:
        """Where its first item stands on the device."""
        return int(array.data.ptr)

    def launch(self, kernel: str, **values: int) -> None:
        """Put a kernel on the current stream."""
        from . import _phases

        groups = values["groups"]
        if groups:
            entry = _module(self._cupy).get_function(kernel)
            entry((min(groups, _MOST_BLOCKS),), (_phases.lanes(kernel),), (packed(kernel, values),))


def _checked_bytes(array: Array) -> Array:
    """The array, which holds bytes in a row."""
    if array.dtype != np.uint8 or array.ndim != 1 or not array.flags.c_contiguous:
        raise InvalidArgument(f"expected bytes (uint8, one axis), found {array.dtype} of shape {array.shape}")
    return array


@lru_cache(maxsize=1)
def _module(cupy: Any) -> Any:
    """The compiled kernels; CuPy keeps the binary on disk."""
    return cupy.RawModule(code=SOURCE.read_text(), options=COMPILE_OPTIONS)
