"""A DICOM series through the store: the main job on what scanners write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.dicom_files import series

import mmip_gpu as mmip
from mmip_gpu.sources import open_source


def test_a_series_becomes_a_store_and_comes_back(tmp_path: Path) -> None:
    folder = series(tmp_path / "series", range(6), RescaleSlope="2", RescaleIntercept="-1024")
    source = open_source(folder)
    volume = source.read()
    report = mmip.write_zarr(folder, tmp_path / "a.zarr", lossless=True, stages=3)
    stored = mmip.open_zarr(tmp_path / "a.zarr")
    assert report["complete"]
    assert report["loss"]["lossless"]
    assert np.array_equal(stored.to_numpy(), volume)
    assert stored.metadata["slope"] == 2
    assert stored.metadata["intercept"] == -1024
    assert stored.metadata["spacing"] == source.metadata["spacing"]


def test_stages_of_a_series_get_closer(tmp_path: Path) -> None:
    folder = series(tmp_path / "series")
    volume = open_source(folder).read().astype(float)
    mmip.write_zarr(folder, tmp_path / "a.zarr", quality=200)
    errors = [np.mean((mmip.open_zarr(tmp_path / "a.zarr", stages=k)[...] - volume) ** 2) for k in (1, 2, 3)]
    assert errors[0] >= errors[1] >= errors[2]
