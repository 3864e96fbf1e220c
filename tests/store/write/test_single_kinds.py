"""All that a store of one array goes through, whichever codec codes its chunks."""

from __future__ import annotations

import pickle
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import zarr
from helpers.progressive_stores import CountingStore
from helpers.single_stores import KINDS, jpeg_image, options_of
from helpers.stores import buffer, chunk_bytes
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError
from mmip_gpu.store.group.chunk_header import ChunkHeader
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.read.xarray_backend import MmipBackend
from numcodecs_plugin import Mmip

STORED = {
    "fast": {"predictive"},
    "small": {"mixed"},
    "bounded": {"predictive"},
    "jpeg": {"jpeg origin", "mixed"},
    "labels": {"labels"},
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(kind: str, **more: Any) -> tuple[np.ndarray, MemoryStore]:
    store = MemoryStore()
    mmip.write_zarr(KINDS[kind][0], store, **options_of(kind) | more)
    return KINDS[kind][0], store


def at_scale(array: np.ndarray, kind: str, scale: int) -> np.ndarray:
    options = {k: v for k, v in options_of(kind).items() if k in ("lossless", "labels", "max_error")}
    return mmip.decode(mmip.encode(array, **options), scale=scale)


def test_samples_regions_scales_and_other_readers(kind):
    array, store = written(kind)
    volume = mmip.open_zarr(store)
    inside = tuple(slice(n // 3, n - 1) for n in array.shape)
    assert volume.dtype == array.dtype
    assert {described["kind"] for _, described in volume.records()} == STORED[kind]
    assert (volume[...] == array).all()
    assert (volume[inside] == array[inside]).all()
    assert (volume[-1] == array[-1]).all()
    for scale in (2, 4, 8):
        expected, found = at_scale(array, kind, scale), mmip.open_zarr(store, scale=scale)
        part = tuple(slice(0, n // 2 + 1) for n in expected.shape)
        assert (found[...] == expected).all()
        assert (found[part] == expected[part]).all()
    plain = zarr.open_group(store, mode="r")["samples"]
    assert (plain.dtype, plain.shape) == (array.dtype, array.shape)
    assert (plain[...] == array).all()
    assert (plain[inside] == array[inside]).all()
    assert (pickle.loads(pickle.dumps(plain.serializer)) == plain.serializer) is True


def test_damage_is_named_and_repaired(kind):
    array, store = written(kind)
    expected = chunk_bytes(store)
    keys = [key for key in expected if key.startswith("samples")]
    for number, key in enumerate(keys):
        data = bytearray(expected[key])
        data[(7 * number) % len(data)] ^= 1
        store._store_dict[key] = buffer(bytes(data))
    found = mmip.verify_zarr(store)
    assert (found["ok"], len(found["chunks"])) == (False, len(keys))
    with pytest.raises(CorruptData, match="chunk"):
        mmip.open_zarr(store)[...]
    with pytest.raises(CorruptData, match="chunk"):
        mmip.fetch_zarr(store, MemoryStore())
    del store._store_dict[keys[1]]
    assert mmip.repair_zarr(store, array, progress=False)["ok"]
    assert chunk_bytes(store) == expected
    with pytest.raises(StoreError, match="another source"):
        mmip.repair_zarr(store, array[:5])


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": "small"}, {"labels": True}, {"max_error": 2}])
@pytest.mark.parametrize("axes", ["tyx", "nzyx", "tczyx", "tnyx", "yxt"])
def test_planes_that_are_appended_leave_those_before_them(axes, options):
    shape = [{"t": 5, "n": 3, "c": 2, "z": 2, "y": 20, "x": 24}[letter] for letter in axes]
    array = np.random.default_rng(7).integers(0, 900, shape, np.uint16)
    growing = axes.index("t" if "t" in axes else "n")
    first, second = np.split(array, [2], axis=growing)
    store = MemoryStore()
    mmip.write_zarr(first, store, axes=axes, effort=1, progress=False, **options)
    before = chunk_bytes(store)
    mmip.append_zarr(second, store, progress=False)
    after = chunk_bytes(store)
    assert {key: after[key] for key in before} == before
    assert mmip.verify_zarr(store)["ok"]
    read = mmip.open_zarr(store)[...]
    assert np.abs(read.astype(int) - array).max() <= options.get("max_error", 0)


@pytest.mark.parametrize("step", ["create_arrays", "set_attributes"])
@pytest.mark.parametrize("options", [{"lossless": True}, {"labels": True}])
def test_an_append_that_is_killed_is_called_again(monkeypatch, options, step):
    array, store = np.random.default_rng(7).integers(0, 900, (5, 40, 50), np.uint16), MemoryStore()
    mmip.write_zarr(array[:3], store, axes="tyx", progress=False, **options)
    with monkeypatch.context() as patch:
        patch.setattr(StoreGroup, step, Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            mmip.append_zarr(array[3:], store, progress=False)
    assert (mmip.open_zarr(store)[...] == array[:3]).all()
    mmip.append_zarr(array[3:], store, progress=False)
    assert (mmip.open_zarr(store)[...] == array).all()
    assert mmip.verify_zarr(store)["ok"]


def test_a_store_grows_is_copied_and_becomes_a_source(kind):
    array, _ = KINDS[kind]
    axis = {"axis": "z"} if array.ndim == 3 else {}
    length = 16 if array.ndim == 3 else None
    store = MemoryStore()
    mmip.write_zarr(array[:length], store, **options_of(kind))
    if length:
        mmip.append_zarr(array[length:], store, progress=False, **axis)
    copy = MemoryStore()
    assert mmip.fetch_zarr(store, copy, progress=False)["stages"] == 1
    assert mmip.upgrade_zarr(copy)["bytes_read"] == 0
    for place in (store, copy):
        assert mmip.verify_zarr(place)["ok"]
        assert (mmip.open_zarr(place)[...] == array).all()
    again = MemoryStore()
    mmip.write_zarr(store, again, **options_of(kind))
    assert (mmip.open_zarr(again)[...] == array).all()
    with pytest.raises(InvalidArgument, match="stages"):
        mmip.open_zarr(store, stages=2)


def test_levels_of_an_export_are_the_scales(kind):
    array, store = written(kind)
    image = MemoryStore()
    levels = mmip.export_ome_zarr(store, image, progress=False)["levels"]
    group = zarr.open_group(image, mode="r")
    for number, scale in enumerate((1, 2, 4, 8)[: len(levels)]):
        assert (group[str(number)][...] == at_scale(array, kind, scale)).all()
    assert ("image-label" in group.attrs["ome"]) == (kind == "labels")
    assert (mmip.open_zarr(store).dask().compute(scheduler="synchronous") == array).all()


def test_other_places_and_sources(kind, tmp_path):
    array, options = KINDS[kind][0], options_of(kind)
    dask_array = pytest.importorskip("dask.array")
    foreign = zarr.create_array(tmp_path / "foreign.zarr", data=array, chunks=(20,) * array.ndim)
    mmip.write_zarr(array, tmp_path / "a.zarr", **options)
    sources = [dask_array.from_array(array, chunks=16), foreign, tmp_path / "a.zarr" / "samples"]
    places = [tmp_path / "b.zip", f"memory://single-{kind}.zarr", tmp_path / "c.zarr"]
    for source, place in zip(sources, places, strict=True):
        mmip.write_zarr(source, place, **options)
        assert (mmip.open_zarr(place)[1:, 3:] == array[1:, 3:]).all()
        assert mmip.verify_zarr(place, progress=False)["ok"]
    xarray = pytest.importorskip("xarray")
    opened = xarray.open_dataset(tmp_path / "a.zarr", engine=MmipBackend)["image"]
    assert opened.dtype == array.dtype
    assert (opened[3:7].values == array[3:7]).all()


def test_shards_of_the_codec(kind):
    array, coding = KINDS[kind]
    inner, shard = (16,) * array.ndim, (32,) * array.ndim
    made = zarr.create_array({}, data=array, chunks=inner, shards=shard, serializer=Mmip(**coding), compressors=None)
    whole = made[...]
    assert np.abs(whole.astype(float) - array).max() <= coding.get("max_error", 0)
    assert (made[3:19, 5:40] == whole[3:19, 5:40]).all()


@pytest.mark.parametrize("shape", [(0, 8), (1, 1), (1,), (3, 1, 1)])
def test_arrays_of_next_to_nothing(kind, shape):
    array = np.ones(shape, KINDS[kind][0].dtype)
    store = MemoryStore()
    mmip.write_zarr(array, store, **{k: v for k, v in options_of(kind).items() if k != "chunks"})
    assert np.array_equal(mmip.open_zarr(store)[...], array)
    assert mmip.verify_zarr(store)["ok"]


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1] + b"\1", lambda data: data[:-1], lambda data: data + b"\0"],
    ids=["other", "shorter", "longer"],
)  # fmt: skip
def test_records_of_images_that_were_jpeg_are_as_long_as_the_others(change):
    _, store = written("jpeg")
    records = {key: data for key, data in chunk_bytes(store).items() if key.startswith("chunk")}
    assert len({len(data) for data in records.values()}) == 1
    key, data = next((key, data) for key, data in records.items() if data.endswith(b"\0\0\0\0"))
    assert ChunkHeader.parse(data)[0].fields.name == "jpeg origin"
    store._store_dict[key] = buffer(change(data))
    assert mmip.verify_zarr(store)["chunks"][0]["state"] == "damaged"


def test_chunks_that_were_jpeg_are_read_by_the_ranges_of_their_bands():
    array, store = jpeg_image((40 * 128, 128)).reshape(40, 128, 128), MemoryStore()
    whole = mmip.write_zarr(array, store, lossless="small", chunks=array.shape, progress=False)["bytes"]
    counting = CountingStore(store)
    assert (mmip.open_zarr(counting)[3, 10:20, 3:50] == array[3, 10:20, 3:50]).all()
    assert 0 < counting.take()["samples"] < whole / 2


def test_colour_that_was_a_jpeg_file():
    array, store = jpeg_image((64, 96, 3)), MemoryStore()
    mmip.write_zarr(array, store, axes="yxc", lossless="small", chunks=32, progress=False)
    assert {described["kind"] for _, described in mmip.open_zarr(store).records()} <= STORED["jpeg"]
    assert (mmip.open_zarr(store)[...] == array).all()
    assert mmip.verify_zarr(store)["ok"]
