"""Jobs on a Dask cluster: what workers cannot reach, and workers that cannot do the job."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.cluster_sources import hide_package, show_package
from helpers.clusters import NAME, SHAPE, SMALL
from zarr.storage import MemoryStore, ZipStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.sources import open_source
from mmip_gpu.store.run.pickling import pickled, unpickled
from mmip_gpu.volume.phantoms import phantom3d

da = pytest.importorskip("dask.array")


def test_what_workers_cannot_reach(client, tmp_path):
    large = np.zeros((16, 256, 256), np.uint16)
    with ZipStore(tmp_path / "a.zip", mode="w") as pickled:
        zarr.create_array(pickled, data=phantom3d(SHAPE))
    pickled = ZipStore(tmp_path / "a.zip")
    for source, place, options in (
        (large, tmp_path / "a", {}),
        (NAME, MemoryStore(), {}),
        (zarr.open_array(pickled, mode="r"), tmp_path / "d", {}),
        ("phantom3d:17x256x256", tmp_path / "b", {"roi": np.ones((17, 256, 256), np.uint8)}),
        (Unpicklable(), tmp_path / "c", {}),
    ):
        with pytest.raises(InvalidArgument, match=r"array of|shared|sent"):
            mmip.write_zarr(source, place, client=client, **(SMALL | options))
    assert not list(tmp_path.rglob("zarr.json"))


class Unpicklable:
    shape, dtype = (16, 32, 32), np.dtype(np.uint8)

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.zeros(self.shape, np.uint8)[key]


def test_clients_that_are_none(tmp_path, monkeypatch):
    for bad in (0, -1, True, 1.5, [1]):
        with pytest.raises(InvalidArgument, match="client"):
            mmip.write_zarr(NAME, tmp_path / "a", client=bad, **SMALL)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingResource, match="dask"):
        mmip.write_zarr(NAME, tmp_path / "a", client=2, **SMALL)


def test_workers_of_another_version_or_without_the_package_are_named(client, tmp_path, monkeypatch):
    first, second = client.scheduler_info()["workers"]

    with monkeypatch.context() as other:
        other.setattr("mmip_gpu.store.run.workers.__version__", "99.0")
        other.setattr("mmip_gpu.store.run.pickling.__version__", "99.0")
        with pytest.raises(StoreError, match=rf"needs mmip_gpu 99\.0.*worker {first}: .*; worker {second}: "):
            mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)
        data = pickled(NAME)
    with pytest.raises(StoreError, match=rf"process {os.getpid()}, has mmip_gpu .*, the job 99\.0"):
        unpickled(data)
    client.run(hide_package, workers=[second])
    try:
        with pytest.raises(StoreError, match=rf"found worker {second}: ModuleNotFoundError"):
            mmip.write_zarr(NAME, tmp_path / "a.zarr", client=client, **SMALL)
    finally:
        client.run(show_package, workers=[second])
    assert not (tmp_path / "a.zarr").exists()


def test_a_worker_that_finds_other_data_says_so(client, tmp_path):
    np.save(tmp_path / "a.npy", phantom3d(SHAPE))
    source = open_source(tmp_path / "a.npy")
    os.utime(tmp_path / "a.npy", (1, 1))
    with pytest.raises(StoreError, match="other data than the job"):
        mmip.write_zarr(source, tmp_path / "a.zarr", client=client, **SMALL)


def test_a_dask_array_of_unknown_shape():
    lazy = da.arange(10, chunks=5, dtype=np.uint8)
    with pytest.raises(InvalidArgument, match=r"compute_chunk_sizes\(\)"):
        open_source(lazy[lazy > 3])
