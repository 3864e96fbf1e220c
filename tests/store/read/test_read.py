"""Stores as arrays: indices, scales, Dask, and only what is needed is read."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from helpers.stores import SMALL, VOLUME, CountingStore
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, MissingResource


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


@pytest.mark.parametrize("options", [{"stages": 4}, {"stages": 0}, {"scale": 3}, {"stages": True}], ids=str)
def test_stages_and_scales_that_there_are_not(store, options):
    with pytest.raises(InvalidArgument):
        mmip.open_zarr(store, **options)


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
