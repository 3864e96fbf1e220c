"""Parts of stage arrays: what is read of a chunk, and that it is what decoding all of it gives."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.stage_stores import KINDS, Counting, arrays
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin

import mmip_gpu as mmip
from mmip_gpu._core import crc32c
from mmip_gpu.container import byte_ranges, zarr_selection
from mmip_gpu.stage_arrays import partial_read
from mmip_gpu.stage_arrays.coding import decode_stage
from mmip_gpu.transform import groups
from numcodecs_plugin import StageCodec

NEEDS_PARTS = pytest.mark.skipif(
    not issubclass(StageCodec, ArrayBytesCodecPartialDecodeMixin), reason="this zarr reads no parts of chunks rightly"
)


@st.composite
def selections(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An integer or a slice for each axis."""
    chosen: list[Any] = []
    for n in shape:
        low, high = sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n))))
        one = draw(st.integers(0, 3)) == 0
        chosen.append(min(low, n - 1) if one else slice(low, high, draw(st.sampled_from([1, 1, 1, 2, 5]))))
    return tuple(chosen)


@NEEDS_PARTS
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_parts_equal_what_is_selected_from_all(kind: str, data: st.DataObject) -> None:
    store, expected = arrays(kind)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in data.draw(st.sampled_from([{}, {"WHOLE": 0}, {"WHOLE": 0, "START": 24}])).items():
            patch.setattr(partial_read, name, value)
        if data.draw(st.booleans()):
            patch.setattr(byte_ranges, "_GAP", 0)
        for name, whole in expected.items():
            selection = data.draw(selections(whole.shape), name)
            assert np.array_equal(zarr.open_array(store, path=name, mode="r+")[selection], whole[selection])


@pytest.fixture(scope="module")
def large() -> tuple[Counting, dict[str, np.ndarray]]:
    """One chunk of 64 deep tiles, 16 groups of them in a stage, coded well enough to be large."""
    store = Counting()
    volume = np.random.default_rng(0).normal(1000, 90, (64, 128, 128)).astype(np.uint16)
    mmip.write_zarr(volume, store, quality=60, effort=1, verify=False, cell_depth=8, chunks=volume.shape, threads=1)
    return store, {f"stage_{k}": zarr.open_array(store, path=f"stage_{k}", mode="r+")[...] for k in (1, 2, 3)}


@NEEDS_PARTS
@pytest.mark.parametrize(
    ("selection", "share"),
    [
        (np.s_[0, 0, 0, 0], 0.17),
        (np.s_[:, 3:4, 4:6, 4:6, 1:9], 0.2),
        (np.s_[:, :2], 0.4),
        (np.s_[:, 7:8, ::5], 0.4),
        (np.s_[..., 0], 1.0),
        (np.s_[:, 5:5], 0.1),
    ],
    ids=str,
)
def test_a_part_reads_its_groups_only(large: Any, selection: Any, share: float) -> None:
    store, expected = large
    size = len(store._store_dict["stage_3/c/0/0/0/0/0"])
    array = zarr.open_array(store, path="stage_3", mode="r+")
    store.taken()
    assert np.array_equal(array[selection], expected["stage_3"][selection])
    found, requests = store.taken()
    assert found <= share * size
    assert requests <= 10


@NEEDS_PARTS
@pytest.mark.parametrize("start", [500, 3000])
def test_small_chunks_take_few_requests_and_no_byte_twice(
    large: Any, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_read, "START", start)
    store, expected = large
    size = len(store._store_dict["stage_1/c/0/0/0/0/0"])
    assert 1000 < size < min(3000, byte_ranges.WHOLE)
    array = zarr.open_array(store, path="stage_1", mode="r+")
    store.taken()
    assert np.array_equal(array[0, 2], expected["stage_1"][0, 2])
    assert store.taken() == (size, 2 if start == 500 else 1)


