"""Stores are written with slices along z: another axis is refused, and none is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmip_gpu as mmip


@pytest.mark.parametrize("axis", ["t", "n"])
def test_stores_refuse_other_axes(tmp_path: Path, axis: str) -> None:
    samples = np.zeros((3, 40, 40), np.uint8)
    with pytest.raises(mmip.InvalidArgument, match="stores are written along z"):
        mmip.write_zarr(samples, tmp_path / "a.zarr", quality=10, axes=f"{axis}yx", slice_axis=axis)
    mmip.write_zarr(samples, tmp_path / "b.zarr", quality=10, axes=f"{axis}yx", slice_axis="z")


def test_stores_choose_none(tmp_path: Path) -> None:
    samples = np.stack([np.arange(160 * 160, dtype=np.uint16).reshape(160, 160)] * 4)
    mmip.write_zarr(samples, tmp_path / "a.zarr", qstep=20, axes="tyx", effort=3, chunks=(4, 160, 160))
    assert mmip.verify_zarr(tmp_path / "a.zarr")["ok"]
    assert np.abs(mmip.open_zarr(tmp_path / "a.zarr")[:].astype(int) - samples).max() < 100
