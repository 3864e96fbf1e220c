"""Stores of one array that a Dask cluster writes, whose worker is killed halfway through a file."""

from __future__ import annotations

import os

import pytest
from helpers.cluster_sources import TornStore
from helpers.phantom_stores import chunk_bytes
from helpers.single_stores import KINDS, options_of
from zarr.storage import LocalStore

import mmip_gpu as mmip


@pytest.mark.parametrize("name", ["samples", "chunk"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_is_killed_in_a_write(cluster, client, tmp_path, kind, name):
    array, options = KINDS[kind][0], options_of(kind)
    mmip.write_zarr(array, tmp_path / "whole", **options)
    whole = chunk_bytes(tmp_path / "whole")
    key = sorted(key for key in whole if key.startswith(name))[3]
    torn = TornStore(LocalStore(tmp_path / "a.zarr"), str(tmp_path), key, os.getpid())
    report = mmip.write_zarr(array, torn, client=client, **options)
    assert (tmp_path / "met").exists()
    cluster.add_worker()
    assert report["complete"]
    assert chunk_bytes(tmp_path / "a.zarr") == whole
    assert mmip.verify_zarr(tmp_path / "a.zarr", client=client, progress=False)["ok"]
