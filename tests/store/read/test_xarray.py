"""Stores in xarray by its engine, and what a reader is told that opens something by the wrong name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.entry_points import installed_like

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, StoreError

xarray = pytest.importorskip("xarray")

from mmip_gpu.store.read.xarray_backend import MmipBackend  # noqa: E402

VOLUME = mmip.phantom3d((24, 64, 64))
STAINS = np.stack([VOLUME, VOLUME // 2])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    mmip.write_zarr(VOLUME, folder / "grey.zarr", quality=10, chunks=(8, 32, 32), cell_depth=1)
    mmip.write_zarr(STAINS, folder / "stains.zarr", quality=10, axes="czyx")
    mmip.write_zarr(VOLUME[5], folder / "plane.zarr", quality=10)
    mmip.write_zarr(VOLUME.astype(np.float32), folder / "float.zarr", max_error=3, step=1.0)
    mmip.write_zarr(np.zeros((256, 512), "u1"), folder / "flat.zarr", qstep=200, padding=None)
    return folder


@pytest.mark.parametrize("name", ["grey", "stains", "plane", "float", "flat"])
def test_the_engine_opens_what_open_zarr_opens(stores: Path, name: str) -> None:
    path = stores / f"{name}.zarr"
    whole = mmip.open_zarr(path)
    image = xarray.open_dataset(path, engine=MmipBackend)["image"]
    assert (image.dims, image.shape, image.dtype) == (tuple(whole.axes), whole.shape, whole.dtype)
    assert np.array_equal(image.values, whole[...])
    assert np.array_equal(image[..., 3:40:7, ::-2].values, whole[...][..., 3:40:7, ::-2])
    assert np.array_equal(image[..., [5, 2, 9]].values, whole[...][..., [5, 2, 9]])
    assert image.attrs["report"]["complete"]


def test_stages_scales_and_centres(stores: Path) -> None:
    image = xarray.open_dataset(stores / "grey.zarr", engine=MmipBackend, stages=1, scale=4)["image"]
    coarse = mmip.open_zarr(stores / "grey.zarr", stages=1, scale=4)
    assert np.array_equal(image, coarse[...])
    assert image.y.values[:2].tolist() == [1.5, 5.5]
    assert (image.attrs["stages"], image.attrs["scale"]) == (1, 4)
    with pytest.raises(InvalidArgument, match="stages=9"):
        xarray.open_dataset(stores / "grey.zarr", engine=MmipBackend, stages=9)


def test_chunks_are_those_of_the_store(stores: Path) -> None:
    pytest.importorskip("dask")
    lazy = xarray.open_dataset(stores / "grey.zarr", engine=MmipBackend, chunks={})["image"]
    assert lazy.data.chunksize == (8, 32, 32)
    assert np.array_equal(lazy[3:9].compute(), mmip.open_zarr(stores / "grey.zarr")[3:9])
    assert list(xarray.open_dataset(stores / "grey.zarr", engine=MmipBackend, drop_variables="image")) == []


def test_an_installed_package_is_found(stores: Path, tmp_path: Path) -> None:
    code = (
        "import sys, xarray; path = sys.argv[1];"
        "print(xarray.open_dataset(path, engine='mmip').image.shape, xarray.open_dataset(path).image.shape)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(stores / "grey.zarr")],
        env=installed_like(tmp_path), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert found.stdout.split("\n")[0] == "(24, 64, 64) (24, 64, 64)", found.stderr


@pytest.mark.parametrize("name", ["grey", "stains", "plane", "float", "flat"])
def test_xarrays_own_reader_names_the_engine(stores: Path, name: str) -> None:
    with pytest.raises(ValueError, match='engine="mmip"'):
        xarray.open_zarr(stores / f"{name}.zarr", consolidated=False)


def test_guesses(stores: Path, tmp_path: Path) -> None:
    guess = MmipBackend().guess_can_open
    zarr.create_array(tmp_path / "array.zarr", data=VOLUME)
    assert guess(stores / "grey.zarr")
    assert not any(map(guess, (tmp_path / "array.zarr", tmp_path, tmp_path / "none", "s3://bucket/a.zarr", 3)))


def _array(path: Path) -> Any:
    return zarr.create_array(path, data=VOLUME)


def _old_array(path: Path) -> Any:
    return zarr.create_array(path, data=VOLUME, zarr_format=2)


def _group(path: Path) -> Any:
    zarr.create_group(path).create_array("a", data=VOLUME)


def _image(path: Path) -> Any:
    store: dict[str, Any] = {}
    mmip.write_zarr(VOLUME, store, quality=10)
    mmip.export_ome_zarr(store, path)


def _files(path: Path) -> Any:
    path.mkdir()
    np.save(path / "a.npy", VOLUME)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_array, r"a plain Zarr array, which zarr.open_array\('.*a.zarr'\) opens"),
        (_old_array, r"a plain Zarr array, which zarr.open_array\('.*a.zarr'\) opens"),
        (_group, r"another Zarr group, which zarr.open_group\(.*its arrays: a"),
        (_image, r"an OME-Zarr image, which zarr.open_group\(.*its arrays: 0, 1, 2, 3"),
        (_files, "no Zarr group; a file or a DICOM series is a source, which write_zarr takes"),
    ],
)
@pytest.mark.parametrize("read", [mmip.open_zarr, mmip.verify_zarr, lambda path: mmip.fetch_zarr(path, {})])
def test_what_is_no_store_is_named(
    make: Callable[[Path], Any], said: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    make(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match=said):
        read(tmp_path / "a.zarr")
