"""What tests of views share: a store, its pyramid, and a server of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mmip_gpu as mmip
from mmip_gpu.sources import Source


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a voxel size, 3D cells, and chunks that are none of the pyramid's."""
    where = tmp_path_factory.mktemp("pyramid") / "ct.zarr"
    volume = mmip.phantom3d((40, 90, 101))
    source = Source(
        volume.shape, volume.dtype, "zyx", {"spacing": [3.0, 0.5, 0.25]}, "ct", "ct", lambda region: volume[region]
    )
    mmip.write_zarr(source, where, quality=20, cell_depth=8, chunks=(16, 48, 64), verify=False)
    return where


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    target = folder.with_name("ct.ome.zarr")
    mmip.export_ome_zarr(folder, target, chunks=(32, 64, 64), threads=2)
    return target


@pytest.fixture
def server(folder: Path) -> Any:
    with mmip.serve_zarr(folder, port=0, chunks=(32, 64, 64)) as running:
        yield running
