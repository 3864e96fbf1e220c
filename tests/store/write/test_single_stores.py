"""Stores of lossless arrays without stages: one Zarr array of containers beside the records."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.entry_points import installed_like
from helpers.progressive_stores import CountingStore
from helpers.stores import VOLUME, buffer, chunk_bytes, keys_of, textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import CorruptData, InvalidArgument, StoreError
from mmip_gpu.sources import open_source
from mmip_gpu.store.job import job as jobs
from mmip_gpu.store.run import device_runner

EXACT: dict[str, Any] = {"lossless": True, "chunks": (16, 32, 32), "threads": 2, "progress": False}
KEY = "samples/c/0/1/2"  # the chunk (0, 0, 1, 2)


@pytest.fixture
def single() -> MemoryStore:
    store = MemoryStore()
    mmip.write_zarr(VOLUME, store, **EXACT)
    return store


@pytest.mark.parametrize(
    ("shape", "dtype", "options"),
    [
        ((20, 50, 70), "int16", {"chunks": (16, 32, 32)}),
        ((40, 64), "uint8", {}),
        ((1000,), "uint16", {"chunks": 256}),
        ((3, 20, 33), "int8", {"axes": "tyx"}),
        ((2, 3, 9, 20, 33), "uint16", {"chunks": 16}),
        ((2, 40, 60, 3), "uint8", {"axes": "tyxc", "colour": True, "chunks": 32}),
        ((40, 60, 3), "uint8", {"axes": "yxc", "colour": False, "chunks": 32}),
        ((20, 40, 60), "float32", {"step": 0.25, "chunks": 32}),
        ((20, 40, 60), "uint16", {"effort": 1, "chunks": (20, 40, 60)}),
    ],
    ids=str,
)
def test_samples_regions_and_scales_are_those_of_a_container(shape, dtype, options):
    array = textured(shape, "int16").astype("float32") / 4 if dtype == "float32" else textured(shape, dtype)
    store = MemoryStore()
    report = mmip.write_zarr(array, store, lossless=True, progress=False, **options)
    volume = mmip.open_zarr(store)
    assert (volume[...] == array).all()
    assert (report["complete"], len(report["stages"]), volume.stages) == (True, 1, 1)
    assert report["loss"]["lossless"]
    assert report["plan"]["method"] == "fast"
    inside = tuple(slice(n // 3, n // 3 * 2 + 1) for n in shape)
    assert (volume[inside] == array[inside]).all()
    container = mmip.encode(array, lossless=True, **{k: v for k, v in options.items() if k != "chunks"})
    for scale in (2, 4, 8):
        expected = mmip.decode(container, scale=scale)
        assert (mmip.open_zarr(store, scale=scale)[...] == expected).all()
    assert mmip.verify_zarr(store)["ok"]
    plain = zarr.open_group(store, mode="r")["samples"]
    assert (plain.shape, plain.dtype, plain.chunks) == (shape, dtype, volume.chunks)
    assert (plain[...] == array).all()
    assert (plain[inside] == array[inside]).all()
    assert (open_source(plain).read(inside) == array[inside]).all()


def test_the_smallest_mode_has_the_same_store(single):
    store = MemoryStore()
    report = mmip.write_zarr(VOLUME, store, **EXACT | {"lossless": "small"})
    assert report["plan"]["method"] == "small"
    assert report["bytes"] < mmip.open_zarr(single).report["bytes"]
    assert (mmip.open_zarr(store)[3:17, 20:41, 30:] == VOLUME[3:17, 20:41, 30:]).all()
    samples = zarr.open_group(store, mode="r")["samples"]
    assert (samples[...] == VOLUME).all()
    assert (samples[3:17, 20:41, 30:] == VOLUME[3:17, 20:41, 30:]).all()
    key = next(key for key in chunk_bytes(store) if key.startswith("samples"))
    del store._store_dict[key]
    assert mmip.repair_zarr(store, VOLUME)["ok"]
    with pytest.raises(StoreError, match="another job"):
        mmip.write_zarr(VOLUME, store, **EXACT)


def test_any_reader_of_zarr_opens_the_samples(tmp_path):
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **EXACT)
    np.save(tmp_path / "a.npy", VOLUME)
    code = (
        "import numpy as np, zarr, sys; a = zarr.open_group('a.zarr', mode='r')['samples'];"
        "e = np.load('a.npy'); assert (a[...] == e).all() and (a[17:, 3:40, 60:] == e[17:, 3:40, 60:]).all();"
        "assert (a[:, -1, [0, 69]] == e[:, -1, [0, 69]]).all()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=installed_like(tmp_path), check=True, timeout=120)


def test_records_are_the_headers_of_the_containers(single):
    records = chunk_bytes(single)
    for at, described in mmip.open_zarr(single).records():
        container = records["samples/c/" + "/".join(map(str, at[1:]))]
        record = records["chunk/c/" + "/".join(map(str, at)) + "/0"]
        assert container.startswith(record[:-16])
        shown = mmip.inspect(container)
        assert (shown["kind"], shown["loss"]) == (described["kind"], described["loss"])
        assert (shown["kind"], shown["loss"]["lossless"], shown["bytes"]) == ("predictive", True, len(container))


def test_a_region_reads_the_ranges_that_it_needs():
    noise = np.random.default_rng(0).integers(0, 4000, (64, 128, 192)).astype(np.uint16)
    store = MemoryStore()
    whole = mmip.write_zarr(noise, store, lossless=True, chunks=noise.shape, progress=False)["bytes"]
    counting = CountingStore(store)
    volume = mmip.open_zarr(counting)
    assert (volume[5, 3:9, 100:120] == noise[5, 3:9, 100:120]).all()
    few = counting.take()["samples"]
    assert 0 < few < whole / 4
    assert (volume[5, 3:9, 100:120] == noise[5, 3:9, 100:120]).all()
    assert not counting.take()["samples"]
    assert (volume[...] == noise).all()


def test_a_job_that_stopped_goes_on(monkeypatch, single):
    target, code, coded = MemoryStore(), jobs.Job.code, []

    def interrupted(self: Any, description: Any, at: Any) -> Any:
        if len(coded) >= 5:
            raise KeyboardInterrupt
        coded.append(at)
        return code(self, description, at)

    monkeypatch.setattr(jobs.Job, "code", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mmip.write_zarr(VOLUME, target, **EXACT)
    assert not mmip.open_zarr(target).report["complete"]
    kept = len(keys_of(target, "chunk"))
    monkeypatch.setattr(jobs.Job, "code", code)
    for key in keys_of(target, "chunk")[:1]:  # a chunk without its samples is coded again
        target._store_dict.pop(key.replace("chunk/c/0", "samples/c").removesuffix("/0"))
    mmip.write_zarr(VOLUME, target, **EXACT)
    assert 0 < kept < 12
    assert chunk_bytes(target) == chunk_bytes(single)


@pytest.mark.parametrize("at", [0, 20, 60, -9])
@pytest.mark.parametrize("cut", [None, -3, 10])
def test_damage_is_named_and_repaired(single, at, cut):
    expected = chunk_bytes(single)
    data = bytearray(expected[KEY])
    data[at] ^= 1
    single._store_dict[KEY] = buffer(bytes(data[:cut]))
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 1, 2\)"):
        mmip.open_zarr(single)[:16, 32:, 64:]
    found = mmip.verify_zarr(single)
    assert [chunk["chunk"] for chunk in found["chunks"]] == [[0, 0, 1, 2]]
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 1, 2\)"):
        mmip.fetch_zarr(single, MemoryStore())
    assert mmip.repair_zarr(single, VOLUME)["ok"]
    assert chunk_bytes(single) == expected


def test_containers_that_changed_places_and_what_is_missing_are_named(single):
    held = single._store_dict
    held[KEY], held["samples/c/0/1/1"] = held["samples/c/0/1/1"], held[KEY]
    del held["samples/c/1/0/0"]
    found = {tuple(chunk["chunk"]): chunk for chunk in mmip.verify_zarr(single)["chunks"]}
    assert {at: chunk["state"] for at, chunk in found.items()} == {
        (0, 0, 1, 1): "damaged", (0, 0, 1, 2): "damaged", (0, 1, 0, 0): "missing",
    }  # fmt: skip
    assert "otherwise than its record" in found[0, 0, 1, 2]["problem"]
    with pytest.raises(StoreError, match=r"chunk \(0, 1, 0, 0\), stage 1 is missing"):
        mmip.open_zarr(single)[17, 0, 0]
    assert mmip.repair_zarr(single, VOLUME)["ok"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cell_depth", 2), ("cell_depth", 1), ("cell_depth", True), ("chunks", [16, 32, 33]), ("chunks", [16, 32]),
        ("dtype", "uint32"), ("axes", "zy"), ("colour", True), ("rule", "otsu"),
    ],
)  # fmt: skip
def test_attributes_that_nobody_writes_are_refused(single, key, value):
    group = zarr.open_group(single, mode="r+")
    attributes = dict(group.attrs["mmip"])
    attributes["description"] = attributes["description"] | {key: value}
    group.attrs["mmip"] = attributes
    with pytest.raises(CorruptData, match="attributes"):
        mmip.open_zarr(single)


def test_metadata_of_other_samples_are_named(single):
    held = single._store_dict["samples/zarr.json"].to_bytes()
    single._store_dict["samples/zarr.json"] = buffer(held.replace(b'"z"', b'"q"'))
    with pytest.raises(StoreError, match="samples"):
        mmip.open_zarr(single)[...]
    single._store_dict["samples/zarr.json"] = buffer(held.replace(b"20,", b"21,"))
    assert "expected shape" in mmip.verify_zarr(single)["arrays"][0]


def test_a_store_grows_is_copied_and_becomes_a_source(tmp_path):
    store = tmp_path / "a.zarr"
    mmip.write_zarr(VOLUME[:16], store, **EXACT)
    assert mmip.append_zarr(VOLUME[16:], store, progress=False)["shape"] == [20, 50, 70]
    copy = MemoryStore()
    assert mmip.fetch_zarr(store, copy, progress=False)["stages"] == 1
    assert mmip.verify_zarr(copy)["ok"]
    assert (mmip.open_zarr(copy)[...] == VOLUME).all()
    assert (zarr.open_group(store, mode="r")["samples"][...] == VOLUME).all()
    again = mmip.write_zarr(store, MemoryStore(), **EXACT)
    assert not again["lossy"]
    assert [entry["lossy"] for entry in mmip.open_zarr(copy).loss_history] == [False]
    with pytest.raises(InvalidArgument, match="stages"):
        mmip.open_zarr(store, stages=2)
    with pytest.raises(InvalidArgument, match="stages"):
        mmip.fetch_zarr(store, MemoryStore(), stages=2)


def test_pyramids_dask_and_xarray(single):
    image = MemoryStore()
    levels = mmip.export_ome_zarr(single, image, progress=False)["levels"]
    assert levels == [[20, 50, 70], [10, 25, 35], [5, 13, 18], [3, 7, 9]]
    for number, scale in enumerate((1, 2, 4, 8)):
        level = zarr.open_group(image, mode="r")[str(number)]
        assert (level[...] == mmip.open_zarr(single, scale=scale)[...]).all()
    lazy = mmip.open_zarr(single)
    assert (lazy.dask().compute(scheduler="synchronous") == VOLUME).all()
    xarray = pytest.importorskip("xarray")
    from mmip_gpu.store.read.xarray_backend import MmipBackend

    opened = xarray.open_dataset(single, engine=MmipBackend)["image"]
    assert (opened[3:7, ::5].values == VOLUME[3:7, ::5]).all()


def test_slices_of_different_slopes_are_chunks_of_their_own():
    source = open_source(VOLUME)
    slopes = [1.0 + k for k in range(20)]
    apart = type(source)(**vars(source) | {"metadata": {"slope_per_slice": slopes, "slope": None}})
    store = MemoryStore()
    report = mmip.write_zarr(apart, store, lossless=True, progress=False)
    assert (report["chunks"][0], report["plan"]["cell_depth"]) == (1, 1)
    scaled = mmip.open_zarr(store, scale=2)
    assert scaled.shape == (20, 25, 35)
    assert (scaled[3] == mmip.decode(mmip.encode(VOLUME[3], lossless=True), scale=2)).all()
    with pytest.raises(InvalidArgument, match="pass 1 on z"):
        mmip.write_zarr(apart, MemoryStore(), **EXACT)


def test_a_device_writes_what_the_cpu_does(monkeypatch, single, recwarn):
    monkeypatch.setattr(device_runner, "CudaExecutor", HostExecutor)
    store = MemoryStore()
    mmip.write_zarr(VOLUME, store, device="gpu", **EXACT)
    assert chunk_bytes(store) == chunk_bytes(single)
    assert not any(isinstance(found.message, RuntimeWarning) for found in recwarn)


def test_a_device_leaves_other_methods_to_the_cpu_with_a_warning(monkeypatch):
    monkeypatch.setattr(device_runner, "CudaExecutor", HostExecutor)
    options = EXACT | {"lossless": "small"}
    store, expected = MemoryStore(), MemoryStore()
    mmip.write_zarr(VOLUME, expected, **options)
    with pytest.warns(RuntimeWarning, match="no kernels encode method 'small'"):
        mmip.write_zarr(VOLUME, store, device="gpu", **options)
    assert chunk_bytes(store) == chunk_bytes(expected)


def test_stages_cuts_and_regions_keep_stage_arrays():
    for options in ({"stages": 2}, {"cuts": (9,), "cell_depth": 1}, {"roi": "threshold:100"}):
        store = MemoryStore()
        mmip.write_zarr(VOLUME, store, lossless=True, progress=False, **options)
        assert "stage_1" in zarr.open_group(store, mode="r")
        assert (mmip.open_zarr(store)[...] == VOLUME).all()
        mmip.write_zarr(VOLUME, store, lossless=True, overwrite=True, progress=False)
        assert set(zarr.open_group(store, mode="r").array_keys()) == {"chunk", "samples"}
