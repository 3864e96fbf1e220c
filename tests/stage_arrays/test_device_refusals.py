"""Stage arrays on a device: damaged bytes and columns that no chunk has are noticed as the host does."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import zarr
from helpers.stage_stores import arrays, chunks_of
from helpers.standin_buffers import CONFIG, DeviceBuffer, held
from reference.payload import GROUP
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.stage_arrays import device_encoding
from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages
from mmip_gpu.stage_arrays.device_encoding import encode_stages
from numcodecs_plugin import StageCodec

NEEDS_PARTS = pytest.mark.skipif(
    not issubclass(StageCodec, ArrayBytesCodecPartialDecodeMixin), reason="this zarr reads no parts of chunks rightly"
)


def damaged(store: MemoryStore, key: str, at: int) -> None:
    data = bytearray(store._store_dict[key].to_bytes())
    data[at] ^= 0x55
    store._store_dict[key] = DeviceBuffer.from_bytes(bytes(data))


@NEEDS_PARTS
@pytest.mark.parametrize("at", [0, 5, 40, -2])
def test_a_damaged_chunk_of_a_batch_is_named(at: int) -> None:
    store, expected = arrays("deep")
    copy = MemoryStore(dict(store._store_dict))
    damaged(copy, "stage_2/c/0/0/0/1/0", at)
    with zarr.config.set(CONFIG):
        array = zarr.open_array(copy, path="stage_2", mode="r+")
        with pytest.raises(mmip.CorruptData, match=r"stage_2/c/0/0/0/1/0: (?!memory)"):
            array[...]
        rest = array[:, :, :, : array.chunks[3]]
    assert np.array_equal(rest, expected["stage_2"][:, :, :, : array.chunks[3]])


@pytest.mark.parametrize("kind", ["deep", "DC image", "corrections", "padding", "flat palettes"])
def test_damaged_bytes_are_noticed_as_the_host_does(kind: str) -> None:
    store, expected = arrays(kind)
    rng = np.random.default_rng(1)
    for name in expected:
        array = zarr.open_array(store, path=name, mode="r+")
        blob = min(chunks_of(store, name).values(), key=len)
        places = rng.integers(0, [8, min(300, len(blob)), len(blob)], (7, 3)).reshape(-1)
        broken = [blob[:at] + bytes([blob[at] ^ 0x41]) + blob[at + 1 :] for at in places]
        broken += [blob[:at] for at in places] + [blob, blob + b"\0"]
        region = tuple(slice(0, n) for n in array.chunks)
        parts = [StageRegion(held(np.frombuffer(data, np.uint8)), array.chunks, region) for data in broken]
        for data, found in zip(broken, decode_stages(array.serializer, parts), strict=True):
            if isinstance(found, mmip.MmipError):
                with pytest.raises(mmip.CorruptData):
                    array.serializer.decode_bytes(data, array.chunks)
            else:
                assert np.array_equal(found, array.serializer.decode_bytes(data, array.chunks))


def test_dcs_whose_differences_cannot_be_coded() -> None:
    codec = StageCodec(1, 1, (0, 3, 3), (0, 63), ((64,), (2**24,)))
    rng = np.random.default_rng(0)
    for largest in (2**12, 2**14, 2**20, 2**25):
        array = rng.integers(-largest, largest, (1, 1, 8, 9, 2)).astype(np.int32)
        array[..., 0] = rng.integers(0, 2, array.shape[:4])
        if largest < 2**14:
            data = codec.encode_array(array)
            assert data is not None
            assert np.array_equal(codec.decode_bytes(data, array.shape), array)
            assert encode_stages(codec, [held(array)]) == [data]
        elif largest > 2**14:
            for encode in (codec.encode_array, lambda array: encode_stages(codec, [held(array)])):
                with pytest.raises(mmip.InvalidArgument, match="differ by 2\\^31 steps"):
                    encode(array)
        array[..., 0] = 1
        assert encode_stages(codec, [held(array)]) == [codec.encode_array(array)]


@pytest.mark.parametrize("stage", [2, 3, 4])
def test_later_stages_may_name_the_steps(stage: int) -> None:
    codec = StageCodec(stage, 1, (0, 3, 3), (0, 9, 63), ((256,), (512,)))
    array = np.random.default_rng(stage).integers(-3, 4, (2, 1, 9, 12, *([] if stage == 4 else [codec.columns])))
    array = array.astype(np.int32)
    if stage < 4:
        array[..., 0] = 0
    data = codec.encode_array(array)
    assert data is not None
    assert encode_stages(codec, [held(array)]) == [data]
    part = StageRegion(held(np.frombuffer(data, np.uint8)), array.shape, tuple(slice(0, n) for n in array.shape))
    assert np.array_equal(decode_stages(codec, [part])[0], array)


def test_planes_that_do_not_hold_all_components() -> None:
    codec = StageCodec(1, 1, (0, 4, 4), (0, 63), ((256, 256, 256),))
    array = np.zeros((3, 1, 4, 4, 2), np.int32)
    assert encode_stages(codec, [held(array)]) == [codec.encode_array(array)]
    array[2:] = -1
    for encode in (codec.encode_array, lambda array: encode_stages(codec, [held(array)])):
        with pytest.raises(mmip.InvalidArgument, match="2 planes do not hold 3 components"):
            encode(array)


def resealed(codec: StageCodec, data: bytes, shape: tuple[int, ...]) -> bytes:
    """A chunk with the crcs that its bytes ask for."""
    extent, at = codec.read_extent(data, shape)
    payload = bytearray(data[at:])
    head = int.from_bytes(payload[:4], "little")
    tiles = [-(-n // length) for n, length in zip(extent, (1, *codec.tile), strict=True)]
    kind = 0 if codec.corrects else codec.stage
    found = _core.PayloadHead(
        np.frombuffer(payload, np.uint8), len(payload), math.prod(tiles), kind, codec.dc_image, False
    )
    edges = [*found.offsets[:-1:GROUP].tolist(), len(payload)]
    crcs = b"".join(_core.crc32c(payload[a:b]).to_bytes(4, "little") for a, b in pairwise(edges))
    payload[head - 4 - len(crcs) : head - 4] = crcs
    payload[head - 4 : head] = _core.crc32c(payload[: head - 4]).to_bytes(4, "little")
    return data[:at] + bytes(payload)


@pytest.mark.parametrize("kind", ["flat", "merged volume", "flat palettes", "DC image", "corrections", "padding"])
def test_hostile_substreams_are_read_as_the_host_does(kind: str) -> None:
    """Damage behind right crcs: what is no stream is refused by both, what is one gives the same columns."""
    store, expected = arrays(kind)
    rng = np.random.default_rng(2)
    for name in expected:
        array = zarr.open_array(store, path=name, mode="r+")
        codec, blob = array.serializer, min(chunks_of(store, name).values(), key=len)
        assert resealed(codec, blob, array.chunks) == blob
        at = codec.read_extent(blob, array.chunks)[1]
        first = at + int.from_bytes(blob[at : at + 4], "little")
        broken = []
        for place in rng.integers(first, len(blob), 30):
            changed = bytearray(blob)
            changed[place] ^= int(rng.integers(1, 256))
            broken.append(resealed(codec, bytes(changed), array.chunks))
        region = tuple(slice(0, n) for n in array.chunks)
        parts = [StageRegion(held(np.frombuffer(data, np.uint8)), array.chunks, region) for data in broken]
        for data, found in zip(broken, decode_stages(codec, parts), strict=True):
            if isinstance(found, mmip.MmipError):
                with pytest.raises(mmip.CorruptData, match=re.escape(str(found))):
                    codec.decode_bytes(data, array.chunks)
            else:
                assert np.array_equal(found, codec.decode_bytes(data, array.chunks))


def put(*place: int, value: int) -> Callable[[np.ndarray], None]:
    return lambda array: array.__setitem__(place, value)


def everywhere(column: int, value: int) -> Callable[[np.ndarray], None]:
    return lambda array: array.__setitem__((Ellipsis, column), value)


# Stage, then what is changed of a chunk of 1 x 8 x 9 cells that holds zeros.
WRONG: list[tuple[int, Callable[[np.ndarray], None]]] = [
    (1, put(0, 0, 3, 3, 0, value=2)),
    (1, put(0, 0, 3, 3, 1, value=2**26)),
    (1, put(0, 0, 3, 3, 0, value=-1)),
    (2, put(0, 0, 3, 3, 0, value=2)),
    (2, put(0, 0, 3, 3, 0, value=8)),
    (2, put(0, 0, 3, 3, 0, value=-2)),
    (2, put(0, 0, 2, 2, 0, value=4)),
    (2, everywhere(0, 4)),
    (2, everywhere(0, 6)),
    (2, put(0, 0, 3, 3, 0, value=7)),
    (2, put(0, 0, 7, 8, 9, value=-(2**26))),
    (3, everywhere(0, 1)),
    (3, put(0, 0, 3, 3, 0, value=7)),
    (3, put(0, 0, 3, 3, 50, value=2**31 - 1)),
    (4, put(0, 0, 3, 3, value=2**26)),
    (4, put(0, 0, 3, 3, value=-(2**31))),
]


@pytest.mark.parametrize(("stage", "change"), WRONG)
def test_columns_that_no_chunk_decodes_to(stage: int, change: Callable[[np.ndarray], None]) -> None:
    codec = StageCodec(stage, 1, (0, 3, 3), (0, 9, 63), ((256,), (512,)) if stage == 1 else ())
    array = np.zeros((1, 1, 8, 9, *([] if stage == 4 else [codec.columns])), np.int32)
    assert encode_stages(codec, [held(array)]) == [codec.encode_array(array)]
    good = array.copy()
    change(array)
    with pytest.raises(mmip.InvalidArgument) as on_host:
        codec.encode_array(array)
    with pytest.raises(mmip.InvalidArgument) as found:
        encode_stages(codec, [held(good), held(array)])
    assert str(found.value) == str(on_host.value)


def test_predictions_of_many_substreams_are_coded_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty sub-streams with predictions: the host is not asked."""
    codec = StageCodec(2, 1, (1, 4, 4), (0, 20, 63))
    array = np.random.default_rng(5).integers(-3, 4, (3, 4, 70, 40, codec.columns)).astype(np.int32)
    array[..., 0] = 0
    array[:, 1::2, :, :, 0] = 256 * 35
    expected = codec.encode_array(array)
    monkeypatch.setattr(device_encoding, "encode_stage", pytest.fail)
    assert encode_stages(codec, [held(array)]) == [expected]


