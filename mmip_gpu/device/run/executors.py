"""Where kernels run, as pipelines see it; and the CPU, which runs them phase by phase.

Values: arrays of the executor's memory; parameters as structured scalars whose layout is that of the kernel's Params.
Guarantees the results that a device gives (device/run/cuda_executor.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, MutableSequence, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmip_gpu.device.layouts.structs import params_dtype
from mmip_gpu.errors import InvalidArgument

__all__ = ["DeviceArray", "Executor", "HostExecutor", "packed"]

_HOST_ROOM = 2**30

DeviceArray = Any  # in the executor's memory: a cupy.ndarray, or a numpy.ndarray of a HostExecutor


class Executor(Protocol):
    """Memory and launches of one place."""

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Array that is not initialized."""
        ...

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Array of zeros."""
        ...

    def upload(self, array: NDArray[Any]) -> DeviceArray:
        """Copy of a host array in the executor's memory."""
        ...

    def download(self, array: DeviceArray) -> NDArray[Any]:
        """Copy of an array of the executor in host memory."""
        ...

    def download_all(self, arrays: Sequence[DeviceArray]) -> list[NDArray[Any]]:
        """Copies of several C-ordered arrays, which are waited for once."""
        ...

    def contiguous(self, array: DeviceArray) -> DeviceArray:
        """The array C-ordered: itself, or a copy in the same memory."""
        ...

    def adopt(self, data: Any) -> DeviceArray:
        """What already lies in this memory, in any library's array, as an array of this one; not copied."""
        ...

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Bytes of host memory that copies to and from this memory need not wait for."""
        ...

    def upload_pinned(self, staged: NDArray[np.uint8]) -> DeviceArray:
        """Copy of pinned bytes; they must stay as they are until `wait`."""
        ...

    def download_pinned(self, array: DeviceArray, into: NDArray[np.uint8]) -> None:
        """Copy the bytes of a C-ordered array to as many pinned ones, which have them after `wait`."""
        ...

    def wait(self) -> None:
        """Wait for all that this thread's stream was given."""
        ...

    def stream(self) -> Callable[[], AbstractContextManager[None]]:
        """A new stream. To enter it, call it: what the thread does inside goes there, and has ended when it leaves."""
        ...

    def here(self) -> Callable[[], AbstractContextManager[None]]:
        """The stream of this thread, for others to enter; to leave it is not to wait for it."""
        ...

    def shared(self) -> AbstractContextManager[None]:
        """While it is entered, the stream of this thread is one that others can enter."""
        ...

    def errors(self) -> AbstractContextManager[None]:
        """What the place's libraries raise inside becomes a kind of errors.py."""
        ...

    @property
    def kept(self) -> MutableSequence[Any]:
        """What lanes keep for later calls to this place, such as streams."""
        ...

    def room(self) -> int:
        """Bytes that are free."""
        ...

    def release(self) -> None:
        """Give back memory that is held for later arrays, after a MemoryError."""
        ...

    def address(self, array: DeviceArray) -> int:
        """Where its first item stands."""
        ...

    def launch(self, kernel: str, **values: int) -> None:
        """Run a kernel on all its groups; `values` are the fields of its Params, `groups` among them."""
        ...


def packed(kernel: str, values: dict[str, int]) -> NDArray[np.void]:
    """Params of a kernel as an array of one struct: the form in which CuPy passes structs by value."""
    layout = params_dtype(kernel)
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

    def download_all(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Copies of arrays."""
        return [self.download(array) for array in arrays]

    def contiguous(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array C-ordered."""
        return np.ascontiguousarray(array)

    def adopt(self, data: Any) -> NDArray[Any]:
        """The array that it is."""
        return np.asarray(data)

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Bytes."""
        return np.empty(size, np.uint8)

    def upload_pinned(self, staged: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Copy of bytes."""
        return staged.copy()

    def download_pinned(self, array: NDArray[Any], into: NDArray[np.uint8]) -> None:
        """Copy the bytes of an array."""
        into[:] = array.reshape(-1).view(np.uint8)

    def wait(self) -> None:
        """Nothing is under way."""

    def stream(self) -> Callable[[], AbstractContextManager[None]]:
        """The one order that there is."""
        return nullcontext

    def here(self) -> Callable[[], AbstractContextManager[None]]:
        """The one order that there is."""
        return nullcontext

    def shared(self) -> AbstractContextManager[None]:
        """The one order that there is."""
        return nullcontext()

    def errors(self) -> AbstractContextManager[None]:
        """NumPy's are as they are."""
        return nullcontext()

    @cached_property
    def kept(self) -> MutableSequence[Any]:
        """Its own."""
        return deque()

    def room(self) -> int:
        """As much as tests need."""
        return _HOST_ROOM

    def release(self) -> None:
        """Nothing is held."""

    def address(self, array: NDArray[Any]) -> int:
        """Where its first item stands."""
        return int(array.ctypes.data)

    def launch(self, kernel: str, **values: int) -> None:
        """Run all phases of all groups."""
        from mmip_gpu.device import _phases

        _phases.run(kernel, packed(kernel, values).tobytes(), self._descending)
