"""Stage arrays on a device: columns are coded where they lie, to the bytes and from the bytes of the host."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from helpers import standin_cupy
from helpers.stage_stores import KINDS, Counting, arrays, bare, chunks_of
from helpers.standin_buffers import CONFIG, DeviceBuffer, StandInExecutor, held
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages
from mmip_gpu.stage_arrays.device_encoding import encode_stages
from numcodecs_plugin import StageCodec

NEEDS_PARTS = pytest.mark.skipif(
    not issubclass(StageCodec, ArrayBytesCodecPartialDecodeMixin), reason="this zarr reads no parts of chunks rightly"
)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_go_through_a_device_and_back(kind: str) -> None:
    store, expected = arrays(kind)
    for name, whole in expected.items():
        with zarr.config.set(CONFIG):
            original = zarr.open_array(store, path=name, mode="r+")
            assert np.array_equal(bare(original[...]), whole)
            copy = zarr.create_array(
                MemoryStore(), name=name, shape=whole.shape, chunks=original.chunks, dtype="int32",
                fill_value=original.fill_value, serializer=original.serializer, compressors=None, filters=None,
            )  # fmt: skip
            copy[...] = held(whole)
        assert chunks_of(copy.store_path.store, name) == chunks_of(store, name)


@pytest.mark.parametrize("kind", ["deep", "flat palettes", "padding", "corrections", "DC image", "merged volume"])
def test_lanes_in_any_order_give_the_same(kind: str) -> None:
    store, expected = arrays(kind)
    for name, whole in expected.items():
        array = zarr.open_array(store, path=name, mode="r+")
        region = tuple(slice(0, n) for n in array.chunks)
        chunk, codec = whole[region], array.serializer
        data = codec.encode_array(chunk)
        for descending in (False, True):
            executor = HostExecutor(descending)
            assert encode_stages(codec, [chunk], executor) == [data]
            part = StageRegion(np.frombuffer(data, np.uint8), chunk.shape, tuple(slice(0, n) for n in chunk.shape))
            (found,) = decode_stages(codec, [part], executor)
            assert np.array_equal(found, chunk)


@NEEDS_PARTS
@pytest.mark.parametrize("kind", ["flat", "padding", "corrections", "colour"])
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_parts_equal_what_is_selected_from_all(kind: str, data: st.DataObject) -> None:
    store, expected = arrays(kind)
    with zarr.config.set(CONFIG):
        for name, whole in expected.items():
            edges = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in whole.shape]
            selection = tuple(slice(low, high, data.draw(st.integers(1, 3))) for low, high in edges)
            assert np.array_equal(zarr.open_array(store, path=name, mode="r+")[selection], whole[selection])


def test_only_heads_and_payloads_come_to_the_host() -> None:
    rng = np.random.default_rng(0)
    columns = np.zeros((1, 8, 16, 16, 512), np.int32)
    columns[..., 1:40] = rng.integers(-3, 4, (*columns.shape[:4], 39))
    codec = StageCodec(2, 8, (1, 2, 2), (0, 511))
    with zarr.config.set(CONFIG):
        array = zarr.create_array(
            MemoryStore(), shape=columns.shape, chunks=(1, 4, 16, 16, 512), dtype="int32", fill_value=-1,
            serializer=codec, compressors=None, filters=None,
        )  # fmt: skip
        array[...] = held(columns)
        payloads = sum(len(data) for data in chunks_of(array.store_path.store, "").values())
        assert StandInExecutor.downloaded < columns.nbytes / 10 + 2 * payloads
        StandInExecutor.downloaded = 0
        assert np.array_equal(bare(array[...]), columns)
    assert StandInExecutor.downloaded < 20000


@NEEDS_PARTS
def test_parts_for_a_device_are_read_by_ranges() -> None:
    store = Counting()
    volume = np.random.default_rng(0).normal(1000, 90, (32, 128, 128)).astype(np.uint16)
    mmip.write_zarr(volume, store, quality=60, effort=1, verify=False, cell_depth=8, chunks=volume.shape, threads=1)
    whole = zarr.open_array(store, path="stage_3", mode="r+")[...]
    size = len(store._store_dict["stage_3/c/0/0/0/0/0"])
    with zarr.config.set(CONFIG):
        array = zarr.open_array(store, path="stage_3", mode="r+")
        for selection, share in ((np.s_[0, 0, 2, 3], 0.3), (np.s_[:, :2, :4], 0.4), (np.s_[...], 1)):
            store.taken()
            StandInExecutor.downloaded = 0
            assert np.array_equal(bare(array[selection]), whole[selection])
            assert store.taken()[0] <= share * size
            assert StandInExecutor.downloaded < 10000
    data = bytearray(store._store_dict["stage_3/c/0/0/0/0/0"].to_bytes())
    data[-2] ^= 1
    store._store_dict["stage_3/c/0/0/0/0/0"] = DeviceBuffer.from_bytes(bytes(data))
    with zarr.config.set(CONFIG):
        assert np.array_equal(array[0, 0, 2, 3], whole[0, 0, 2, 3])
        with pytest.raises(mmip.CorruptData, match="stage_3/c/0/0/0/0/0: stage 3"):
            array[0, -1, -1, -1]


def test_shards_and_absent_chunks() -> None:
    whole = arrays("deep")[1]["stage_2"]
    codec = zarr.open_array(arrays("deep")[0], path="stage_2", mode="r+").serializer
    with zarr.config.set(CONFIG):
        sharded = zarr.create_array(
            Counting(), shape=whole.shape, shards=(1, 6, 8, 20, whole.shape[-1]), chunks=(1, 2, 4, 4, whole.shape[-1]),
            dtype="int32", fill_value=-1, serializer=codec, compressors=None,
        )  # fmt: skip
        sharded[:, :2] = held(whole[:, :2])
        assert np.array_equal(sharded[:, :2], whole[:, :2])
        assert (sharded[:, 2:] == -1).all()
        assert np.array_equal(sharded[0, 1, 2:5, 3], whole[0, 1, 2:5, 3])


def test_batches_as_large_as_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = arrays("flat")
    array = zarr.open_array(store, path="stage_3", mode="r+")
    blobs = list(chunks_of(store, "stage_3").values())
    columns = [array.serializer.decode_bytes(data, array.chunks) for data in blobs]
    monkeypatch.setattr(StandInExecutor, "room", lambda self: 1000)
    assert encode_stages(array.serializer, [held(c) for c in columns]) == blobs
    region = tuple(slice(0, n) for n in array.chunks)
    parts = [StageRegion(held(np.frombuffer(data, np.uint8)), array.chunks, region) for data in blobs]
    assert all(np.array_equal(a, b) for a, b in zip(decode_stages(array.serializer, parts), columns, strict=True))


@pytest.mark.parametrize("kind", ["deep", "padding", "DC image", "corrections"])
def test_what_is_asked_of_cupy(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cupy = standin_cupy.Cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    store, expected = arrays(kind)
    for name in expected:
        array = zarr.open_array(store, path=name, mode="r+")
        blobs = list(chunks_of(store, name).values())
        region = tuple(slice(0, n) for n in array.chunks)
        parts = [StageRegion(cupy.asarray(np.frombuffer(data, np.uint8)), array.chunks, region) for data in blobs]
        found = decode_stages(array.serializer, parts, CudaExecutor())
        assert all(isinstance(columns, standin_cupy.DeviceArray) for columns in found)
        assert encode_stages(array.serializer, found, CudaExecutor()) == blobs
    assert {"write_columns", "read_columns"} & {name for name, *_ in cupy.launched}


def test_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = pytest.importorskip("cupy")
    if not cupy.is_available():
        pytest.skip("no GPU")
    monkeypatch.undo()
    for kind in ("deep", "padding", "DC image", "corrections"):
        store, expected = arrays(kind)
        for name, whole in expected.items():
            with zarr.config.enable_gpu(), zarr.config.set({"codec_pipeline.batch_size": 8}):
                original = zarr.open_array(store, path=name, mode="r+")
                assert np.array_equal(cupy.asnumpy(original[...]), whole)
                copy = zarr.create_array(
                    MemoryStore(), name=name, shape=whole.shape, chunks=original.chunks, dtype="int32",
                    fill_value=original.fill_value, serializer=original.serializer, compressors=None, filters=None,
                )  # fmt: skip
                copy[...] = cupy.asarray(whole)
            assert chunks_of(copy.store_path.store, name) == chunks_of(store, name)