def test_the_mark_of_predictions_in_a_chunk_of_deep_cells() -> None:
    """A chunk of flat cells whose head fits one of deep cells as well: its predictions are refused."""
    flat, deep = StageCodec(2, 1, (1, 4, 4), (0, 20, 63)), StageCodec(2, 8, (1, 4, 4), (0, 20, 511))
    array = np.zeros((1, 2, 8, 8, flat.columns), np.int32)
    array[:, 1, :, :, 0] = 256 * 35
    data = flat.encode_array(array)
    assert data is not None
    part = StageRegion(held(np.frombuffer(data, np.uint8)), array.shape, tuple(slice(0, n) for n in array.shape))
    assert np.array_equal(decode_stages(flat, [part])[0], array)
    with pytest.raises(mmip.CorruptData, match="predictions of 3D blocks"):
        deep.decode_bytes(data, array.shape)
    found = decode_stages(deep, [part])[0]
    assert isinstance(found, mmip.CorruptData)
    assert "predictions of 3D blocks" in str(found)


@pytest.mark.parametrize("seed", range(4))
def test_columns_of_any_values_that_a_chunk_decodes_to(seed: int) -> None:
    """Modes at random where they fit, indices of all sizes, cells past the grid: the bytes of the host."""
    rng = np.random.default_rng(seed)
    for depth, merged, deepest in ((1, (4, 5, 6), (2, 4, 8)), (8, (4,), (2,))):
        for stage in (2, 3):
            codec = StageCodec(stage, depth, (0, 4, 4) if depth == 1 else (2, 2, 2), (0, 20, 63 if depth == 1 else 511))
            array = np.full((2, 5, 20, 19, codec.columns), -1, np.int32)
            inside = array[:, : 3 if depth == 1 else 5, :18, :17]
            inside[...] = rng.integers(-9, 10, inside.shape) * (rng.random(inside.shape) < 0.2)
            inside[..., rng.integers(1, codec.columns)] = rng.integers(-(2**26) + 1, 2**26, inside.shape[:4])
            inside[..., 0] = rng.integers(0, 2, inside.shape[:4])
            for mode, side in zip(merged, deepest, strict=True):
                deep = side if depth == 8 else 1
                for z, y, x in rng.integers(0, [2, 18 // side, 17 // side], (6, 3)) * (deep, side, side):
                    block = inside[:, z : z + deep, y : y + side, x : x + side, 0]
                    if block.shape[1:] == (deep, side, side) and (block < 2).all():
                        block[...] = mode
            assert encode_stages(codec, [held(array)] * 2) == [codec.encode_array(array)] * 2
