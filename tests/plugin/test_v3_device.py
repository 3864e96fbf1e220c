"""Zarr arrays on a device: chunks are coded there in batches, never on the way through the host.

The device is that of standin_buffers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.standin_buffers import CONFIG, DeviceBuffer, DeviceNDBuffer, OnDevice, held
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import BufferPrototype
from zarr.registry import register_codec
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.device.decode import containers
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import CorruptData, InvalidArgument
from numcodecs_plugin import Mmip, v3

OPTIONS: dict[str, Any] = {"quality": 40, "effort": 1, "verify": False}


register_codec("mmip", Mmip)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """What went to the device: names of functions and numbers of chunks."""
    calls: list[tuple[str, int]] = []

    def encode_batch(arrays: Any, settings: mmip.EncodeSettings) -> list[bytes]:
        assert all(isinstance(array, OnDevice) for array in arrays)
        calls.append(("encode", len(arrays)))
        return mmip.encode_batch_configured([array.view(np.ndarray) for array in arrays], settings)

    def decode_batch(blobs: Any, **options: Any) -> Any:
        calls.append(("decode", len(blobs)))
        return [array.view(OnDevice) for array in mmip.decode_batch(blobs, **options)]

    monkeypatch.setattr(containers, "CudaExecutor", HostExecutor)
    recorded = {"encode_batch_configured": encode_batch, "decode_batch": decode_batch}
    monkeypatch.setattr(v3, "mmip", type("Recorded", (), recorded))
    with zarr.config.set(CONFIG):
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


def test_a_damaged_chunk_of_a_batch_is_named(batches: list[tuple[str, int]]) -> None:
    data = textured((20, 40))
    array = made(held(data), (8, 16))
    store = array.store_path.store._store_dict
    broken = bytearray(store["c/1/0"].to_bytes())
    broken[-3] ^= 1
    store["c/1/0"] = DeviceBuffer.from_bytes(bytes(broken))
    is_named = issubclass(
        Mmip, ArrayBytesCodecPartialDecodeMixin
    )  # before, Zarr does not say which chunks it hands over
    with pytest.raises(CorruptData, match="/c/1/0: stage" if is_named else "chunk [0-9] of 9: stage"):
        array[...]
    assert np.abs(array[:8].astype(int) - data[:8]).max() < 20


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
