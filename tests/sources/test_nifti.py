"""Sources in NIfTI: order of axes, scaling, units, colour, what is refused."""

from __future__ import annotations

import contextlib
import gzip
import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers.source_checks import check_common, ramp

from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, StoreError
from mmip_gpu.sources import default_axes, open_source


def write_nifti(path: Path, array: np.ndarray, zooms: tuple[float, ...] = (), unit: str = "mm") -> Path:
    """Write `array` (x, y, z, t) as stored integers."""
    image = nibabel.Nifti1Image(array, np.eye(4))
    image.header.set_data_dtype(array.dtype)
    if zooms:
        image.header.set_zooms(zooms)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def set_scaling(path: Path, slope: float, intercept: float) -> None:
    """Patch scl_slope and scl_inter in an uncompressed NIfTI-1 header."""
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">i2"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 5, 6, 3)])
def test_nifti_is_transposed(tmp_path: Path, shape: tuple[int, ...], dtype: str, suffix: str) -> None:
    stored = ramp(shape, dtype)
    path = write_nifti(tmp_path / f"brain{suffix}", stored, (0.5, 0.75, 2.0, 1.5)[: len(shape)])
    opened = open_source(path)
    check_common(opened)
    assert opened.shape == shape[::-1]
    assert opened.axes == default_axes(len(shape))
    assert opened.metadata["spacing"] == [2.0, 0.75, 0.5][3 - min(3, len(shape)) :]
    assert (opened.metadata["slope"], opened.metadata["intercept"]) == (1.0, 0.0)
    np.testing.assert_array_equal(opened.read(), stored.T)
    region = tuple(slice(1, size) for size in opened.shape)
    np.testing.assert_array_equal(opened.read(region), stored.T[region])


def test_nifti_scaling_is_kept_and_never_applied(tmp_path: Path) -> None:
    stored = ramp((4, 5, 6))
    path = write_nifti(tmp_path / "ct.nii", stored)
    set_scaling(path, 2.5, -1024)
    opened = open_source(path)
    assert (opened.metadata["slope"], opened.metadata["intercept"]) == (2.5, -1024.0)
    np.testing.assert_array_equal(opened.read(), stored.T, strict=True)
    set_scaling(path, np.nan, np.nan)
    check_common(open_source(path))


def test_nifti_units(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "cells.nii", ramp((4, 5, 6)), (100.0, 200.0, 500.0), "micron")
    assert open_source(path).metadata["spacing"] == pytest.approx([0.5, 0.2, 0.1])


def test_nifti_rgb_is_colour(tmp_path: Path) -> None:
    stored = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for offset, channel in enumerate("RGB"):
        stored[channel] = ramp((4, 5, 6), "uint8") + offset
    opened = open_source(write_nifti(tmp_path / "map.nii.gz", stored))
    assert (opened.shape, opened.axes, opened.dtype) == ((6, 5, 4, 3), "zyxc", np.uint8)
    expected = np.stack([stored[channel].T for channel in "RGB"], axis=-1)
    np.testing.assert_array_equal(opened.read(), expected)
    region = (slice(1, 4), slice(2, 3), slice(0, 3), slice(1, 2))
    np.testing.assert_array_equal(opened.read(region), expected[region])


@pytest.mark.parametrize(("dtype", "held"), [("int32", "uint8"), ("float64", "float32"), ("uint32", "uint8")])
def test_nifti_of_wide_samples_is_read_as_what_holds_them(tmp_path: Path, dtype: str, held: str) -> None:
    stored = abs(ramp((4, 5, 6), dtype))
    opened = open_source(write_nifti(tmp_path / "map.nii", stored))
    assert opened.dtype == np.dtype(held)
    np.testing.assert_array_equal(opened.read(), stored.T)
    far = stored / 3 if dtype == "float64" else stored * stored.dtype.type(999)
    with pytest.raises(InvalidArgument, match=r"which fit none of|does not hold"):
        open_source(write_nifti(tmp_path / "map.nii", far))
    with pytest.raises(InvalidArgument, match="found samples of type"):
        open_source(write_nifti(tmp_path / "map.nii", stored.astype("complex64")))


def test_nifti_of_float32_is_read_as_it_is(tmp_path: Path) -> None:
    array = (ramp((4, 5, 6), "int16") / 7).astype(np.float32)
    source = open_source(write_nifti(tmp_path / "map.nii", array))
    assert source.dtype == np.float32
    np.testing.assert_array_equal(source.read(), array.T, strict=True)


def test_nifti_of_five_axes_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "vectors.nii", ramp((2, 2, 2, 2, 3)))
    with pytest.raises(InvalidArgument, match="1 to 4 NIfTI axes"):
        open_source(path)


def test_truncated_nifti_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp((20, 20, 20)))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(StoreError, match="truncated"):
        open_source(path)
    path.write_bytes(data[:100])
    with pytest.raises(StoreError, match=r"cannot read ct.nii"):
        open_source(path)
    negative = bytearray(data)
    negative[42:44] = b"\xff\xff"  # dim[1] = -1
    path.write_bytes(negative)
    with pytest.raises(StoreError, match=r"damaged: found shape \(-1, 20, 20\)"):
        open_source(path)
    packed = tmp_path / "ct.nii.gz"
    packed.write_bytes(gzip.compress(data)[:-200])
    opened = open_source(packed)
    with pytest.raises(StoreError, match=r"cannot read ct.nii.gz"):
        opened.read()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".npy"])
@pytest.mark.parametrize("seed", range(4))
def test_any_damage_gives_samples_or_an_error_of_ours(tmp_path: Path, seed: int, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    if suffix == ".npy":
        np.save(path, ramp((6, 5, 4)))
    else:
        write_nifti(tmp_path / "scan.nii", ramp((6, 5, 4)))
    data = path.with_suffix("").with_suffix(suffix[:4]).read_bytes()
    random = np.random.default_rng(seed)
    for _ in range(25):
        damaged = bytearray(data[: random.choice([len(data), random.integers(1, len(data))])])
        for at in random.integers(len(damaged), size=random.integers(1, 6)):
            damaged[at] = random.integers(256)
        path.write_bytes(gzip.compress(damaged, 1) if suffix == ".nii.gz" else damaged)
        with warnings.catch_warnings(), contextlib.suppress(MmipError):
            warnings.simplefilter("ignore")
            assert open_source(path).read().dtype.kind in "iu"


def test_missing_nibabel_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(tmp_path / "ct.nii", ramp((4, 4, 4)))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingResource, match=r"nibabel.*mmip-gpu\[io\]"):
        open_source(path)
