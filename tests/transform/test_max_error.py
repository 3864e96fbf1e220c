"""Mode max_error in stages: the bound holds, and corrections survive regions, stages, stores and damage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import zarr
from helpers.damage import patched
from helpers.strategies import CONTENT, DTYPES, make, make_roi
from numpy.typing import NDArray
from reference.bits import BitWriter
from reference.codes import CORRECTIONS
from reference.random_streams import CASES, random_coefficients
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header
from numcodecs_plugin import StageCodec

corrections_module = reference.encode.__globals__  # the names that reference.encode looks up


def largest(array: NDArray[Any], decoded: NDArray[Any]) -> int:
    return int(np.abs(array.astype(np.int64) - decoded.astype(np.int64)).max(initial=0))


@pytest.fixture(scope="module")
def volume() -> NDArray[Any]:
    return make("textured", (20, 50, 70), "int16", 5)


@pytest.fixture(scope="module")
def blob(volume: NDArray[Any]) -> bytes:
    return mmip.encode(volume, max_error=100, cell_depth=8)


# --- the bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bound", [0.9, 1, 17.5, 70000])
def test_no_sample_is_off_by_more(dtype: str, bound: float) -> None:
    for seed, kind in enumerate(CONTENT):
        for axes, shape in (("x", (75,)), ("yx", (33, 41)), ("zyx", (9, 17, 20)), ("yxc", (20, 25, 3))):
            array = make(kind, shape, dtype, seed)
            blob = mmip.encode(array, max_error=bound, axes=axes, stages=3)
            decoded = mmip.decode(blob)
            loss = mmip.inspect(blob)["loss"]
            assert largest(array, decoded) == loss["max_error"] <= bound
            assert (loss["mode"], loss["requested"]) == ("max_error", bound)
            if bound < 1:
                assert loss["lossless"]


def test_a_larger_bound_costs_less() -> None:
    array = make("textured", (200, 220), "uint16", 1)
    sizes = [len(mmip.encode(array, max_error=bound, stages=3)) for bound in (0, 1, 2, 4, 8, 16, 64, 256)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.6 * sizes[0]


def test_a_lossless_region_is_exact_and_the_rest_within_the_bound() -> None:
    for axes, shape in (("yx", (90, 81)), ("zyx", (17, 40, 33)), ("yxc", (40, 33, 3))):
        array = make("textured", shape, "uint8", 2)
        roi = make_roi(array, axes, 3)
        decoded = mmip.decode(mmip.encode(array, max_error=6, roi=roi, roi_quality={1: 30, 2: "lossless"}, axes=axes))
        assert 0 < largest(array, decoded) <= 6
        assert np.array_equal(decoded[roi == 2], array[roi == 2])


def test_corrections_are_the_last_stage(volume: NDArray[Any], blob: bytes) -> None:
    report = mmip.inspect(blob)
    assert report["config"]["correction"] == 100
    assert len(report["stages"]) == 4
    errors = [largest(volume, mmip.decode(blob, stages=k)) for k in (1, 2, 3, 4)]
    assert errors[2] > 100 >= errors[3]
    end = report["stages"][2]["bytes_to_here"]
    assert np.array_equal(mmip.decode(blob[:end], stages=3), mmip.decode(blob, stages=3))
    with pytest.raises(mmip.TruncatedData):
        mmip.decode(blob[:end])
    with pytest.raises(mmip.InvalidArgument, match="at most 4"):
        mmip.decode(blob, stages=5)
    for scale in (2, 4, 8):
        assert np.array_equal(mmip.decode(blob[:end], scale=scale), mmip.decode(blob, scale=scale, stages=4))


def test_regions_are_corrected(blob: bytes) -> None:
    whole = mmip.decode(blob)
    for region in ((slice(3, 9), slice(40, 50), slice(0, 70)), (slice(17, 20), slice(0, 1), slice(33, 64))):
        assert np.array_equal(mmip.decode(blob, region=region), whole[region])
        assert mmip.inspect(blob, region=region)["bytes_needed"] <= len(blob)


def test_threads_do_not_change_bytes(volume: NDArray[Any]) -> None:
    assert len({mmip.encode(volume, max_error=9, stages=3, threads=n) for n in (1, 2, 5)}) == 1


# --- stores


def test_a_store_keeps_the_bound(volume: NDArray[Any]) -> None:
    store = MemoryStore()
    report = mmip.write_zarr(volume, store, max_error=40, stages=3, chunks=(16, 32, 32))
    stored = mmip.open_zarr(store)
    assert largest(volume, stored.to_numpy()) == report["loss"]["max_error"] <= 40
    assert stored.stages == len(report["stages"]) == 4
    part = (slice(5, 18), slice(20, 50), slice(0, 70))
    assert np.array_equal(stored[part], stored.to_numpy()[part])
    assert mmip.open_zarr(store, scale=2).stages == 3
    array = zarr.open_array(store, path="corrections", mode="r+")
    before = {k: v.to_bytes() for k, v in store._store_dict.items() if k.startswith("corrections/c")}
    values = array[...]
    assert array.shape == (1, *volume.shape)
    assert array.fill_value == -(2**31)
    assert np.abs(values).max() < 2**16
    array[...] = values
    assert before == {k: v.to_bytes() for k, v in store._store_dict.items() if k.startswith("corrections/c")}


def test_corrections_that_are_missing_or_cut_are_errors(volume: NDArray[Any]) -> None:
    store = MemoryStore()
    mmip.write_zarr(volume, store, max_error=40, stages=3, chunks=(16, 32, 32))
    key = next(k for k in store._store_dict if k.startswith("corrections/c"))
    data = store._store_dict[key]
    store._store_dict[key] = data[: len(data) - 5]
    with pytest.raises(mmip.TruncatedData):
        mmip.open_zarr(store).to_numpy()
    del store._store_dict[key]
    with pytest.raises(mmip.StoreError, match="stage 4 is missing"):
        mmip.open_zarr(store).to_numpy()
    assert mmip.open_zarr(store, stages=3).to_numpy().shape == volume.shape
    mmip.write_zarr(volume, store, max_error=40, stages=3, chunks=(16, 32, 32))
    assert store._store_dict[key].to_bytes() == data.to_bytes()


def test_arrays_that_are_no_corrections() -> None:
    codec = StageCodec(4, 1, (0, 2, 2), (0, 9, 63), ((256,),))
    array = np.full((1, 2, 40, 40), codec.fill_value, np.int32)
    assert codec.encode_array(array) is None
    array[:, :1, :33, :20] = 3
    data = codec.encode_array(array)
    assert data is not None
    assert np.array_equal(codec.decode_bytes(data, array.shape), array)
    for value in (2**26, -(2**26), codec.fill_value):
        broken = array.copy()
        broken[0, 0, 3, 4] = value
        with pytest.raises(mmip.InvalidArgument):
            codec.encode_array(broken)
    for other in (array[0], array.astype(np.int64)):
        with pytest.raises(mmip.InvalidArgument):
            codec.encode_array(other)
    for end in range(len(data)):
        with pytest.raises(mmip.CorruptData):
            codec.decode_bytes(data[:end], array.shape)


# --- hostile bytes


@pytest.mark.parametrize(("name", "value"), [("correction_error", 2**18 + 1), ("corrections", 0), ("corrections", 2)])
def test_header_fields_out_of_range_are_corrupt(blob: bytes, name: str, value: int) -> None:
    with pytest.raises(mmip.CorruptData):
        mmip.decode(patched(blob, name, value))
    with pytest.raises(reference.CorruptError):
        reference.decode(patched(blob, name, value))


@pytest.mark.parametrize("value", [0, 1, 2**18])
def test_any_error_bound_in_range_decodes_alike(blob: bytes, value: int) -> None:
    changed = patched(blob, "correction_error", value)
    assert np.array_equal(mmip.decode(changed), reference.decode(changed))


def sub_stream(pieces: list[tuple[int, int]]) -> bytes:
    writer = BitWriter()
    for count, value in pieces:
        writer.raw(count, value)
    return writer.to_bytes(at_least=1)


def single(symbols: dict[int, int]) -> list[int]:
    """Code lengths of the correction family."""
    return [symbols.get(i, 0) for i in range(129)]


BAD_SUB_STREAMS = {
    "a run past the end": ([(1, 1), (1, 1), (3, 7)], {0: 1, 11: 1}),
    "a zero after a run": ([(1, 1), (1, 0), (1, 0)], {0: 1, 1: 1}),
    "a run of a symbol above 53": ([(1, 1), (1, 1)], {0: 1, 54: 1}),
    "an index of a symbol above 106": ([(1, 1), (1, 0), (1, 1)], {0: 1, 107: 1}),
    "an escaped symbol above the alphabet": ([(1, 1), (1, 1), (7, 127), (25, 0)], {0: 1, 128: 1}),
    "bits left over": ([(1, 1), (1, 1), (3, 0), (8, 1)], {0: 1, 14: 1}),
}


@pytest.mark.parametrize("name", BAD_SUB_STREAMS)
def test_bad_sub_streams_are_corrupt(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plane of 8 x 8 samples, whose 64 zeros are one run of symbol 14."""
    pieces, symbols = BAD_SUB_STREAMS[name]
    header = reference.Header((8, 8), "yx", correction=1)
    zeros = np.zeros((1, 1, 1, 1), np.int64)
    stages = [{(0, 0, 0, 0): (0, np.zeros(63, np.int64))}]
    coefficients = reference.Coefficients(zeros, zeros, stages, corrections=np.zeros((1, 1, 8, 8), np.int64))
    own = {(CORRECTIONS, "CORRECTION", index): single(symbols) for index in range(48)}
    if 14 not in symbols:
        monkeypatch.setitem(corrections_module, "write_correction_stage", lambda *_: [sub_stream(pieces)])
    else:
        whole = corrections_module["write_correction_stage"]
        monkeypatch.setitem(corrections_module, "write_correction_stage", lambda *a: [whole(*a)[0] + b"\0"])
    bad = reference.encode(header, coefficients, own)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)
    with pytest.raises(mmip.CorruptData):
        mmip.decode(bad)


def test_damaged_corrections_behind_their_checksums() -> None:
    """An error kind or an array, whatever the bytes."""
    header = CASES["corrected_3d"]
    data = reference.encode(header, random_coefficients(np.random.default_rng(3), header))
    fields = Header.parse(data)[0].fields
    assert fields is not None
    payload = data[len(data) - fields.stage_bytes[-1] :]
    chunk = _core.Chunk(1, [19, 20, 41], 8, [1, 1, 2], [0, 511], [[256]], [0], [[0, 0, 0]])
    indices = np.empty((1, 19, 20, 41), np.int32)
    chunk.unpack_corrections(payload, indices, True, 1)
    rng, outcomes = np.random.default_rng(4), set()
    for _ in range(2000):
        broken = bytearray(payload)
        broken[rng.integers(0, len(payload))] ^= 1 << int(rng.integers(0, 8))
        try:
            chunk.unpack_corrections(bytes(broken), indices, False, 1)
            outcomes.add("decoded")
        except mmip.CorruptData:
            outcomes.add("corrupt")
    assert outcomes == {"decoded", "corrupt"}
