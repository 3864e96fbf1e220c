"""The codec `mmip` in Zarr v3: every dtype, rank and selection, parts by byte ranges, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.codecs import ShardingCodec
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.dtype import get_data_type_from_native_dtype
from zarr.registry import register_codec
from zarr.storage import LocalStore, MemoryStore
from zarr.testing import strategies as zarr_strategies

import mmip_gpu as mmip
from mmip_gpu.container import byte_ranges
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData, UnsupportedVersion
from mmip_gpu.transform import extent
from numcodecs_plugin import Mmip, MmipV2, partial_read
from numcodecs_plugin.chunks import decode_host

register_codec("mmip", Mmip)  # as its entry point does where the package is installed
EXACT: dict[str, Any] = {"lossless": True, "stages": 2, "effort": 1, "verify": False}
FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"
HAS_FUSED = hasattr(zarr.core.codec_pipeline, "FusedCodecPipeline")
NEEDS_FUSED = pytest.mark.skipif(not HAS_FUSED, reason="this zarr has no fused pipeline")
PIPELINES = ["batched", pytest.param("fused", marks=NEEDS_FUSED)]


@pytest.fixture(params=PIPELINES)
def pipeline(request):
    settings_of = {"codec_pipeline.path": FUSED} if request.param == "fused" else {}
    with zarr.config.set(settings_of):
        yield request.param


def create(data: np.ndarray, chunks: Any, codec: Any, store: Any = None, **options: Any) -> zarr.Array:
    where = MemoryStore() if store is None else store
    made = zarr.create_array(
        where, shape=data.shape, dtype=data.dtype, chunks=chunks, serializer=codec, compressors=None, **options
    )
    made[...] = data
    return made


def textured(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(math.prod(shape)).reshape(shape) / 7.3) * 40
    return (waves + rng.normal(0, 6, shape) + 60).astype(dtype)


def spec_of(shape: tuple[int, ...], dtype: str) -> ArraySpec:
    zdtype = get_data_type_from_native_dtype(np.dtype(dtype))
    config = ArrayConfig.from_dict({})
    return ArraySpec(shape, zdtype, zdtype.default_scalar(), config, default_buffer_prototype())


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


FULL: dict[str, Any] = {
    "psnr": 50, "data_range": 4095.0, "cuts": [9, 30], "effort": 1, "padding": None, "cell_depth": 1, "axes": "yxc",
    "colour": False, "roi": "range:100..200", "roi_quality": {"1": "lossless"}, "verify": False,
}  # fmt: skip


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


# --- parts of chunks

DECODES_PARTS = issubclass(Mmip, ArrayBytesCodecPartialDecodeMixin)
NEEDS_PARTS = pytest.mark.skipif(not DECODES_PARTS, reason="this zarr reads no parts of chunks rightly")


class Counting(MemoryStore):
    """Counts the bytes and requests of chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.requests = 0

    def count(self, key: str, found: Any) -> Any:
        if found is not None and not key.endswith("zarr.json"):
            self.bytes += len(found)
            self.requests += 1
        return found

    async def get(self, key, prototype, byte_range=None):
        return self.count(key, await super().get(key, prototype, byte_range))

    def get_sync(self, key, *, prototype=None, byte_range=None):
        return self.count(key, super().get_sync(key, prototype=prototype, byte_range=byte_range))

    def taken(self) -> tuple[int, int]:
        found, self.bytes, self.requests = (self.bytes, self.requests), 0, 0
        return found


SELECTIONS: list[tuple[Any, float]] = [
    (np.s_[3:5, 10:20, 30:40], 0.25),
    (np.s_[7], 0.45),
    (np.s_[-1:, -3:, -3:], 0.2),
    (np.s_[30, 3:100:5, 9], 0.45),
    (np.s_[5:5], 0.1),
    (np.s_[...], 1.01),
]


@pytest.fixture(scope="module")
def one_chunk() -> tuple[Counting, np.ndarray, int]:
    store = Counting()
    volume = np.random.default_rng(0).normal(1000, 90, (40, 128, 128)).astype(np.uint16)
    create(volume, volume.shape, Mmip(quality=60, effort=1, verify=False), store)
    array = zarr.open_array(store, mode="r+")
    return store, array[...], len(store._store_dict["c/0/0/0"])


@NEEDS_PARTS
@pytest.mark.parametrize(("selection", "share"), SELECTIONS, ids=[str(s) for s, _ in SELECTIONS])
def test_a_part_reads_its_substreams_only(one_chunk: Any, pipeline: str, selection: Any, share: float) -> None:
    store, expected, size = one_chunk
    array = zarr.open_array(store, mode="r+")
    store.taken()
    assert np.array_equal(array[selection], expected[selection])
    found, requests = store.taken()
    assert found <= share * size
    assert requests <= 12


