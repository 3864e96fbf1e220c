"""A prototype of Zarr's buffers that stands in for those of a device, and an executor with that memory.

Arrays lie in host memory, say that they are a device's, and refuse to become NumPy arrays through Zarr. Kernels run
phase by phase on the CPU.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from zarr.core.buffer import cpu
from zarr.registry import register_buffer, register_ndbuffer

from mmip_gpu.device.run.executors import HostExecutor

CONFIG = {"buffer": "stand_in.Buffer", "ndbuffer": "stand_in.NDBuffer", "codec_pipeline.batch_size": 100}


class OnDevice(np.ndarray):
    """Stands for an array of CuPy."""

    __cuda_array_interface__: ClassVar[dict[str, Any]] = {}


def held(array: Any) -> OnDevice:
    return np.array(array).view(OnDevice)


class DeviceBuffer(cpu.Buffer):
    """Stands for `zarr.buffer.gpu.Buffer`: what goes to a store passes through `to_bytes` alone."""

    def __init__(self, array_like: Any) -> None:
        super().__init__(array_like if isinstance(array_like, OnDevice) else held(array_like))

    @classmethod
    def create_zero_length(cls) -> DeviceBuffer:
        return cls(held(np.array([], "B")))

    @classmethod
    def from_bytes(cls, bytes_like: Any) -> DeviceBuffer:
        return cls(held(np.frombuffer(bytes_like, "B")))

    @classmethod
    def from_buffer(cls, buffer: Any) -> DeviceBuffer:
        return cls(buffer.as_array_like())


class DeviceNDBuffer(cpu.NDBuffer):
    """Stands for `zarr.buffer.gpu.NDBuffer`."""

    @classmethod
    def create(cls, *, shape: Any, dtype: Any, order: Any = "C", fill_value: Any = None) -> DeviceNDBuffer:
        return cls(held(np.full(tuple(shape), fill_value or 0, dtype, order)))

    @classmethod
    def empty(cls, shape: Any, dtype: Any, order: Any = "C") -> DeviceNDBuffer:
        return cls.create(shape=shape, dtype=dtype, order=order)

    @classmethod
    def from_numpy_array(cls, array_like: Any) -> DeviceNDBuffer:
        return cls(held(array_like))

    def as_numpy_array(self) -> Any:
        assert self.dtype == np.uint64, "copied to the host"  # Zarr does so with the index of a shard
        return self.as_ndarray_like().view(np.ndarray)


register_buffer(DeviceBuffer, qualname="stand_in.Buffer")
register_ndbuffer(DeviceNDBuffer, qualname="stand_in.NDBuffer")


class StandInExecutor(HostExecutor):
    """Arrays of a device alone go in and come out; what is copied to the host is counted."""

    downloaded = 0

    def empty(self, shape: Any, dtype: Any) -> Any:
        return super().empty(shape, dtype).view(OnDevice)

    def zeros(self, shape: Any, dtype: Any) -> Any:
        return super().zeros(shape, dtype).view(OnDevice)

    def upload(self, array: Any) -> Any:
        assert not isinstance(array, OnDevice)
        return super().upload(array).view(OnDevice)

    def download(self, array: Any) -> Any:
        type(self).downloaded += array.nbytes
        return np.array(array, order="C")

    def contiguous(self, array: Any) -> Any:
        return super().contiguous(array).view(OnDevice)

    def adopt(self, data: Any) -> Any:
        assert isinstance(data, OnDevice)
        return data
