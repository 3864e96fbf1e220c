"""Kernels on a CUDA device, through CuPy.

Values: arrays of CuPy; parameters as structured scalars whose layout is that of the kernel's Params. Home: the current
device and its memory pool. Guarantees that launches go to the caller's current stream and are not waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmip_gpu.device.layouts.structs import KERNEL_LANES
from mmip_gpu.device.run.cuda import open_cupy, our_errors
from mmip_gpu.device.run.device_memory import free_bytes, give_back
from mmip_gpu.device.run.executors import DeviceArray, packed
from mmip_gpu.device.run.modules import kernel_of
from mmip_gpu.errors import InvalidArgument, MmipError

__all__ = ["CudaExecutor"]

_MOST_BLOCKS = 2**31 - 1
_ALIGNMENT = 16  # of arrays that are downloaded together
_STAGED_BYTES = 2**28  # of page-locked memory at once: CuPy's pool of it rounds up, and gives nothing back
_KEPT_LANES = 8
_PER_THREAD_STREAM = 2  # the handle by which each thread means a stream of its own

Entered = Callable[[], AbstractContextManager[None]]


@dataclass
class _Kept:
    """What calls leave for later ones on a device: CuPy's pool keeps memory by the stream that it was taken for."""

    lanes: deque[Any] = field(default_factory=lambda: deque(maxlen=_KEPT_LANES))
    streams: deque[Entered] = field(default_factory=lambda: deque(maxlen=_KEPT_LANES))