@NEEDS_PARTS
def test_selections_by_indices_read_parts(one_chunk: Any, pipeline: str) -> None:
    store, expected, size = one_chunk
    array = zarr.open_array(store, mode="r+")
    store.taken()
    rows, mask = [8, 1, 3], np.zeros(expected.shape, bool)
    mask[5, 60, 60:65] = True
    assert np.array_equal(array.oindex[rows, :, 100], expected[rows][:, :, 100])
    assert store.taken()[0] < size / 2
    assert np.array_equal(array.vindex[rows, [4, 4, 9], [90, 3, 7]], expected[rows, [4, 4, 9], [90, 3, 7]])
    assert np.array_equal(array.get_mask_selection(mask), expected[mask])


@pytest.mark.parametrize(
    "options",
    [{"max_error": 2}, {"quality": 40, "padding": 0}, {"ratio": 1.0}, {"lossless": True, "stages": 2}],
)
def test_parts_of_other_modes(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Corrections, padding masks and raw chunks; every header and head in two rounds."""
    monkeypatch.setattr(partial_read, "WHOLE", 0)
    monkeypatch.setattr(extent, "_HEAD", 16)
    monkeypatch.setattr(extent, "_HEAD_PER_SUBSTREAM", 0)
    monkeypatch.setattr(byte_ranges, "_GAP", 0)
    data = np.random.default_rng(1).integers(0, 3000, (12, 70, 70)).astype(np.uint16)
    data[:, :, 50:] = 0
    array = create(data, data.shape, Mmip(effort=1, **{"axes": "tyx", **options}), LocalStore(tmp_path))
    whole = array[...]
    for at in range(0, 70, 23):
        part = np.s_[at // 8 : at // 8 + 2, at : at + 9, 60 - at // 2 :]
        assert np.array_equal(array[part], whole[part])


def damaged(store: MemoryStore, key: str, change: Any) -> None:
    data = bytearray(store._store_dict[key].to_bytes())
    changed = change(data)
    store._store_dict[key] = default_buffer_prototype().buffer.from_bytes(bytes(data if changed is None else changed))


@NEEDS_PARTS
def test_damage_elsewhere_in_the_chunk_is_not_met(one_chunk: Any, pipeline: str) -> None:
    store, expected, _ = one_chunk
    broken = MemoryStore(dict(store._store_dict))
    damaged(broken, "c/0/0/0", lambda data: data.__setitem__(-1, data[-1] ^ 0x55))
    array = zarr.open_array(broken, mode="r+")
    assert np.array_equal(array[:2, :8, :8], expected[:2, :8, :8])
    with pytest.raises(CorruptData, match="stage 3"):
        array[-1, -1, -1]


@NEEDS_PARTS
def test_a_chunk_replaced_between_two_requests_is_read_again(one_chunk: Any) -> None:
    store, expected, _ = one_chunk
    other = mmip.encode(textured(expected.shape), quality=3, effort=1, verify=False)

    class Replacing(MemoryStore):
        async def get(self, key, prototype, byte_range=None):
            found = await super().get(key, prototype, byte_range)
            if byte_range is not None:
                self._store_dict[key] = prototype.buffer.from_bytes(other)
            return found

    array = zarr.open_array(Replacing(dict(store._store_dict)), mode="r+")
    assert np.array_equal(array[2, :8, :8], mmip.decode(other)[2, :8, :8])


# --- what is refused


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of quality"),
    ({"quality": 10, "psnr": 40}, "exactly one of quality"),
    ({"quality": 0}, r"quality=0.*\(0, 440\]"),
    ({"qstep": 0}, "qstep=0.*0.25 to 65536"),
    ({"quality": "high"}, "quality='high'.*finite number"),
    ({"psnr": 50}, "data_range=None"),
    ({"psnr": 50, "data_range": math.inf}, "data_range=inf"),
    ({"quality": 10, "data_range": 5}, "data_range=5.*psnr="),
    ({"lossless": True}, "stages=3"),
    ({"lossless": 1}, "lossless=1.*true or false"),
    ({"quality": 10, "stages": 9}, "stages=9.*2 to 5"),
    ({"quality": 10, "stages": 3.0}, "stages=3.0.*an integer"),
    ({"quality": 10, "cuts": "9"}, "cuts='9'.*list of integers"),
    ({"quality": 10, "cuts": [30, 9]}, "cuts=.*ascending"),
    ({"quality": 10, "effort": 4}, "effort=4.*1, 2 or 3"),
    ({"quality": 10, "step": 0}, "step=0"),
    ({"quality": 10, "padding": "black"}, "padding='black'"),
    ({"quality": 10, "cell_depth": 2}, "cell_depth=2"),
    ({"quality": 10, "axes": "xyz"}, "axes='xyz'"),
    ({"quality": 10, "axes": 3}, "axes=3"),
    ({"quality": 10, "colour": "yes"}, "colour='yes'"),
    ({"quality": 10, "colour": True}, "axes=None.*an axis c"),
    ({"quality": 10, "roi": "otsu"}, "roi='otsu'.*threshold"),
    ({"quality": 10, "roi": "near:3"}, "roi rule"),
    ({"quality": 10, "roi": [1]}, "roi=.*a rule"),
    ({"quality": 10, "roi_quality": 40}, "roi_quality=40.*roi="),
    ({"quality": 10, "roi": "threshold:9", "roi_quality": {"9": 4}}, "roi_quality.*found 9"),
    ({"quality": 10, "roi": "threshold:9", "roi_quality": {"best": 4}}, "roi_quality.*found 'best'"),
    ({"quality": 10, "roi": "threshold:9", "roi_quality": [9]}, "roi_quality=.*{class: quality}"),
    ({"quality": 10, "verify": "no"}, "verify='no'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[str(o) for o, _ in REFUSED])
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^mmip: .*{message}"):
        Mmip.from_dict({"name": "mmip", "configuration": options})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "mmip", "configuration": {"qualty": 10}}, "unknown key 'qualty': expected some of quality, psnr"),
        ({"name": "mmip", "configuration": {"quality": 1000}}, "quality=1000"),
        ({"name": "mmip"}, "with a configuration"),
        ({"name": "mmip", "configuration": {"quality": [10]}}, "finite number"),
    ],
)
def test_damaged_metadata_name_the_key(entry: dict[str, Any], message: str) -> None:
    store = MemoryStore()
    create(textured((16, 16)), (16, 16), Mmip(**EXACT), store)
    metadata = json.loads(store._store_dict["zarr.json"].to_bytes())
    metadata["codecs"] = [entry]
    store._store_dict["zarr.json"] = default_buffer_prototype().buffer.from_bytes(json.dumps(metadata).encode())
    with pytest.raises(InvalidArgument, match=message):
        zarr.open_array(store, mode="r+")


@pytest.mark.parametrize(
    ("dtype", "shape", "options", "message"),
    [
        ("float64", (8, 8), {"quality": 10}, "expected uint8, int8, uint16, int16, float32, found float64"),
        ("int32", (8, 8), {"quality": 10}, "found int32"),
        ("bool", (8, 8), {"quality": 10}, "found bool"),
        ("float32", (8, 8), {"quality": 10}, "pass step="),
        ("uint16", (8, 8), {"quality": 10, "step": 0.5}, "step=0.5"),
        ("uint8", (8, 8), {"quality": 10, "axes": "zyx"}, "axes='zyx' names 3 axes"),
        ("uint8", (2,) * 6, {"quality": 10}, "1 to 5 axes, or axes="),
        ("uint8", (8, 8, 4), {"quality": 10, "axes": "yxc", "colour": True}, "axis c of length 3"),
        ("uint8", (8, 8), {"quality": 10, "padding": -1}, "padding=-1"),
    ],
)
def test_arrays_are_refused_when_they_are_made(
    dtype: str, shape: tuple[int, ...], options: dict[str, Any], message: str
) -> None:
    for shards in (None, shape):
        if shards and "colour" in options and not hasattr(ShardingCodec, "_validate_inner_codecs"):
            continue  # such a zarr tells no codec of a shard the shape of its chunks
        with pytest.raises(InvalidArgument, match=f"^mmip: .*{message}"):
            zarr.create_array(
                MemoryStore(), shape=shape, chunks=shape, shards=shards, dtype=dtype, serializer=Mmip(**options)
            )


def test_samples_that_cannot_be_coded() -> None:
    array = zarr.create_array(
        MemoryStore(), shape=(8, 8), chunks=(8, 8), dtype="float32", serializer=Mmip(quality=10, step=0.1)
    )
    with pytest.raises(InvalidArgument, match="expected finite samples"):
        array[...] = np.full((8, 8), np.nan, np.float32)
    assert array.nchunks_initialized == 0


def test_chunks_of_another_shape_or_dtype_are_refused(pipeline: str) -> None:
    codec, spec = Mmip(**EXACT), spec_of((16, 16), "uint16")
    for array in (textured((16, 8)), textured((16, 16), "uint8")):
        with pytest.raises(InvalidArgument, match=r"expected a chunk \(16, 16\) of uint16"):
            codec._encode_sync(spec.prototype.nd_buffer.from_numpy_array(array), spec)
        store = MemoryStore()
        stored = create(textured((16, 16)), (16, 16), codec, store)
        store._store_dict["c/0/0"] = spec.prototype.buffer.from_bytes(mmip.encode(array, quality=5))
        for selection in (np.s_[...], np.s_[2:4, 2:4]):
            with pytest.raises(CorruptData, match=r"expected a chunk \(16, 16\) of uint16"):
                stored[selection]


@pytest.mark.parametrize("selection", [np.s_[...], np.s_[:4, :4, :4]], ids=["whole", "part"])
def test_cut_and_changed_chunks(one_chunk: Any, selection: Any) -> None:
    store = one_chunk[0]
    for end in (0, 7, 60, 5000):
        broken = MemoryStore(dict(store._store_dict))
        damaged(broken, "c/0/0/0", lambda data, end=end: data[:end])
        with pytest.raises(TruncatedData):
            zarr.open_array(broken, mode="r+")[selection]
    for at, kind in ((0, CorruptData), (4, UnsupportedVersion), (30, CorruptData), (400, CorruptData)):
        broken = MemoryStore(dict(store._store_dict))
        damaged(broken, "c/0/0/0", lambda data, at=at: data.__setitem__(at, data[at] ^ 0x80))
        with pytest.raises(kind):
            zarr.open_array(broken, mode="r+")[selection]


@NEEDS_PARTS
@pytest.mark.parametrize("shards", [None, (48, 48)], ids=["chunks", "shards"])
def test_a_damaged_chunk_in_the_middle_is_named_and_the_others_are_read(shards: Any, pipeline: str) -> None:
    data, store = textured((48, 48)), MemoryStore()
    codec = Mmip(**EXACT)
    array = zarr.create_array(store, data=data, chunks=(16, 16), shards=shards, serializer=codec, compressors=None)
    if shards:  # the chunks of a shard are in order of their places, its index at the end
        key = "c/0/0"
        expected = r"chunk \(1, 1\) of a shard: " if pipeline == "default" else "crc differs"  # fused: no coordinates
        index = np.frombuffer(store._store_dict[key].to_bytes()[-4 - 9 * 16 : -4], "<u8").reshape(3, 3, 2)
        at = int(index[1, 1, 0]) + 20
    else:
        key, expected, at = "c/1/1", r"c/1/1: ", 20
    damaged(store, key, lambda content: content.__setitem__(at, content[at] ^ 0x80))
    for selection in (..., np.s_[20:22, 20:22]):
        with pytest.raises(CorruptData, match=expected):
            array[selection]
    assert (array[:16] == data[:16]).all()
    assert (array[32:] == data[32:]).all()


@pytest.mark.parametrize("options", [{"quality": 40, "axes": "tyx"}, {"max_error": 2}, {"padding": 0, "quality": 3}])
def test_parts_of_damaged_chunks_are_read_or_refused(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_read, "WHOLE", 0)
    rng = np.random.default_rng(3)
    data = rng.integers(0, 3000, (9, 50, 60)).astype(np.uint16)
    data[:, :, 40:] = 0
    blob = mmip.encode(data, effort=1, **options)
    header_bytes = int.from_bytes(blob[6:8], "little")
    selected = Selected.of(np.s_[2:5, 3:20, 30:50], data.shape)
    decode = partial(decode_host, shape=data.shape, dtype=data.dtype, region=selected.region)
    for place in rng.integers(0, [header_bytes, header_bytes + 500, len(blob)], (80, 3)).flat:
        broken = bytearray(blob)
        broken[place] ^= int(rng.integers(1, 256))
        broken[header_bytes - 4 : header_bytes] = zlib.crc32(broken[: header_bytes - 4]).to_bytes(4, "little")
        reading = byte_ranges.or_whole(partial_read.read_part(selected, data.shape, data.dtype, decode), decode)
        try:
            spans, found = byte_ranges.advance(reading)
            while spans:
                fetched = [broken if span is None else broken[slice(*span)] for span in spans]
                spans, found = byte_ranges.advance(reading, fetched)
            assert found is not None
            assert found.shape == (3, 17, 20)
        except mmip.MmipError:
            pass
