"""The codec `mmip` in Zarr v3: options, metadata, arrays and damaged chunks that it refuses."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.codec_options import EXACT, REFUSED
from helpers.zarr_arrays import create, damaged, spec_of, textured
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.codecs import ShardingCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.registry import register_codec
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu._core import crc32c
from mmip_gpu.container import byte_ranges
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData, UnsupportedVersion
from numcodecs_plugin import Mmip, partial_read
from numcodecs_plugin.chunks import decode_host

register_codec("mmip", Mmip)  # as its entry point does where the package is installed

DECODES_PARTS = issubclass(Mmip, ArrayBytesCodecPartialDecodeMixin)
NEEDS_PARTS = pytest.mark.skipif(not DECODES_PARTS, reason="this zarr reads no parts of chunks rightly")


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[str(o) for o, _ in REFUSED])
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^mmip: .*{message}"):
        Mmip.from_dict({"name": "mmip", "configuration": options})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "mmip", "configuration": {"qualty": 10}}, "unknown option 'qualty'; did you mean 'quality'"),
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
        ("uint8", (2,) * 6, {"quality": 10}, "6 axes have no default: pass axes="),
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
    for at, kind in ((0, CorruptData), (4, UnsupportedVersion), (30, CorruptData), (300, CorruptData)):
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
        broken[header_bytes - 4 : header_bytes] = crc32c(broken[: header_bytes - 4]).to_bytes(4, "little")
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
