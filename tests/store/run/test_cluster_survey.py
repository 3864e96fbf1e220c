"""Jobs on a Dask cluster: regions and whole arrays are looked through by the workers."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from helpers.cluster_sources import Volume, phantom_block
from helpers.clusters import CHUNKS, NAME, SHAPE, SMALL
from helpers.phantom_stores import chunk_bytes

import mmip_gpu as mmip
from mmip_gpu import repair_zarr
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.store.group import grid
from mmip_gpu.store.run import cluster_runner as cluster_module
from mmip_gpu.store.run import cluster_survey
from mmip_gpu.volume.phantoms import phantom3d

da = pytest.importorskip("dask.array")


def test_regions_of_interest(client, tmp_path):
    volume = phantom3d(SHAPE)
    np.save(tmp_path / "mask.npy", volume > 9000)
    mask = np.load(tmp_path / "mask.npy", mmap_mode="r")
    channels = np.stack([volume[0, ..., None], volume[1, ..., None]], axis=-2)[..., 0]
    lazy = da.from_array(channels, chunks=(32, 32, 1))
    cases = [(NAME, mask, {}), (lazy, "threshold:9000", {"axes": "yxc", "colour": False, "chunks": (32, 32)})]
    for source, roi, options in cases:
        stores = [tmp_path / f"{roi is mask}{kind}" for kind in "ab"]
        for store, where in zip(stores, (None, client), strict=True):
            mmip.write_zarr(source, store, roi=roi, client=where, **(SMALL | options))
        assert chunk_bytes(stores[0]) == chunk_bytes(stores[1])


@pytest.mark.filterwarnings("ignore:the blocks of the Dask array")
@pytest.mark.parametrize("asked", [{"psnr": 50, "verify": False}, {"quality": 20, "roi": "otsu"}], ids=str)
def test_whole_arrays_are_looked_through_by_the_workers(client, tmp_path, monkeypatch, asked):
    monkeypatch.setitem(grid._DEFAULT_LENGTHS, 3, {"z": 16, "y": 32, "x": 64})
    options = {"chunks": (16, 32, 32), "progress": False} | asked
    mmip.write_zarr(NAME, tmp_path / "alone", **options)
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=da.core.normalize_chunks((16, 48, 64), SHAPE), dtype=np.uint16)
    for name, source in {"by pieces": NAME, "by blocks": lazy}.items():
        monkeypatch.setattr(cluster_survey, "surveyed_here", None)
        mmip.write_zarr(source, tmp_path / name, client=client, **options)
        assert chunk_bytes(tmp_path / name) == chunk_bytes(tmp_path / "alone"), name
    bad = Volume(SHAPE, str(tmp_path), "raise", (16, 32, 0), os.getpid())
    with pytest.raises(StoreError, match=r"looked through on the worker tcp:.*: .*a bad sector"):
        mmip.write_zarr(bad, tmp_path / "bad", client=client, **options)


@pytest.mark.filterwarnings("ignore:the blocks of the Dask array")
def test_masks_are_looked_through_by_the_workers(client, tmp_path, monkeypatch):
    monkeypatch.setitem(grid._DEFAULT_LENGTHS, 3, {"z": 16, "y": 32, "x": 64})
    mask = (phantom3d(SHAPE) > 9000).astype(np.uint8)
    np.save(tmp_path / "a.npy", mask)
    tifffile.imwrite(tmp_path / "a.tif", mask)
    lazy = da.map_blocks(phantom_block, SHAPE, chunks=da.core.normalize_chunks((9, 50, 64), SHAPE), dtype=np.uint16)
    masks = {
        "small": mask,
        "mapped": np.load(tmp_path / "a.npy", mmap_mode="r"),
        "zarr": zarr.create_array(tmp_path / "in.zarr", data=mask > 0, chunks=(7, 64, 64)),
        "file": tmp_path / "a.tif",
        "dask": lazy > 9000,
    }
    for name, where in {"alone": None, **dict.fromkeys(masks, client)}.items():
        options = SMALL | {"roi": masks.get(name, mask), "roi_quality": 60}
        mmip.write_zarr(NAME, tmp_path / name, client=where, **options)
        assert chunk_bytes(tmp_path / name) == chunk_bytes(tmp_path / "alone"), name
        jobs = [zarr.open_group(tmp_path / store).attrs["mmip"]["job"] for store in (name, "alone")]
        assert jobs[0] == jobs[1]
        monkeypatch.setattr(cluster_survey, "surveyed_here", None)
    sizes = []
    results = cluster_module.ClusterRunner.results

    def counted(*args: Any) -> Iterator[Any]:
        for result in results(*args):
            sizes.append(len(pickle.dumps(result)))
            yield result

    monkeypatch.setattr(cluster_module.ClusterRunner, "results", counted)
    mmip.write_zarr(lazy, tmp_path / "both", client=client, **(SMALL | {"roi": lazy > 9000, "roi_quality": 60}))
    assert chunk_bytes(tmp_path / "both") == chunk_bytes(tmp_path / "alone")
    assert len(sizes) == 10 + CHUNKS
    assert max(sizes) < 2000
    (tmp_path / "both/chunk/c/0/2/0/0/0").unlink()
    assert repair_zarr(tmp_path / "both", lazy, roi=lazy > 9000, client=client)["repaired"] == [[0, 2, 0, 0]]
    with pytest.raises(InvalidArgument, match=r"expected classes 0\.\.7, found 0\.\.[1-9]"):
        mmip.write_zarr(NAME, tmp_path / "bad", client=client, **(SMALL | {"roi": lazy // 100}))
