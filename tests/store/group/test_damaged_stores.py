"""Damaged stores: chunks, records, versions and attributes are noticed and named."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import pytest
import zarr
from helpers.stores import SMALL, VOLUME, buffer, chunk_bytes
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, StoreError, UnsupportedVersion
from mmip_gpu.store.write.check import verify_zarr
from mmip_gpu.store.write.repair import repair_zarr


def cut(data: bytes) -> bytes:
    return data[:-3]


def grow(data: bytes) -> bytes:
    return data + b"\1"


def flip_inside(data: bytes) -> bytes:
    return data[:10] + bytes([data[10] ^ 1]) + data[11:]


def flip_prefix(data: bytes) -> bytes:
    return bytes([data[0] ^ 2]) + data[1:]


def empty(data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut, grow, flip_inside, flip_prefix, empty])
@pytest.mark.parametrize("name", ["chunk", "stage_1", "stage_2", "stage_3"])
def test_damaged_chunks_are_named_and_repaired(store, name, damage):
    key = f"{name}/c/0/0/1/2/0"
    expected = chunk_bytes(store)
    store._store_dict[key] = buffer(damage(expected[key]))
    volume = mmip.open_zarr(store)
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 1, 2\)"):
        volume[0, 40, 65]
    assert (volume[0, :32] == mmip.open_zarr(store)[0, :32]).all()
    mmip.write_zarr(VOLUME, store, **SMALL)
    if damage is not flip_inside or name == "chunk":  # resuming compares sizes and head crcs, not every byte
        assert chunk_bytes(store) == expected


@pytest.mark.parametrize("name", ["chunk", "stage_1", "stage_3"])
def test_deleted_chunks_are_named_and_repaired(store, name):
    expected = chunk_bytes(store)
    del store._store_dict[f"{name}/c/0/1/0/0/0"]
    with pytest.raises(StoreError, match=r"chunk \(0, 1, 0, 0\)"):
        mmip.open_zarr(store)[...]
    mmip.write_zarr(VOLUME, store, **SMALL)
    assert chunk_bytes(store) == expected


def test_a_record_of_another_chunk_is_noticed(store):
    store._store_dict["chunk/c/0/0/0/0/0"] = store._store_dict["chunk/c/0/0/0/2/0"]
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\)"):
        mmip.open_zarr(store)[0, 0, 0]
    store._store_dict["chunk/c/0/0/0/0/0"] = store._store_dict["chunk/c/0/0/0/1/0"]
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\)"):
        mmip.open_zarr(store)[0, 0, 0]


def test_records_of_an_older_draft_are_named(store):
    """Those had CRC-32 in their headers: the store is refused, and not changed."""
    for key, data in chunk_bytes(store).items():
        if key.startswith("chunk/"):
            crc_at = int.from_bytes(data[6:8], "little") - 4
            old = zlib.crc32(data[:crc_at]).to_bytes(4, "little")
            store._store_dict[key] = buffer(data[:crc_at] + old + data[crc_at + 4 :])
    before = chunk_bytes(store)
    named = r"chunk \(0, 0, 0, 0\).*older draft"
    for read in (lambda: mmip.open_zarr(store)[...], lambda: mmip.fetch_zarr(store, MemoryStore())):
        with pytest.raises(CorruptData, match="older draft"):
            read()
    with pytest.raises(CorruptData, match=named):
        mmip.open_zarr(store).record((0, 0, 0, 0))
    assert all("older draft" in chunk["problem"] for chunk in verify_zarr(store)["chunks"])
    assert chunk_bytes(store) == before


def change_attributes(store: MemoryStore, **change: Any) -> None:
    """Edit the file: not every Zarr writes infinities."""
    metadata = json.loads(store._store_dict["zarr.json"].to_bytes())
    metadata["attributes"]["mmip"] |= change
    store._store_dict["zarr.json"] = cpu.Buffer.from_bytes(json.dumps(metadata).encode())


def test_other_versions_are_refused(store):
    change_attributes(store, format_version=2)
    with pytest.raises(UnsupportedVersion, match="expected 1, found 2"):
        mmip.open_zarr(store)
    with pytest.raises(UnsupportedVersion, match="expected 1, found 2"):
        mmip.write_zarr(VOLUME, store, quality=30)


def test_missing_stage_arrays_are_named(store):
    for key in [key for key in store._store_dict if key.startswith("stage_2/")]:
        del store._store_dict[key]
    assert mmip.open_zarr(store, stages=1)[...].shape == VOLUME.shape
    with pytest.raises(StoreError, match="the array stage_2 cannot be opened"):
        mmip.open_zarr(store)[...]
    expected = chunk_bytes(store)
    mmip.write_zarr(VOLUME, store, **SMALL)
    assert chunk_bytes(store).keys() > expected.keys()
    assert mmip.open_zarr(store)[...].shape == VOLUME.shape


DAMAGED: list[dict[str, Any]] = [
    {"shape": [-1, 50, 70]},
    {"shape": [2**40, 50, 70]},
    {"shape": None},
    {"dtype": "float32"},
    {"axes": "zy"},
    {"chunks": [8, 8, 8]},
    {"chunks": [16, 32]},
    {"cell_depth": 3},
    {"tile_log2": [1, 2]},
    {"cuts": [0, 1]},
    {"steps": []},
    {"steps": [[1, 2, 3]]},
    {"reversible": [2]},
    {"reversible": [1]},
    {"colour": True},
    {"colour": 1},
    {"config": {"mode": "loud"}},
    {"config": None},
    {"config": {"mode": "quality", "value": "10"}},
    {"config": {"mode": "quality", "value": 10, "step": "1"}},
    {"peak": "x"},
    {"peak": math.inf},
    {"attempt": math.inf},
    {"rule": 3},
    {"rule": "otsu"},
    {"chunks": [math.inf, 32, 64]},
]


@pytest.mark.parametrize("change", DAMAGED, ids=str)
def test_damaged_attributes(store, change):
    group = zarr.open_group(store, mode="r")
    description = dict(group.attrs["mmip"]["description"]) | change
    change_attributes(store, description=description)
    with pytest.raises(CorruptData):
        mmip.open_zarr(store)
    change_attributes(store, description=None)
    with pytest.raises(CorruptData):
        mmip.open_zarr(store)


BESIDE: list[dict[str, Any]] = [
    {"axes": None},
    {"axes": ["z", "y", "x"]},
    {"scale": [1, 1]},
    {"scale": [1, 1, math.inf]},
    {"metadata": 3},
    {"metadata": {"lossy": True, "lossy_methods": 1}},
    {"metadata": {"lossy_ratios": ["x"]}},
    {"metadata": {"history": [{"ratio": "x"}]}},
    {"metadata": {"spacing": [1, 0, 1]}},
    {"metadata": {"affine": [[0.0] * 4] * 4}},
    {"metadata": {"affine": [[1, 2]]}},
    {"metadata": {"slope": math.inf}},
    {"metadata": {"bits_stored": 7.5}},
    {"metadata": {"space": []}},
    {"report": None},
    {"report": []},
    {"report": {"stages": []}},
]


@pytest.mark.parametrize("change", BESIDE, ids=str)
def test_damaged_attributes_beside_the_description(store, change):
    expected = mmip.open_zarr(store)[...]
    change_attributes(store, **change)
    with pytest.raises(CorruptData, match=r"store attributes: .*(out of range|mmip repair)"):
        mmip.open_zarr(store)
    if "report" in change:
        assert verify_zarr(store)["report"]
        assert repair_zarr(store, VOLUME)["ok"]
        assert (mmip.open_zarr(store)[...] == expected).all()


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"quality": 20}, {"cuts": [0, 63]}),
        ({"max_error": 3}, {"correction": 4}),
        ({"max_error": 3}, {"correction": None}),
        ({"lossless": True, "stages": 3}, {"reversible": [0]}),
    ],
    ids=str,
)
def test_plans_that_are_not_what_was_asked_for(options, change):
    store = MemoryStore()
    mmip.write_zarr(VOLUME, store, cell_depth=1, **options)
    description = zarr.open_group(store, mode="r").attrs["mmip"]["description"]
    change_attributes(store, description=dict(description) | change)
    with pytest.raises(CorruptData, match="for what was asked"):
        mmip.open_zarr(store)


def test_a_description_of_another_array_is_not_resumed(store):
    description = zarr.open_group(store, mode="r").attrs["mmip"]["description"]
    change_attributes(store, description=dict(description) | {"shape": [0, *VOLUME.shape[1:]]})
    with pytest.raises(CorruptData, match="not that of its job"):
        mmip.write_zarr(VOLUME, store, **SMALL)
