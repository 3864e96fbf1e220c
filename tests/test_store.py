"""Stores: what is written is read back by stages and regions, and survives interruption and damage."""

from __future__ import annotations

import doctest
import errno
import gc
import importlib
import json
import math
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.buffer import cpu
from zarr.storage import LocalStore, MemoryStore, StorePath, WrapperStore

import mmip_gpu as mmip
from mmip_gpu import errors
from mmip_gpu.errors import CorruptData, InvalidArgument, MissingResource, StoreError, UnsupportedVersion
from mmip_gpu.sources import Source, open_source
from mmip_gpu.store.group import grid
from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.grid import ChunkGrid, chunk_lengths
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.job import job as jobs
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.survey import surveyed_here
from mmip_gpu.store.read import open_store as reading
from mmip_gpu.store.write.check import verify_zarr
from mmip_gpu.store.write.repair import repair_zarr
from mmip_gpu.transform.chunk import Encoded
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import RoiRule

ROOT = Path(mmip.__file__).parents[1]  # where the package that is tested lies
SMALL = {"quality": 20, "chunks": (16, 32, 32), "threads": 2}


def textured(shape: tuple[int, ...], dtype: str = "int16", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(scale=4, size=shape), axis=-1)
    info = np.iinfo(dtype)
    return np.clip(walk * 3 + (info.max + info.min) // 2 % 1000, info.min, info.max).astype(dtype)


VOLUME = textured((20, 50, 70))


class CountingStore(WrapperStore[Any]):
    """Counts the bytes that are read under each key."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.counts: Counter[str] = Counter()

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        found = await super().get(key, prototype, byte_range)
        if found is not None and "/c/" in key:
            self.counts[key] += len(found)
        return found


class FullStore(WrapperStore[Any]):
    """A disk that is full after some chunks."""

    left = 5

    async def set(self, key: str, value: Any) -> None:
        if "/c/" in key:
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= 1
        await super().set(key, value)


def keys_of(store: MemoryStore, name: str) -> list[str]:
    return sorted(k for k in store._store_dict if k.startswith(f"{name}/c/"))


def chunk_bytes(store: MemoryStore) -> dict[str, bytes]:
    return {k: v.to_bytes() for k, v in store._store_dict.items() if "/c/" in k}


def buffer(data: bytes) -> Any:
    return zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(data)


@pytest.fixture
def store() -> MemoryStore:
    found = MemoryStore()
    mmip.write_zarr(VOLUME, found, **SMALL)
    return found


# --- round trip

CASES: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "x": ((300,), "uint8", {"chunks": (64,)}),
    "yx": ((75, 41), "uint16", {"chunks": (32, 32)}),
    "zyx-flat": ((1, 40, 70), "int16", {"chunks": (1, 64, 32)}),
    "zyx-8": ((19, 33, 47), "uint16", {"cell_depth": 8, "chunks": (5, 17, 40)}),
    "zyx-1": ((5, 33, 47), "int8", {"cell_depth": 1, "chunks": (2, 20, 40), "stages": 4}),
    "tzyx": ((3, 9, 20, 40), "int16", {"chunks": (1, 8, 16, 32)}),
    "tzyx-spatial-chunks": ((2, 9, 20, 40), "uint8", {"chunks": (8, 16, 32)}),
    "yxc-colour": ((40, 70, 3), "uint8", {"axes": "yxc", "chunks": (32, 32, 3)}),
    "yxc-grey": ((40, 70, 3), "uint8", {"axes": "yxc", "colour": False, "chunks": (32, 32)}),
    "zyxc": ((9, 20, 40, 3), "uint16", {"axes": "zyxc", "cell_depth": 8}),
    "cyx": ((5, 40, 33), "int16", {"axes": "cyx", "chunks": (32, 32)}),
    "tczyx": ((2, 3, 3, 20, 33), "uint8", {"chunks": (8, 16, 32)}),
    "tzyxc": ((1, 2, 20, 33, 3), "uint8", {"axes": "tzyxc"}),
    "one": ((1, 1, 1), "uint8", {}),
    "empty": ((0, 8, 8), "int16", {}),
    "big-endian": ((20, 33, 47), ">i2", {}),
    "default": ((20, 50, 70), "int16", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_lossless_round_trip(case):
    shape, dtype, options = CASES[case]
    array = textured(shape, np.dtype(dtype).newbyteorder("=").name).astype(dtype)
    target = MemoryStore()
    report = mmip.write_zarr(array, target, lossless=True, **({"stages": 3} | options))
    assert report["complete"]
    assert report["loss"]["lossless"]
    volume = mmip.open_zarr(target)
    assert volume.shape == shape
    assert volume.dtype == np.dtype(dtype).newbyteorder("=")
    found = volume.to_numpy()
    assert (found == array).all()
    assert json.loads(json.dumps(volume.report, allow_nan=False)) == volume.report
    assert volume.bytes_needed == report["bytes"] == sum(map(len, chunk_bytes(target).values()))
    for scale in (2, 4, 8):
        reduced = mmip.open_zarr(target, scale=scale)
        depth = report["plan"]["cell_depth"]
        axes = report["axes"]
        small = PlaneLayout(axes, shape).scaled(scale, depth).shape
        assert reduced.shape == reduced[...].shape == small


@pytest.mark.parametrize(
    "options", [{}, {"stages": 1}, {"stages": 2}, {"scale": 2}, {"scale": 4}, {"scale": 8}], ids=str
)
@pytest.mark.parametrize("roi", [None, "threshold:100"])
def test_a_chunk_decodes_as_its_container_does(roi, options):
    target = MemoryStore()
    mmip.write_zarr(VOLUME, target, roi=roi, **SMALL)
    volume = mmip.open_zarr(target, **options)
    inside = volume._store
    for part in volume._grid.parts(tuple(slice(0, n) for n in volume.shape)):
        at = part.coordinates
        header = inside.header(at)
        payloads = tuple(bytes(inside.payload(at, k + 1)) for k in range(3))
        container = Encoded(header, payloads).to_bytes()
        assert (mmip.decode(container, **options) == volume[part.target]).all()
        assert mmip.inspect(container)["stages"][0]["bytes"] == volume.record(at)["stages"][0]["bytes"]
    assert len(list(volume.records())) == volume.report["chunk_count"] == 12


def test_channels_of_five_axes_are_no_colour():
    array = textured((1, 3, 2, 20, 33), "uint8")
    report = mmip.write_zarr(array, MemoryStore(), lossless=True, stages=2)
    assert (report["axes"], report["colour"], report["chunk_count"]) == ("tczyx", False, 3)
    assert mmip.write_zarr(array, MemoryStore(), lossless=True, stages=2, colour=True)["chunk_count"] == 1
    stated = mmip.write_zarr(array.transpose(0, 2, 3, 4, 1), MemoryStore(), lossless=True, stages=2, axes="tzyxc")
    assert stated["colour"]


def test_colour_and_time_chunks_hold_whole_planes():
    grid = ChunkGrid(PlaneLayout.of((2, 40, 3, 70), "tycx"), 1, (1, 32, 3, 32))
    assert grid.counts == (2, 1, 2, 3)
    assert grid.cells((1, 0, 1, 2)) == (3, 1, 1, 1)
    assert grid.region((1, 0, 1, 2)) == (slice(1, 2), slice(32, 40), slice(0, 3), slice(64, 70))
    parts = list(grid.parts((slice(1, 2), slice(0, 40), slice(0, 3), slice(33, 34))))
    assert [p.coordinates for p in parts] == [(1, 0, 0, 1), (1, 0, 1, 1)]


def test_threads_and_place_do_not_change_the_bytes(tmp_path):
    found = []
    for threads in (1, 3):
        target = MemoryStore()
        mmip.write_zarr(VOLUME, target, quality=20, chunks=(16, 32, 32), threads=threads)
        found.append(chunk_bytes(target))
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)
    found.append({k: (tmp_path / "a.zarr" / k).read_bytes() for k in found[0]})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "key",
    [
        ...,
        3,
        -1,
        (2, 3, 4),
        (slice(3, 17), slice(None), slice(20, 21)),
        (..., 5),
        (slice(None), ..., slice(60, 3, -7)),
        slice(4, 4),
        slice(30, 40),
        (slice(None, None, 3), 7, slice(None, None, -1)),
        (0, ..., slice(-5, None)),
        (),
    ],
    ids=str,
)
def test_indexing_is_that_of_numpy(store, key):
    volume = mmip.open_zarr(store)
    whole = volume.to_numpy()
    found, expected = volume[key], whole[key]
    assert np.shape(found) == np.shape(expected)
    assert (found == expected).all()


def test_indexing_at_a_scale(store):
    for scale in (2, 4, 8):
        volume = mmip.open_zarr(store, scale=scale)
        whole = volume[...]
        assert (volume[1:, 2:5, ::-2] == whole[1:, 2:5, ::-2]).all()


@pytest.mark.parametrize(
    "key",
    [20, -21, (0, 0, 70), (0, 0, 0, 0), (..., ...), 1.5, "x", None, True, np.ones(20, bool), slice(0, 5, 0)],
    ids=str,
)
def test_indices_that_are_refused(store, key):
    with pytest.raises(InvalidArgument):
        mmip.open_zarr(store)[key]


def test_it_is_an_array_like(store):
    volume = mmip.open_zarr(store, threads=1)
    assert (np.asarray(volume) == volume.to_numpy()).all()
    assert np.asarray(volume, dtype=np.float32).dtype == np.float32
    assert len(volume) == 20
    assert sum(1 for _ in volume) == 20
    assert (volume.ndim, volume.size, volume.nbytes) == (3, VOLUME.size, VOLUME.nbytes)
    assert (volume.axes, volume.stages, volume.scale) == ("zyx", 3, 1)
    assert "zyx" in repr(volume)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # before, copy=False asks for nothing
        with pytest.raises(ValueError, match="copy"):
            np.array(volume, copy=False)
    again = MemoryStore()
    mmip.write_zarr(volume, again, lossless=True, stages=2)
    assert (mmip.open_zarr(again).to_numpy() == volume.to_numpy()).all()


def test_it_pickles(tmp_path):
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)
    volume = mmip.open_zarr(tmp_path / "a.zarr", stages=2)
    _ = volume[0]
    assert (pickle.loads(pickle.dumps(volume))[...] == volume[...]).all()


def test_dask(store, monkeypatch):
    pytest.importorskip("dask.array")
    volume = mmip.open_zarr(store, scale=2)
    lazy = volume.dask()
    assert lazy.shape == volume.shape
    assert lazy.dtype == volume.dtype
    assert (lazy[3:9, ::2].compute(scheduler="threads") == volume[3:9, ::2]).all()


def test_without_dask(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(MissingResource, match="dask"):
        mmip.open_zarr(store).dask()


# --- sources and metadata


def test_sources(tmp_path):
    np.save(tmp_path / "a.npy", VOLUME)
    zarr.create_array(tmp_path / "in.zarr", data=VOLUME, chunks=(7, 50, 70))
    for name, source in {"npy": tmp_path / "a.npy", "zarr": tmp_path / "in.zarr", "array": VOLUME}.items():
        mmip.write_zarr(source, tmp_path / f"{name}.out", **SMALL)
        assert (mmip.open_zarr(tmp_path / f"{name}.out")[5] == mmip.open_zarr(tmp_path / "npy.out")[5]).all()
    report = mmip.write_zarr("phantom3d:8x32x32", tmp_path / "p", quality=10, progress=False)
    assert report["shape"] == [8, 32, 32]


def test_metadata_of_a_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(VOLUME.T, np.diag([0.5, 0.75, 3.0, 1.0]))
    image.header.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    mmip.write_zarr(tmp_path / "a.nii.gz", tmp_path / "a.zarr", **SMALL)
    metadata = mmip.open_zarr(tmp_path / "a.zarr").metadata
    assert metadata["kind"] == "nifti"
    assert metadata["scale"] == [3.0, 0.75, 0.5]
    assert metadata["axes"][0] == {"name": "z", "type": "space", "unit": "millimeter"}


def test_unknown_spacing_says_nothing(store):
    metadata = mmip.open_zarr(store).metadata
    assert metadata["scale"] is None
    assert metadata["axes"][2] == {"name": "x", "type": "space"}


# --- regions of interest


def test_masks(tmp_path):
    mask = np.zeros(VOLUME.shape, np.uint8)
    mask[4:9, 10:40, 20:60] = 1
    mask[6, 20:24, 40:48] = 2
    options = SMALL | {"roi_quality": {1: 40, 2: "lossless"}}
    found = []
    stored = zarr.create_array(tmp_path / "mask.zarr", data=mask, chunks=(3, 50, 70))
    for roi in (mask, mask.astype(np.int64), stored):
        target = MemoryStore()
        mmip.write_zarr(VOLUME, target, roi=roi, **options)
        found.append(chunk_bytes(target))
        image = mmip.open_zarr(target).to_numpy()
        assert (image[mask == 2] == VOLUME[mask == 2]).all()
        assert (image != VOLUME).any()
    assert found[0] == found[1] == found[2]


def test_a_spatial_mask_holds_for_all_times_and_channels():
    series = textured((2, 8, 32, 32, 3), "uint8")[0]
    mask = np.zeros((8, 32, 32), bool)
    mask[:, :16] = True
    target = MemoryStore()
    mmip.write_zarr(series, target, axes="zyxc", colour=False, quality=5, roi=mask, roi_quality="lossless")
    image = mmip.open_zarr(target).to_numpy()
    assert (image[:, :16] == series[:, :16]).all()
    full = MemoryStore()
    channels = np.zeros(series.shape, np.uint8)
    channels[:, :16, :, 1] = 1
    mmip.write_zarr(series, full, axes="zyxc", colour=False, quality=5, roi=channels, roi_quality="lossless")
    assert chunk_bytes(full) == chunk_bytes(target)


@pytest.mark.parametrize("colour", [True, False])
def test_a_rule_marks_what_it_marks_in_the_whole_array(colour):
    image = textured((40, 70, 3), "uint8")
    options: dict[str, Any] = {"quality": 5, "roi": "threshold:140", "roi_quality": "lossless", "axes": "yxc"}
    target = MemoryStore()
    mmip.write_zarr(image, target, colour=colour, chunks=(64, 96), **options)
    whole = mmip.decode(mmip.encode(image, colour=colour, **options))
    marked = (image >= 140).any(axis=-1)
    assert (mmip.open_zarr(target).to_numpy()[marked] == image[marked]).all()
    assert (whole[marked] == image[marked]).all()


def test_otsu_is_that_of_the_whole_array(tmp_path):
    pytest.importorskip("skimage")
    array = VOLUME.copy()
    array[:, 10:20, 10:20] += 2000
    report = mmip.write_zarr(array, tmp_path / "a.zarr", roi="otsu", **SMALL)
    rule = report["plan"]["rule"]
    assert rule.startswith("threshold:")
    assert (RoiRule.parse("otsu").apply(array) == RoiRule.parse(rule).apply(array)).all()
    before = (tmp_path / "a.zarr/stage_1/c/0/0/0/0/0").read_bytes()
    (tmp_path / "a.zarr/chunk/c/0/0/0/0/0").unlink()
    mmip.write_zarr(array, tmp_path / "a.zarr", roi="otsu", **SMALL)
    assert (tmp_path / "a.zarr/stage_1/c/0/0/0/0/0").read_bytes() == before
    constant = mmip.write_zarr(np.full((4, 32, 32), 7, np.uint8), MemoryStore(), quality=10, roi="otsu")
    assert constant["plan"]["rule"] == "threshold:256"


@pytest.mark.parametrize(
    "roi",
    [
        np.ones((20, 50, 71), bool),
        np.ones((50, 70), bool),
        np.ones(VOLUME.shape),
        np.full(VOLUME.shape, 8, np.uint8),
        np.full(VOLUME.shape, -1, np.int8),
        "threshold",
        [[1]],
    ],
    ids=["shape", "rank", "float", "above", "below", "rule", "list"],
)
def test_regions_that_do_not_fit(roi, tmp_path):
    with pytest.raises(InvalidArgument, match="roi"):
        mmip.write_zarr(VOLUME, tmp_path / "a.zarr", roi=roi, **SMALL)


# --- targets


@pytest.mark.parametrize("psnr", [45, 70])
def test_psnr_is_never_below_the_request(psnr):
    report = mmip.write_zarr("phantom3d:40x96x96", MemoryStore(), psnr=psnr, chunks=(16, 48, 48))
    assert psnr <= report["loss"]["psnr"] < psnr + 0.5


def test_psnr_where_the_probes_mislead(monkeypatch):
    volume = textured((16, 32, 200), "int16")
    volume[:, :, 32:] //= 50
    monkeypatch.setattr("mmip_gpu.store.job.step_search._PROBES", 1)
    report = mmip.write_zarr(volume, MemoryStore(), psnr=50, chunks=(16, 32, 32))
    assert report["plan"]["attempt"] > 0
    assert report["loss"]["psnr"] >= 50
    monkeypatch.setattr("mmip_gpu.store.job.step_search._ATTEMPTS", 1)
    report = mmip.write_zarr(volume, MemoryStore(), psnr=50, chunks=(16, 32, 32))
    assert report["loss"]["lossless"]
    report = mmip.write_zarr(volume, MemoryStore(), psnr=50, chunks=(16, 32, 32), verify=False)
    assert report["plan"]["attempt"] == 0
    assert not report["loss"]["verified"]
    assert report["loss"]["max_error"] is None


@pytest.mark.parametrize("ratio", [3, 12])
def test_the_ratio_is_reached(ratio):
    report = mmip.write_zarr("phantom3d:40x96x96", MemoryStore(), ratio=ratio, chunks=(16, 48, 48))
    assert ratio <= report["ratio"] <= 1.03 * ratio
    assert report["loss"]["mode"] == "ratio"
    assert report["loss"]["requested"] == ratio


def test_a_step_that_is_given():
    report = mmip.write_zarr(VOLUME, MemoryStore(), qstep=37.5, chunks=(16, 32, 32))
    assert report["loss"]["mode"] == "qstep"
    assert report["loss"]["requested"] == 37.5
    assert report["plan"]["qstep"] == 37.5
    assert report["plan"]["steps"] == [[37.5]]


def test_the_ratio_where_the_probes_mislead(monkeypatch):
    volume = textured((16, 32, 400), "int16")
    volume[:, :, 32:] //= 50
    monkeypatch.setattr("mmip_gpu.store.job.step_search._PROBES", 1)
    report = mmip.write_zarr(volume, MemoryStore(), ratio=10, chunks=(16, 32, 32))
    assert report["plan"]["attempt"] > 0
    assert 10 <= report["ratio"] <= 10.3
    monkeypatch.setattr("mmip_gpu.store.job.ratio_search._ATTEMPTS", 0)
    assert mmip.write_zarr(volume, MemoryStore(), ratio=10, chunks=(16, 32, 32))["ratio"] >= 10


def test_ratios_that_lossless_reaches_or_nothing():
    flat = mmip.write_zarr(np.full((32, 64, 64), 5, np.int16), MemoryStore(), ratio=10)
    assert flat["loss"]["lossless"]
    assert flat["ratio"] >= 10
    with pytest.raises(InvalidArgument, match="largest"):
        mmip.write_zarr(VOLUME, MemoryStore(), ratio=100000, chunks=(16, 32, 32))


def test_psnr_on_a_stated_range_or_none():
    report = mmip.write_zarr(VOLUME, MemoryStore(), psnr=50, data_range=4000)
    found = mmip.write_zarr(VOLUME, MemoryStore(), psnr=50)
    assert report["loss"]["peak"] == 4000
    assert report["bytes"] < found["bytes"]
    flat = mmip.write_zarr(np.full((8, 32, 32), 5, np.uint8), MemoryStore(), psnr=50)
    assert flat["loss"]["max_error"] == 0
    for bad in (0, -1, float("nan")):
        with pytest.raises(InvalidArgument, match="data_range"):
            mmip.write_zarr(VOLUME, MemoryStore(), psnr=50, data_range=bad)


def test_the_report_holds_what_was_reached(store):
    report = mmip.open_zarr(store).report
    image = mmip.open_zarr(store).to_numpy().astype(np.int64)
    error = np.abs(image - VOLUME)
    assert report["loss"]["max_error"] == error.max()
    peak = int(VOLUME.max()) - int(VOLUME.min())
    assert report["loss"]["psnr"] == pytest.approx(10 * np.log10(peak**2 / (error**2).mean()))
    assert report["ratio"] == pytest.approx(VOLUME.nbytes / report["bytes"])
    assert report["stages"][-1]["bytes_to_here"] == report["bytes"]


# --- arguments


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 10, "psnr": 50},
        {"quality": 10, "stages": 9},
        {"quality": 10, "chunks": (8, 8)},
        {"quality": 10, "chunks": (8, 8, 0)},
        {"quality": 10, "chunks": (8, 8, 8, 8)},
        {"quality": 10, "axes": "yx"},
        {"quality": 10, "axes": "xyz"},
        {"quality": 10, "colour": True},
        {"quality": 10, "threads": 0},
        {"quality": 10, "chunks": (2, 32, 32), "axes": "tyx"},
    ],
    ids=str,
)
def test_arguments_that_are_refused_leave_no_store(options, tmp_path):
    with pytest.raises(InvalidArgument):
        mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **options)
    assert not list(tmp_path.iterdir())


def test_chunks_are_whole_superblocks():
    layout = PlaneLayout.of((100, 300, 300))
    assert chunk_lengths(layout, 8, (1, 2, 2), False, (1, 17, 32)) == (16, 32, 32)
    assert chunk_lengths(layout, 1, (2, 3, 3), False, (1, 17, 33)) == (1, 32, 64)
    assert chunk_lengths(layout, 1, (2, 4, 4), False, None) == (64, 256, 256)
    assert chunk_lengths(PlaneLayout.of((2, 5, 40, 300)), 8, (2, 2, 3), False, None) == (1, 16, 48, 256)


@pytest.mark.parametrize("options", [{"stages": 4}, {"stages": 0}, {"scale": 3}, {"stages": True}], ids=str)
def test_stages_and_scales_that_there_are_not(store, options):
    with pytest.raises(InvalidArgument):
        mmip.open_zarr(store, **options)


# --- what is read


def test_only_needed_stages_are_read(store):
    for options, names in (
        ({"stages": 1}, {"chunk", "stage_1"}),
        ({"scale": 8}, {"chunk", "stage_1"}),
        ({"scale": 4}, {"chunk", "stage_1", "stage_2"}),
        ({}, {"chunk", "stage_1", "stage_2", "stage_3"}),
    ):
        counting = CountingStore(store)
        volume = mmip.open_zarr(counting, **options)
        needed = volume.bytes_needed
        assert not counting.counts
        _ = volume[...]
        assert {key.split("/")[0] for key in counting.counts} == names
        assert counting.counts.total() == needed


def test_only_touched_chunks_are_read(store):
    counting = CountingStore(store)
    volume = mmip.open_zarr(counting, stages=1)
    _ = volume[0:16, 31:33, 69]
    assert set(counting.counts) == {f"{name}/c/0/0/{y}/2/0" for name in ("chunk", "stage_1") for y in (0, 1)}
    counting.counts.clear()
    _ = volume[5:5]
    assert not counting.counts


# --- bounded work


class Slow:
    """A source that counts how many of its chunks are alive."""

    shape, dtype = (16, 32, 32 * 12), np.dtype("int16")

    def __init__(self) -> None:
        self.alive = self.most = self.reads = 0
        self.lock = threading.Lock()

    def __getitem__(self, key: Any) -> Any:
        outer = self

        class Counted(np.ndarray):
            def __del__(self) -> None:
                if getattr(self, "counted", False):
                    with outer.lock:
                        outer.alive -= 1

        with self.lock:
            self.alive += 1
            self.reads += 1
            self.most = max(self.most, self.alive)
        shape = tuple(s.stop - s.start for s in key)
        made = np.zeros(shape, np.int16).view(Counted)
        made.counted = True  # type: ignore[attr-defined]
        return made


@pytest.mark.parametrize("threads", [1, 3])
def test_few_chunks_are_in_memory(threads, monkeypatch):
    slow = Slow()
    source = Source(Slow.shape, Slow.dtype, "zyx", {}, "slow", "slow", lambda region: slow[region])
    monkeypatch.setattr(Source, "read", lambda self, region=None: self.reader(region))
    mmip.write_zarr(source, MemoryStore(), quality=10, chunks=(16, 32, 32), threads=threads, cell_depth=8)
    assert slow.reads >= 12
    assert slow.most <= threads + 1
    assert slow.alive == 0


def test_memory_does_not_grow_with_the_chunks(tmp_path, monkeypatch):
    held, done = [], 0
    add = Totals.add

    def added(*args: Any) -> None:
        nonlocal done
        add(*args)
        done += 1
        if done in (60, 220):
            gc.collect()
            names = tracemalloc.Filter(False, pathlib.__file__)  # the table of interned names of files doubles at times
            taken = tracemalloc.take_snapshot().filter_traces([names])
            held.append(sum(entry.size for entry in taken.statistics("filename")))

    monkeypatch.setattr(Totals, "add", added)
    image, options = textured((480, 480), "uint8"), {"quality": 10, "effort": 1, "chunks": (32, 32), "threads": 1}
    tracemalloc.start()
    try:
        mmip.write_zarr(image, tmp_path / "a", verify=False, **options)
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < 24_000  # bytes in 160 chunks; it was 8,000, and over 3,500 the same


def test_the_coordinates_of_a_declared_array_take_no_memory():
    grid = ChunkGrid(PlaneLayout.of((2**16, 2**25)), 1, (32, 32))
    tracemalloc.start()
    assert next(iter(grid.coordinates())) == (0, 0, 0, 0)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_the_window_takes_items_as_they_are_needed():
    taken, started = [], []

    def items() -> Any:
        for i in range(20):
            taken.append(i)
            yield i

    def work(i: int) -> int:
        started.append(i)
        time.sleep(0.002)
        assert len(taken) - len(finished) <= 3 + 2
        return i

    finished: list[int] = []
    run_bounded(work, items(), 3, finished.append)
    assert sorted(finished) == list(range(20))


def test_the_window_stops_at_the_first_error():
    started = []

    def work(i: int) -> None:
        started.append(i)
        if i == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bounded(work, range(1000), 2, lambda _: None)
    assert len(started) < 20


# --- interruption and damage


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupted_job_goes_on(threads, monkeypatch, tmp_path):
    expected = MemoryStore()
    mmip.write_zarr(VOLUME, expected, **SMALL)
    target = MemoryStore()
    options = SMALL | {"threads": threads}
    code, coded = jobs.Job.code, []

    def interrupted(self: Any, description: Any, at: Any) -> Any:
        if len(coded) >= 5:
            raise KeyboardInterrupt
        coded.append(at)
        return code(self, description, at)

    monkeypatch.setattr(jobs.Job, "code", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mmip.write_zarr(VOLUME, target, **options)
    volume = mmip.open_zarr(target)
    assert not volume.report["complete"]
    assert volume.report["loss"] is None
    assert 0 < volume.bytes_needed < mmip.open_zarr(expected).bytes_needed
    assert volume[:16, :32, :32].shape == (16, 32, 32)
    with pytest.raises(StoreError, match=r"chunk \(0, 1, 1, 2\) is missing"):
        volume[-1, -1, -1]

    before = len(keys_of(target, "chunk"))
    done: list[Any] = []

    def counted(self: Any, description: Any, at: Any) -> Any:
        done.append(at)
        return code(self, description, at)

    monkeypatch.setattr(jobs.Job, "code", counted)
    report = mmip.write_zarr(VOLUME, target, **options)
    assert report["complete"]
    assert len(done) == 12 - before
    assert chunk_bytes(target) == chunk_bytes(expected)
    assert report["loss"] == mmip.open_zarr(expected).report["loss"]
    mmip.write_zarr(VOLUME, target, **options)
    assert len(done) == 12 - before


KILLED = """
    import os, signal, sys
    import numpy as np
    import mmip_gpu as mmip
    from mmip_gpu.store import place
    write, left = place.Place.write, [int(sys.argv[2])]
    def dying(self, name, at, data):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        write(self, name, at, data)
    place.Place.write = dying
    mmip.write_zarr("phantom3d:40x64x64", sys.argv[1], quality=20, chunks=(16, 32, 32), threads=2)
"""


@pytest.mark.parametrize("writes", [0, 9, 31])
def test_a_killed_job_goes_on(writes, tmp_path):
    where = tmp_path / "a.zarr"
    code = textwrap.dedent(KILLED)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code, str(where), str(writes)], env=env, check=False)
    assert run.returncode == -signal.SIGKILL
    assert not mmip.open_zarr(where).report["complete"]
    options = {"quality": 20, "chunks": (16, 32, 32), "threads": 2}
    report = mmip.write_zarr("phantom3d:40x64x64", where, **options)
    mmip.write_zarr("phantom3d:40x64x64", tmp_path / "b.zarr", **options)
    assert report["complete"]
    assert (mmip.open_zarr(where)[...] == mmip.open_zarr(tmp_path / "b.zarr")[...]).all()


@pytest.mark.parametrize("when", ["attributes", "erase", "arrays"])
def test_a_job_stopped_before_its_first_chunk(when, tmp_path, monkeypatch):
    where = tmp_path / "a.zarr"
    mmip.write_zarr(VOLUME, where, **SMALL)
    name = {"attributes": "set_attributes", "erase": "erase_arrays", "arrays": "create_arrays"}[when]

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StoreGroup, name, stopped)
        with pytest.raises(KeyboardInterrupt):
            mmip.write_zarr(VOLUME + 1, where, overwrite=True, **SMALL)
    if when == "attributes":
        assert mmip.open_zarr(where).report["complete"]
        return
    with pytest.raises(StoreError, match="stopped"):
        mmip.open_zarr(where)
    report = mmip.write_zarr(VOLUME + 1, where, **SMALL)
    assert report["complete"]
    error = np.abs(mmip.open_zarr(where)[...].astype(int) - VOLUME - 1)
    assert error.max() == report["loss"]["max_error"]


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


# --- places


def test_another_job_in_the_same_place(tmp_path):
    where = tmp_path / "a.zarr"
    mmip.write_zarr(VOLUME, where, **SMALL)
    for source, change in (
        (VOLUME, {"quality": 30}),
        (VOLUME, {"roi": "threshold:5"}),
        (VOLUME, {"chunks": (16, 32, 64)}),
        (VOLUME + 1, {}),
        (VOLUME[1:], {}),
    ):
        with pytest.raises(StoreError, match=r"expected .*found"):
            mmip.write_zarr(source, where, **(SMALL | change))
    with pytest.raises(StoreError, match=r"is here \(target: expected quality 20.*, found quality 30.*\)"):
        mmip.write_zarr(VOLUME, where, **(SMALL | {"quality": 30}))
    with pytest.raises(StoreError, match="resume=True"):
        mmip.write_zarr(VOLUME, where, resume=False, **SMALL)
    kept = where / "notes.txt"
    kept.write_text("mine")
    report = mmip.write_zarr(VOLUME[1:], where, overwrite=True, **(SMALL | {"stages": 2}))
    assert report["complete"]
    assert mmip.open_zarr(where).shape == (19, 50, 70)
    assert not (where / "stage_3").exists()
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_ours_is_left_alone(tmp_path, overwrite):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.txt").write_text("1")
    zarr.create_array(tmp_path / "array.zarr", data=VOLUME)
    zarr.create_group(tmp_path / "group.zarr", attributes={"a": 1})
    (tmp_path / "file").write_text("2")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    for name in ("photos", "array.zarr", "group.zarr", "file", "bad.zarr"):
        with pytest.raises(StoreError, match=name):
            mmip.write_zarr(VOLUME, tmp_path / name, overwrite=overwrite, **SMALL)
        with pytest.raises(StoreError, match=name):
            mmip.open_zarr(tmp_path / name)
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


def test_places_that_are_not_there(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        mmip.open_zarr(tmp_path / "none.zarr")
    assert not (tmp_path / "none.zarr").exists()
    with pytest.raises(StoreError):
        mmip.open_zarr(MemoryStore())
    with pytest.raises(InvalidArgument):
        mmip.open_zarr(7)  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="found nothing"):
        mmip.open_zarr(tmp_path / "empty")
    assert mmip.write_zarr(VOLUME, tmp_path / "empty", **SMALL)["complete"]


def test_a_store_is_not_written_from_itself(tmp_path):
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)
    with pytest.raises(InvalidArgument, match="itself"):
        mmip.write_zarr(mmip.open_zarr(tmp_path / "a.zarr"), tmp_path / "a.zarr", overwrite=True, **SMALL)
    assert mmip.open_zarr(tmp_path / "a.zarr").report["complete"]


def test_kinds_of_places(tmp_path):
    inner: dict[str, Any] = {}
    memory = MemoryStore()
    for place in (
        str(tmp_path / "s"),
        tmp_path / "p",
        inner,
        memory,
        StorePath(memory, "deep/er"),
        LocalStore(tmp_path / "l"),
    ):
        mmip.write_zarr(VOLUME, place, **SMALL)
        assert mmip.open_zarr(place)[2:4].shape == (2, 50, 70)


def test_a_full_disk(tmp_path):
    full = FullStore(LocalStore(tmp_path / "a.zarr"))
    with pytest.raises(StoreError, match=r"chunk \(0, .*cannot be written.*No space left") as caught:
        mmip.write_zarr(VOLUME, full, **SMALL)
    assert isinstance(caught.value, OSError)
    assert not mmip.open_zarr(tmp_path / "a.zarr").report["complete"]
    assert mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)["complete"]


def test_read_only_places(store, tmp_path):
    with pytest.raises(StoreError, match="read-only"):
        mmip.write_zarr(VOLUME, MemoryStore(read_only=True), **SMALL)
    frozen = store.with_read_only(True)
    assert mmip.open_zarr(frozen)[0].shape == (50, 70)
    with pytest.raises(StoreError, match="read-only"):
        mmip.write_zarr(VOLUME, frozen, overwrite=True, **SMALL)


def test_a_source_that_fails(tmp_path):
    def broken(region: Any) -> Any:
        if region[2].start >= 32:
            raise ValueError("a bad sector")
        return VOLUME[region]

    source = Source(VOLUME.shape, VOLUME.dtype, "zyx", {}, "disk", "f", broken)
    with pytest.raises(StoreError, match="a bad sector"):
        mmip.write_zarr(source, tmp_path / "a.zarr", cell_depth=8, **SMALL)


def test_progress(capsys):
    mmip.write_zarr(VOLUME, MemoryStore(), progress=True, **SMALL)
    assert "12/12" in capsys.readouterr().err
    mmip.write_zarr(VOLUME, MemoryStore(), **SMALL)
    assert not capsys.readouterr().err


def test_errors_are_of_one_family():
    assert issubclass(reading.StoreError, errors.MmipError)
    assert open_source(VOLUME).axes == "zyx"


@pytest.mark.parametrize("name", ["grid", "window", "selection", "write", "read"])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"mmip_gpu.store.{name}")).failed == 0


def test_the_checksum_of_a_mask_does_not_depend_on_its_pieces(monkeypatch):
    mask = np.random.default_rng(5).integers(0, 3, (9, 40, 50), np.uint8)
    moved = mask.copy()
    moved[4, [7, 8]] = moved[4, [8, 7]]
    layout = PlaneLayout.of(mask.shape, "zyx")
    found = {}
    for lengths in ({"z": 64, "y": 256, "x": 256}, {"z": 4, "y": 7, "x": 11}):
        monkeypatch.setitem(grid._DEFAULT_LENGTHS, 3, lengths)
        for name, array in {"same": mask, "wide": mask.astype(">i8"), "moved": moved, "turned": mask[::-1]}.items():
            classes = RegionClasses.of(array, layout).surveyed(surveyed_here)
            assert classes.class_count == 3
            found.setdefault(name, set()).add(classes.identity)
    assert all(len(identities) == 1 for identities in found.values())
    assert found["same"] == found["wide"]
    assert len(set.union(*found.values())) == 3
