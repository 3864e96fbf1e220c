"""Zarr arrays on a device: chunks are coded there in batches, never on the way through the host.

A stand-in prototype: its arrays lie in host memory, say that they are a device's, and refuse to become NumPy arrays.
Kernels run phase by phase on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import zarr
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import BufferPrototype, cpu
from zarr.registry import register_buffer, register_codec, register_ndbuffer
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.device import HostExecutor, containers
from mmip_gpu.errors import CorruptData, InvalidArgument
from numcodecs_plugin import Mmip, StageCodec, v3

OPTIONS: dict[str, Any] = {"quality": 40, "effort": 1, "verify": False}


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
        raise AssertionError("copied to the host")


register_buffer(DeviceBuffer, qualname="stand_in.Buffer")
register_ndbuffer(DeviceNDBuffer, qualname="stand_in.NDBuffer")
register_codec("mmip", Mmip)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """What went to the device: names of functions and numbers of chunks."""
    calls: list[tuple[str, int]] = []

    def encode_batch(arrays: Any, **options: Any) -> list[bytes]:
        assert all(isinstance(array, OnDevice) for array in arrays)
        calls.append(("encode", len(arrays)))
        return mmip.encode_batch([array.view(np.ndarray) for array in arrays], **options)

    def decode_batch(blobs: Any, **options: Any) -> Any:
        calls.append(("decode", len(blobs)))
        return [array.view(OnDevice) for array in mmip.decode_batch(blobs, **options)]

    monkeypatch.setattr(containers, "CudaExecutor", HostExecutor)
    monkeypatch.setattr(v3, "mmip", type("Recorded", (), {"encode_batch": encode_batch, "decode_batch": decode_batch}))
    with zarr.config.set(
        {"buffer": "stand_in.Buffer", "ndbuffer": "stand_in.NDBuffer", "codec_pipeline.batch_size": 100}
    ):
        yield calls


def textured(shape: tuple[int, ...]) -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).normal(0, 9, shape), -1).astype(np.int16)


def made(data: Any, chunks: tuple[int, ...]) -> zarr.Array:
    array = zarr.create_array(
        MemoryStore(), shape=data.shape, chunks=chunks, dtype=data.dtype, serializer=Mmip(**OPTIONS), compressors=None
    )
    array[...] = data
    return array


def test_batches_are_coded_on_the_device(batches: list[tuple[str, int]]) -> None:
    data = textured((20, 40))
    array = made(held(data), (8, 16))
    assert ("encode", 9) in batches
    batches.clear()
    found = array[...]
    assert isinstance(found, OnDevice)
    parts = [("decode", 4), ("decode", 2), ("decode", 2), ("decode", 1)]  # by the part of a chunk that is needed
    assert batches == (parts if issubclass(Mmip, ArrayBytesCodecPartialDecodeMixin) else [("decode", 9)])
    on_host = zarr.config.set({"buffer": "zarr.buffer.cpu.Buffer", "ndbuffer": "zarr.buffer.cpu.NDBuffer"})
    with on_host:
        assert np.array_equal(made(data, (8, 16))[...], found)
        assert np.array_equal(array[...], found)


def test_parts_absent_chunks_and_lines(batches: list[tuple[str, int]]) -> None:
    data = textured((20, 40))
    data[8:16, 16:32] = 0
    array = made(held(data), (8, 16))
    assert array.nchunks_initialized == 8
    whole = array[...].view(np.ndarray)
    batches.clear()
    assert np.array_equal(array[3:12, 5:30:7], whole[3:12, 5:30:7])
    assert sum(count for _, count in batches) == 3
    assert np.array_equal(array.oindex[[1, 9], [3, 20, 39]], whole[[1, 9]][:, [3, 20, 39]])
    line = textured((5,))
    assert np.abs(made(held(line), (5,))[...].astype(int) - line).max() < 20


def test_single_chunks_of_fused_pipelines(batches: list[tuple[str, int]]) -> None:
    if not hasattr(zarr.core.codec_pipeline, "FusedCodecPipeline"):
        pytest.skip("this zarr has no fused pipeline")
    data = textured((16, 32))
    with zarr.config.set({"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline"}):
        array = made(held(data), (8, 16))
        assert np.abs(array[...].astype(int) - data).max() < 20
        assert np.array_equal(array[9, 3:20], array[...][9, 3:20])
    assert {count for _, count in batches} == {1}


def test_stage_arrays_are_coded_by_the_host_and_come_back_to_the_device(
    batches: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeviceNDBuffer, "as_numpy_array", cpu.NDBuffer.as_numpy_array)
    codec = StageCodec(stage=2, cell_depth=1, tile_log2=(0, 2, 2), cuts=(0, 9, 63))
    data = np.zeros((1, 1, 6, 5, 10), np.int32)
    data[..., 3] = np.arange(30).reshape(6, 5)
    array = zarr.create_array(
        MemoryStore(), shape=data.shape, chunks=(1, 1, 4, 4, 10), dtype="int32", fill_value=-1, serializer=codec,
        compressors=None,
    )  # fmt: skip
    array[...] = held(data)
    found = array[...]
    assert isinstance(found, OnDevice)
    assert np.array_equal(found, data)


def test_errors_of_chunks_on_a_device(batches: list[tuple[str, int]]) -> None:
    data = textured((16, 16))
    array = made(held(data), (16, 16))
    store = array.store_path.store._store_dict
    store["c/0/0"] = DeviceBuffer.from_bytes(mmip.encode(data.astype(np.uint8), quality=5))
    with pytest.raises(CorruptData, match=r"expected a chunk \(16, 16\) of int16, found \(16, 16\) of uint8"):
        array[...]
    store["c/0/0"] = DeviceBuffer.from_bytes(b"MMIP")
    with pytest.raises(CorruptData):
        array[2:4]
    prototype = BufferPrototype(DeviceBuffer, DeviceNDBuffer)
    spec = ArraySpec((16, 16), array.metadata.dtype, 0, ArrayConfig.from_dict({}), prototype)
    with pytest.raises(InvalidArgument, match="expected a chunk"):
        Mmip(**OPTIONS)._encode_sync(DeviceNDBuffer(held(data[:8])), spec)


def test_a_gpu_where_there_is_one() -> None:
    cupy = pytest.importorskip("cupy")
    if not cupy.is_available():
        pytest.skip("no GPU")
    data = textured((40, 64, 64))
    with zarr.config.enable_gpu(), zarr.config.set({"codec_pipeline.batch_size": 8}):
        array = made(cupy.asarray(data), (16, 32, 32))
        found = array[...]
        part = array[5:9, 10:50, 33]
        assert isinstance(found, cupy.ndarray)
    with zarr.config.set({"buffer": "zarr.buffer.cpu.Buffer", "ndbuffer": "zarr.buffer.cpu.NDBuffer"}):
        on_host = made(data, (16, 32, 32))[...]
    assert np.array_equal(cupy.asnumpy(found), on_host)
    assert np.array_equal(cupy.asnumpy(part), on_host[5:9, 10:50, 33])
