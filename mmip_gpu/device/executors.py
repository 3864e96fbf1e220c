"""Where kernels run: on a CUDA device through CuPy, or phase by phase on the CPU.

Values: arrays of the executor's memory; parameters as structured scalars whose layout is that of the kernel's Params.
Guarantees the same results on both; launches go to the caller's current stream and are not waited for.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import InvalidArgument
from .cuda import kernel_of, open_cupy, our_errors
from .parameters import layout_of

__all__ = ["CudaExecutor", "Executor", "HostExecutor"]

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


def packed(kernel: str, values: dict[str, int]) -> NDArray[np.void]:
    """Params of a kernel as an array of one struct: the form in which CuPy passes structs by value."""
    layout = layout_of(kernel)
    if set(values) != set(layout.names or ()):
        raise InvalidArgument(f"{kernel}: expected {layout.names}, found {tuple(values)}")
    params: NDArray[np.void] = np.zeros(1, layout)
    for name, value in values.items():
        params[name] = value
    return params


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
        Without CuPy, a CUDA driver or a device; from every method where CUDA fails.
    DeviceMemoryExceeded
        From every method, where the memory of the device runs out.
    """

    def __init__(self) -> None:
        self._cupy = open_cupy()

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """Array that is not initialized."""
        with our_errors(self._cupy):
            return self._cupy.empty(shape, dtype)

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """Array of zeros."""
        with our_errors(self._cupy):
            return self._cupy.zeros(shape, dtype)

    def upload(self, array: NDArray[Any]) -> Array:
        """Copy of a host array on the device; of an array of structs, its bytes."""
        given = np.ascontiguousarray(array)
        with our_errors(self._cupy):
            return self._cupy.asarray(given.view(np.uint8) if given.dtype.names else given)

    def download(self, array: Array) -> NDArray[Any]:
        """Copy of a device array on the host; waits for what was launched before."""
        with our_errors(self._cupy):
            found: NDArray[Any] = self._cupy.asnumpy(array)
        return found

    def contiguous(self, array: Array) -> Array:
        """The array C-ordered."""
        with our_errors(self._cupy):
            return self._cupy.ascontiguousarray(array)

    def adopt(self, data: Any) -> Array:
        """The bytes as an array of CuPy, not copied."""
        here, there = self._cupy.cuda.runtime.getDevice(), self._device_of(data)
        if here != there:  # CuPy would copy from one to the other
            raise InvalidArgument(f"expected data of device {here}, the current one, found device {there}")
        has_interface = hasattr(data, "__cuda_array_interface__")
        return _checked_bytes(self._cupy.asarray(data) if has_interface else self._cupy.from_dlpack(data))

    def _device_of(self, data: Any) -> int:
        """Number of the device that holds the data."""
        if hasattr(data, "__dlpack_device__"):
            return int(data.__dlpack_device__()[1])
        runtime, pointer = self._cupy.cuda.runtime, data.__cuda_array_interface__["data"][0]
        return int(runtime.pointerGetAttributes(pointer).device if pointer else runtime.getDevice())

    def address(self, array: Array) -> int:
        """Where its first item stands on the device."""
        return int(array.data.ptr)

    def launch(self, kernel: str, **values: int) -> None:
        """Put a kernel on the current stream."""
        from . import _phases

        groups = values["groups"]
        if groups:
            with our_errors(self._cupy, kernel):
                entry = kernel_of(self._cupy, kernel)
                entry((min(groups, _MOST_BLOCKS),), (_phases.lanes(kernel),), (packed(kernel, values),))


def _checked_bytes(array: Array) -> Array:
    """The array, which holds bytes in a row."""
    if array.dtype != np.uint8 or array.ndim != 1 or not array.flags.c_contiguous:
        raise InvalidArgument(f"expected bytes (uint8, one axis), found {array.dtype} of shape {array.shape}")
    return array
