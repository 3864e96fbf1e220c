"""Stores are read stage by stage: how many bytes that takes, and that ranges give what the whole gives."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from helpers.progressive_stores import CountingStore, damaged
from studies import data_folder
from zarr.storage import MemoryStore, WrapperStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, InvalidArgument
from mmip_gpu.store.read import chunk_reader


def real_or_phantom(name: str, shape: tuple[int, int, int]) -> np.ndarray:
    folder = data_folder()
    path = None if folder is None else folder / f"{name}.npy"
    return np.load(path) if path is not None and path.exists() else mmip.phantom3d(shape)


@pytest.mark.parametrize(
    ("name", "options"),
    [("niivue_chris_t1", {"quality": 10}), ("ct_ge_head_4mm", {"ratio": 15})],
    ids=["volume", "ct-at-1-bit"],
)
def test_stage_1_is_less_than_a_tenth(name, options):
    store = MemoryStore()
    report = mmip.write_zarr(real_or_phantom(name, (48, 192, 192)), store, stages=3, verify=False, **options)
    if "ratio" in options:
        assert report["bits_per_sample"] >= 1
    counting = CountingStore(store)
    whole = mmip.open_zarr(counting)[...]
    everything = counting.take().total()
    coarse = mmip.open_zarr(counting, stages=1)[...]
    assert everything == report["bytes"]
    assert counting.take().total() < everything / 10
    assert np.corrcoef(coarse.reshape(-1)[::97], whole.reshape(-1)[::97])[0, 1] > 0.9
    _ = mmip.open_zarr(counting, scale=8)[...]
    assert counting.take().total() < everything / 10


def test_a_region_reads_the_sub_streams_it_touches(one_chunk):
    store, whole = one_chunk
    counting = CountingStore(store)
    volume = mmip.open_zarr(counting)
    part = volume[0:8, 60:64, 100:103]
    assert (part == whole[0:8, 60:64, 100:103]).all()
    assert counting.take().total() < volume.bytes_needed / 3
    assert counting.requests["stage_3"] == 2  # its start, and one group
    assert (volume[1:3, 60, 101] == whole[1:3, 60, 101]).all()
    assert not counting.take()
    assert (volume[20:30, 5, ::40] == whole[20:30, 5, ::40]).all()
    assert 0 < counting.take().total() < volume.bytes_needed / 2
    assert (volume[...] == whole).all()


@pytest.fixture(scope="module")
def noise_stores() -> list[MemoryStore]:
    noise = np.random.default_rng(1).integers(0, 255, (2, 19, 50, 70)).astype(np.uint8)
    codings = ({"cell_depth": 8, "max_error": 3}, {"cell_depth": 1, "quality": 50}, {"lossless": True, "stages": 3})
    stores = [MemoryStore() for _ in codings]
    for store, coding in zip(stores, codings, strict=True):
        mmip.write_zarr(noise, store, verify=False, **coding)
    return stores


@pytest.mark.parametrize("options", [{}, {"stages": 2}, {"scale": 2}, {"scale": 4}, {"scale": 8}], ids=str)
def test_every_region_by_ranges_is_that_of_the_whole(noise_stores, options, monkeypatch):
    monkeypatch.setattr(chunk_reader, "START_BYTES", 64)
    for store in noise_stores:
        volume, whole = mmip.open_zarr(store, **options), mmip.open_zarr(store, **options)[...]
        rng = np.random.default_rng(2)
        for _ in range(6):
            edges = [sorted(rng.integers(0, n + 1, 2)) for n in volume.shape]
            region = tuple(slice(int(a), int(b)) for a, b in edges)
            assert (volume[region] == whole[region]).all()


def test_bytes_are_kept_up_to_a_limit(one_chunk):
    store, whole = one_chunk
    counting = CountingStore(store)
    volume = mmip.open_zarr(counting, keep_bytes=0)
    for _ in range(2):
        assert (volume[3, 5] == whole[3, 5]).all()
        assert counting.take()
    with pytest.raises(InvalidArgument, match="keep_bytes"):
        mmip.open_zarr(store, keep_bytes=-1)
    kept = chunk_reader.ByteCache(10)
    kept["a"], kept["b"], kept["a"] = b"1234", b"12345", b"123456"
    assert kept.get("b") is None
    assert kept.get("a") == b"123456"
    kept["c"] = b"x" * 11
    assert kept.get("c") is None
    assert pickle.loads(pickle.dumps(kept)).get("a") is None


def test_a_server_without_ranges_may_send_all(one_chunk):
    store, whole = one_chunk

    class Whole(WrapperStore[Any]):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            return await super().get(key, prototype, None)

    assert (mmip.open_zarr(Whole(store))[0:8, 60:64, 100:103] == whole[0:8, 60:64, 100:103]).all()


def test_damage_by_ranges(one_chunk):
    store, whole = one_chunk
    for at in (2, 30, 2000):  # the prefix, the codes, the index or a crc
        with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\)"):
            mmip.open_zarr(damaged(store, "stage_2", at))[0, 0, 0]
    late = damaged(store, "stage_3", -5)
    opened = mmip.open_zarr(late)
    with pytest.raises(CorruptData, match="crc"):
        opened[...]
    late._store_dict.update(store._store_dict)
    assert (opened[...] == whole).all()  # what was damaged is not kept
    late = damaged(store, "stage_3", -5)
    assert (mmip.open_zarr(late)[0, :8] == whole[0, :8]).all()
    with pytest.raises(CorruptData, match="crc"):
        mmip.open_zarr(late)[-1, -1]
    with pytest.raises(CorruptData, match=r"expected \d+ bytes"):
        mmip.open_zarr(damaged(store, "stage_3", -5, -100))[-1, -1]
