"""The codec `mmip` in Zarr v3: every dtype, rank and selection, batches, threads, configuration."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.codec_options import EXACT, FULL
from helpers.zarr_arrays import create, spec_of, textured
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import ShardingCodec
from zarr.registry import register_codec
from zarr.storage import MemoryStore
from zarr.testing import strategies as zarr_strategies

import mmip_gpu as mmip
from numcodecs_plugin import Mmip, MmipV2

register_codec("mmip", Mmip)  # as its entry point does where the package is installed

# --- what comes back


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">u2", ">i2"])
def test_every_integer_comes_back(dtype: str, pipeline: str) -> None:
    data = textured((9, 20, 30), dtype)
    assert np.array_equal(create(data, (8, 16, 16), Mmip(**EXACT))[...], data)
    near = create(data, (8, 16, 16), Mmip(max_error=3, effort=1))[...]
    assert near.dtype.kind == data.dtype.kind
    assert np.abs(near.astype(int) - data).max() <= 3


def test_floats_come_back_as_multiples_of_their_step() -> None:
    data = textured((20, 30), "float32") / np.float32(3)
    array = create(data, (16, 16), Mmip(**EXACT, step=0.25))
    assert array.dtype == np.float32
    assert np.abs(array[...] - data).max() <= 0.125 + 1e-5


@pytest.mark.parametrize("shape", [(), (70,), (20, 30), (5, 20, 18), (2, 4, 12, 10), (2, 2, 3, 9, 10)])
def test_every_rank(shape: tuple[int, ...], pipeline: str) -> None:
    data = textured(shape)
    array = create(data, tuple(-(-n // 2) for n in shape), Mmip(**EXACT))
    assert np.array_equal(array[...], data)
    assert np.array_equal(array[tuple(n // 2 for n in shape)], data[tuple(n // 2 for n in shape)])


def test_axes_and_colour() -> None:
    six = textured((6, 10, 12), "uint8")
    assert np.array_equal(create(six, (3, 8, 8), Mmip(**EXACT, axes="cyx", colour=True))[...], six)
    picture = np.stack([textured((24, 40), "uint8", seed) for seed in range(3)], -1)
    array = create(picture, (16, 16, 3), Mmip(**EXACT, axes="yxc"))
    assert np.array_equal(array[...], picture)
    blob = array.store_path.store._store_dict["c/0/0/0"].to_bytes()
    assert (mmip.inspect(blob)["axes"], mmip.inspect(blob)["colour"]) == ("yxc", True)


@settings(max_examples=25)
@given(data=st.data())
def test_arrays_and_selections_of_zarrs_own_strategies(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.dtype(name) for name in ("uint8", "int16", "uint16")]))
    shapes = zarr_strategies.array_shapes.filter(all)
    array, chunks = data.draw(
        zarr_strategies.np_array_and_chunks(arrays=zarr_strategies.numpy_arrays(shapes=shapes, dtype=dtype))
    )
    shards = data.draw(st.none() | zarr_strategies.shard_shapes(shape=array.shape, chunk_shape=chunks))
    found = create(array, chunks, Mmip(**EXACT), shards=shards, fill_value=data.draw(st.integers(0, 127)))
    assert np.array_equal(found[...], array)
    basic = data.draw(zarr_strategies.basic_indices(shape=array.shape))
    assert np.array_equal(found[basic], array[basic])
    of_zarr, of_numpy = data.draw(zarr_strategies.orthogonal_indices(shape=array.shape))
    assert np.array_equal(found.oindex[of_zarr], array[of_numpy])
    changed = array.copy()
    changed[basic] = 3
    found[basic] = 3
    assert np.array_equal(found[...], changed)


def test_fill_values_edges_and_absent_chunks(pipeline: str) -> None:
    array = zarr.create_array(
        MemoryStore(), shape=(20, 30), chunks=(16, 16), dtype="int16", fill_value=-7, serializer=Mmip(**EXACT),
        compressors=None,
    )  # fmt: skip
    assert (array[...] == -7).all()
    assert array.nchunks_initialized == 0
    array[3:5, 20:] = 9
    expected = np.full((20, 30), -7, np.int16)
    expected[3:5, 20:] = 9
    assert np.array_equal(array[...], expected)
    assert array.nchunks_initialized == 1
    array[...] = -7
    assert array.nchunks_initialized == 0


@pytest.mark.parametrize("codec_of", [Mmip, MmipV2], ids=["v3", "v2"])
def test_samples_of_edge_chunks_have_the_psnr_that_was_asked_for(codec_of: Any) -> None:
    data = textured((40, 70), "uint16")
    peak = int(data.max()) - int(data.min())
    codec = codec_of(psnr=45, data_range=peak, effort=1)
    options: dict[str, Any] = {"serializer": codec} if codec_of is Mmip else {"compressors": codec, "zarr_format": 2}
    array = zarr.create_array(
        MemoryStore(), data=data, chunks=(32, 64), filters=None, **{"compressors": None} | options
    )
    for box in (np.s_[:32, :64], np.s_[32:, :64], np.s_[:32, 64:], np.s_[32:, 64:]):
        error = np.mean((array[box].astype(float) - data[box]) ** 2)
        assert 10 * math.log10(peak**2 / error) > 44.95


def test_strided_and_read_only_input_is_not_touched() -> None:
    base = textured((40, 60))
    view = base[::2, ::2].T
    view.flags.writeable = False
    before = base.copy()
    assert np.array_equal(create(view, (16, 20), Mmip(**EXACT))[...], view)
    assert np.array_equal(base, before)


def test_shards_and_a_codec_of_shards(pipeline: str) -> None:
    data = textured((40, 50))
    inside = ShardingCodec(chunk_shape=(8, 16), codecs=[Mmip(**EXACT)])
    for array in (
        create(data, (8, 16), Mmip(**EXACT), shards=(16, 32)),
        create(data, (16, 32), inside),
    ):
        assert np.array_equal(array[...], data)
        assert np.array_equal(array[13:20, 30:41], data[13:20, 30:41])
        array[1:3, 1:3] = 5
        assert (array[1:3, 1:3] == 5).all()


def test_other_codecs_around_it() -> None:
    data = textured((24, 40))
    array = zarr.create_array(
        MemoryStore(), data=data, chunks=(16, 16), filters=[zarr.codecs.TransposeCodec(order=(1, 0))],
        serializer=Mmip(**EXACT), compressors=[zarr.codecs.Crc32cCodec()],
    )  # fmt: skip
    assert np.array_equal(array[3:20, 5:17], data[3:20, 5:17])


# --- batches, threads, values


def test_batches_keep_their_order_and_what_is_absent() -> None:
    codec, spec = Mmip(**EXACT), spec_of((16, 16), "uint16")
    arrays = [textured((16, 16), seed=seed) for seed in range(3)]
    kind = spec.prototype.nd_buffer
    chunks = [None, *(kind.from_numpy_array(a) for a in arrays), None]
    blobs = list(asyncio.run(codec.encode([(chunk, spec) for chunk in chunks])))
    assert [blob is None for blob in blobs] == [True, False, False, False, True]
    expected = mmip.encode_batch(arrays, axes="yx", **EXACT)
    assert [blob.to_bytes() for blob in blobs[1:4]] == expected
    back = list(asyncio.run(codec.decode([(blob, spec) for blob in reversed(blobs)])))
    assert back[0] is back[4] is None
    assert all(np.array_equal(b.as_numpy_array(), a) for b, a in zip(back[1:4], reversed(arrays), strict=True))
    assert list(asyncio.run(codec.encode([]))) == []


def test_threads_write_and_read_one_array(pipeline: str) -> None:
    data = textured((64, 32))
    array = zarr.create_array(
        MemoryStore(), shape=data.shape, chunks=(8, 16), dtype=data.dtype, serializer=Mmip(**EXACT), compressors=None
    )
    with ThreadPoolExecutor(4) as pool:
        rows = [slice(i, i + 8) for i in range(0, 64, 8)]
        list(pool.map(lambda r: array.__setitem__(r, data[r]), rows))
        found = list(pool.map(lambda r: array[r], [slice(i, i + 5) for i in range(0, 59, 3)]))
    assert all(np.array_equal(part, data[i : i + 5]) for part, i in zip(found, range(0, 59, 3), strict=True))


@pytest.mark.parametrize("options", [{"quality": 10}, EXACT, FULL, {"quality": np.float32(3), "step": np.float64(0.5)}])
def test_a_codec_is_a_value(options: dict[str, Any]) -> None:
    codec = Mmip(**options)
    assert Mmip.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert hash(eval(repr(codec))) == hash(codec)
    assert codec != Mmip(quality=11)


def test_metadata_say_what_was_given() -> None:
    store = MemoryStore()
    create(textured((16, 16)), (16, 16), Mmip(quality=10, stages=4), store)
    entry = json.loads(store._store_dict["zarr.json"].to_bytes())["codecs"]
    assert entry == [{"name": "mmip", "configuration": {"quality": 10, "stages": 4}}]