@NEEDS_PARTS
def test_parts_inside_of_shards_and_by_indices(large: Any) -> None:
    store, expected = large
    whole = expected["stage_2"]
    original = zarr.open_array(store, path="stage_2", mode="r+")
    sharded = zarr.create_array(
        Counting(), shape=whole.shape, shards=original.chunks, chunks=(1, 4, 8, 8, whole.shape[-1]), dtype="int32",
        fill_value=-1, serializer=original.serializer, compressors=None,
    )  # fmt: skip
    sharded[...] = whole
    counting = sharded.store_path.store
    assert isinstance(counting, Counting)
    total = sum(len(v) for k, v in counting._store_dict.items() if "c/" in k)
    counting.taken()
    assert np.array_equal(sharded[0, 1:3, 9, :5, 0], whole[0, 1:3, 9, :5, 0])
    assert counting.taken()[0] < total / 3
    for array in (sharded, original):
        assert np.array_equal(array.oindex[:, [1, 6], :, 3], whole[:, [1, 6]][:, :, :, 3])
        places = ([0, 0], [0, 7], [3, 15], [9, 2], [0, 4])
        assert np.array_equal(array.vindex[places], whole[places])


def reading_of(codec: StageCodec, data: bytes, shape: tuple[int, ...], selection: Any) -> np.ndarray:
    """A part of a chunk, as a store without requests that fail gives it."""
    part = zarr_selection.Selected.of(selection, shape)

    def decode(found: bytes) -> np.ndarray:
        return decode_stage(codec, found, shape, part.region)[part.inside]

    reading = byte_ranges.or_whole(partial_read.read_stage_region(codec, part, shape, decode), decode)
    spans, found = byte_ranges.advance(reading)
    while spans:
        spans, found = byte_ranges.advance(reading, [data if s is None else data[slice(*s)] for s in spans])
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["deep", "corrections", "DC image", "padding"])
def test_parts_of_damaged_chunks_are_read_or_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_read, "WHOLE", 0)
    monkeypatch.setattr(partial_read, "START", 40)
    store, expected = arrays(kind)
    rng = np.random.default_rng(5)
    for name, whole in expected.items():
        array = zarr.open_array(store, path=name, mode="r+")
        data = store._store_dict[f"{name}/c/{'/'.join('0' * whole.ndim)}"].to_bytes()
        selection = tuple(slice(n // 3, n // 3 + 1) for n in array.chunks)
        good = reading_of(array.serializer, data, array.chunks, selection)
        for place in rng.integers(0, [30, 400, len(data)], (12, 3)).flat:
            broken = bytearray(data)
            broken[min(place, len(data) - 1)] ^= int(rng.integers(1, 256))
            for changed in (bytes(broken), data[:place]):
                with contextlib.suppress(mmip.MmipError):
                    assert np.array_equal(reading_of(array.serializer, changed, array.chunks, selection), good)


def test_sizes_that_no_chunk_has_are_not_believed() -> None:
    """A head whose crc is right and that names sub-streams of 2^32 bytes: read whole, and refused."""
    codec = StageCodec(2, 1, (0, 2, 2), (0, 9, 63))
    array = np.zeros((1, 1, 32, 32, 10), np.int32)
    data = codec.encode_array(array)
    assert data is not None
    at = data.index(b"\x20\x20") + 2
    payload = data[at:]
    head_bytes = int.from_bytes(payload[:4], "little")
    code_bytes = head_bytes - 4 - 4 - 4 * 16 - 1  # 64 sub-streams of a byte: an index without bits
    head = payload[: 4 + code_bytes] + bytes([32]) + b"\xff" * 4 * 64 + bytes(4 * 16)
    head = (len(head) + 4).to_bytes(4, "little") + head[4:]
    head += crc32c(head).to_bytes(4, "little")
    hostile = data[:at] + head + bytes(5000)
    with pytest.raises(mmip.CorruptData):
        reading_of(codec, hostile, array.shape, np.s_[0, 0, :2, :2, :])


def test_boxes_have_the_groups_of_their_substreams() -> None:
    """The groups of a box, against going through all of its sub-streams."""
    counts = (2, 3, 5, 4)
    rng = np.random.default_rng(0)
    for _ in range(50):
        box = [int(edge) for n in counts for edge in np.sort(rng.choice(n + 1, 2, replace=False))]
        number = np.arange(np.prod(counts)).reshape(counts)
        inside = number[tuple(slice(a, b) for a, b in [*pairwise(box)][::2])]
        every = groups.Groups([(n, n + 1) for n in range(-(-number.size // 4))], [])
        assert [n for n, _ in every.within(box, counts)] == sorted({n // 4 for n in inside.reshape(-1).tolist()})