@cache
def _kept_on(cupy: Any, device: int) -> _Kept:
    return _Kept()


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

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Array that is not initialized."""
        with our_errors(self._cupy):
            return self._cupy.empty(shape, dtype)

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Array of zeros."""
        with our_errors(self._cupy):
            return self._cupy.zeros(shape, dtype)

    def upload(self, array: NDArray[Any]) -> DeviceArray:
        """Copy of a host array on the device; of an array of structs, its bytes."""
        given = np.ascontiguousarray(array)
        with our_errors(self._cupy):
            return self._cupy.asarray(given.view(np.uint8) if given.dtype.names else given)

    def download(self, array: DeviceArray) -> NDArray[Any]:
        """Copy of a device array on the host; waits for what was launched before."""
        with our_errors(self._cupy):
            found: NDArray[Any] = self._cupy.asnumpy(array)
        return found

    def download_all(self, arrays: Sequence[DeviceArray]) -> list[NDArray[Any]]:
        """Copies of device arrays in one piece of pinned memory."""
        if not arrays:
            return []
        ends = np.cumsum([-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays])
        if ends[-1] > _STAGED_BYTES:
            return [self.download(array) for array in arrays]
        staged = self.pinned(max(int(ends[-1]), 1))
        found = []
        for array, first in zip(arrays, [0, *ends[:-1].tolist()], strict=True):
            part = staged[first : first + array.nbytes]
            if array.nbytes:
                self.download_pinned(array, part)
            found.append(part.view(array.dtype).reshape(array.shape))
        self.wait()
        return found

    def contiguous(self, array: DeviceArray) -> DeviceArray:
        """The array C-ordered."""
        with our_errors(self._cupy):
            return self._cupy.ascontiguousarray(array)

    def adopt(self, data: Any) -> DeviceArray:
        """The data as an array of CuPy, not copied; the current stream waits for what its library does to it.

        By DLPack where the data has it: PyTorch's other interface names no stream to wait for. Of an interface that
        names none the whole device is waited for.

        Raises
        ------
        InvalidArgument
            For what CuPy has no dtype for, and for data of another device than the current one.
        """
        with self.errors():
            here, there = self._cupy.cuda.runtime.getDevice(), self._device_of(data)
        if here != there:  # CuPy would copy from one to the other
            raise InvalidArgument(
                f"expected data of device {here}, the current one, found device {there}: copy it there, or call in "
                f"`with cupy.cuda.Device({there}):`"
            )
        if isinstance(data, self._cupy.ndarray):
            return data
        try:
            with self.errors():
                return self._shared_array(data)
        except (TypeError, ValueError, BufferError, RuntimeError) as error:
            if isinstance(error, MmipError):
                raise
            found = f"{type(data).__name__} of {getattr(data, 'dtype', 'no dtype')}"
            raise InvalidArgument(f"expected an array that CuPy can share, found {found}: {error}") from None

    def _shared_array(self, data: Any) -> DeviceArray:
        """The data by DLPack, else by the interface of CUDA arrays."""
        has_interface = hasattr(data, "__cuda_array_interface__")
        if hasattr(data, "__dlpack__") or not has_interface:
            try:
                return self._cupy.from_dlpack(data)
            except (TypeError, ValueError, BufferError):  # a dtype or a flag that DLPack does not know
                if not has_interface:
                    raise
        if data.__cuda_array_interface__.get("stream") is None:
            self._cupy.cuda.runtime.deviceSynchronize()
        return self._cupy.asarray(data)

    def _device_of(self, data: Any) -> int:
        """Number of the device that holds the data."""
        if hasattr(data, "__dlpack_device__"):
            return int(data.__dlpack_device__()[1])
        runtime, pointer = self._cupy.cuda.runtime, data.__cuda_array_interface__["data"][0]
        return int(runtime.pointerGetAttributes(pointer).device if pointer else runtime.getDevice())

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Page-locked bytes out of CuPy's pool of them."""
        with our_errors(self._cupy):
            return np.frombuffer(self._cupy.cuda.alloc_pinned_memory(size), np.uint8, size)

    def upload_pinned(self, staged: NDArray[np.uint8]) -> DeviceArray:
        """Copy of pinned bytes, on the current stream."""
        array = self.empty(staged.shape, np.uint8)
        self._copy(array.data.ptr, staged.ctypes.data, staged.nbytes, self._cupy.cuda.runtime.memcpyHostToDevice)
        return array

    def download_pinned(self, array: DeviceArray, into: NDArray[np.uint8]) -> None:
        """Copy the bytes of an array to pinned ones, on the current stream."""
        self._copy(into.ctypes.data, array.data.ptr, into.nbytes, self._cupy.cuda.runtime.memcpyDeviceToHost)

    def _copy(self, to: int, source: int, size: int, kind: int) -> None:
        cuda = self._cupy.cuda
        with our_errors(self._cupy):
            cuda.runtime.memcpyAsync(to, source, size, kind, cuda.get_current_stream().ptr)

    def wait(self) -> None:
        """Wait for the current stream."""
        with our_errors(self._cupy):
            self._cupy.cuda.get_current_stream().synchronize()

    def stream(self) -> Callable[[], AbstractContextManager[None]]:
        """A stream of the current device that does not wait for the default one."""
        cuda = self._cupy.cuda
        with self.errors():
            device, stream = cuda.Device(cuda.runtime.getDevice()), cuda.Stream(non_blocking=True)

        @contextmanager
        def entered() -> Iterator[None]:
            with self.errors(), device, stream:
                try:
                    yield
                finally:
                    stream.synchronize()

        return entered

    def here(self) -> Callable[[], AbstractContextManager[None]]:
        """The device and the stream that are current in this thread."""
        cuda = self._cupy.cuda
        with self.errors():
            number, stream = cuda.runtime.getDevice(), cuda.get_current_stream()

        @contextmanager
        def entered() -> Iterator[None]:
            with self.errors(), cuda.Device(number), stream:
                yield

        return entered

    @contextmanager
    def shared(self) -> Iterator[None]:
        """The current stream; in place of a per-thread default one, which others cannot enter, one of our own.

        That begins when the thread's own has ended what it was given, and has ended when it is left.
        """
        with self.errors():
            current = self._cupy.cuda.get_current_stream()
            if current.ptr == _PER_THREAD_STREAM:
                current.synchronize()
        if current.ptr != _PER_THREAD_STREAM:
            yield
            return
        streams = self._kept.streams
        entered = streams.pop() if streams else self.stream()
        try:
            with entered():
                yield
        finally:
            streams.append(entered)

    def errors(self) -> AbstractContextManager[None]:
        """Errors of CuPy and CUDA, those of its own operations among them, become ours."""
        return our_errors(self._cupy)

    @property
    def kept(self) -> deque[Any]:
        """Lanes of the current device, for all executors of this process."""
        return self._kept.lanes

    @property
    def _kept(self) -> _Kept:
        with self.errors():
            return _kept_on(self._cupy, self._cupy.cuda.runtime.getDevice())

    def room(self) -> int:
        """Bytes that the device and CuPy's allocator have free."""
        with self.errors():
            return free_bytes(self._cupy)

    def release(self) -> None:
        """Give the free blocks of CuPy's pools back to the device and the host."""
        with self.errors():
            give_back(self._cupy)

    def address(self, array: DeviceArray) -> int:
        """Where its first item stands on the device."""
        return int(array.data.ptr)

    def launch(self, kernel: str, **values: int) -> None:
        """Put a kernel on the current stream."""
        groups = values["groups"]
        if groups:
            with our_errors(self._cupy, kernel):
                entry = kernel_of(self._cupy, kernel)
                entry((min(groups, _MOST_BLOCKS),), (KERNEL_LANES[kernel],), (packed(kernel, values),))
