"""Sources of arrays, .npy, NIfTI, Zarr and phantoms: what is read, what is said about it, what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import doctest
import gzip
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from mmip_gpu import sources
from mmip_gpu.errors import InvalidArgument, MissingResource, MmipError, StoreError
from mmip_gpu.sources import Source, default_axes, open_source, source
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d, phantom3d

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def ramp(shape: tuple[int, ...], dtype: str = "int16") -> np.ndarray:
    return (
        (np.arange(np.prod(shape, dtype=int)) % 251 - (100 if np.dtype(dtype).kind == "i" else 0))
        .reshape(shape)
        .astype(dtype)
    )


def check_common(opened: Source) -> None:
    """What holds for every source."""
    assert {"kind", "file", "spacing", "slope", "intercept"} <= opened.metadata.keys()
    assert json.loads(json.dumps(opened.metadata, allow_nan=False)) == opened.metadata
    assert opened.dtype.isnative
    assert len(opened.axes) == len(opened.shape) == opened.ndim
    assert opened.fingerprint.isascii()
    assert " " not in opened.fingerprint


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


# --- arrays


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">u2", ">i2"])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (3, 4, 5), (2, 3, 4, 5), (0, 4), (7, 9, 3)])
def test_array(shape: tuple[int, ...], dtype: str) -> None:
    array = ramp(shape, dtype)
    opened = open_source(array)
    check_common(opened)
    assert (opened.shape, opened.axes) == (shape, default_axes(len(shape)))
    assert opened.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(opened.read(), array)
    assert opened.read().dtype == opened.dtype
    assert opened.read().flags.c_contiguous


def test_awkward_memory_layouts() -> None:
    array = np.asfortranarray(ramp((6, 8, 10), ">u2"))[::2, ::-1, 1:]
    array.flags.writeable = False
    part = open_source(array).read((slice(1, 3), slice(0, 8), slice(2, 5)))
    np.testing.assert_array_equal(part, array[1:3, :, 2:5])
    assert part.flags.c_contiguous
    assert part.dtype == np.uint16


@settings(deadline=None, max_examples=60)
@given(st.tuples(*[st.builds(slice, *[st.none() | st.integers(-9, 9)] * 2)] * 3))
def test_any_region_reads_as_numpy_slices(region: tuple[slice, ...]) -> None:
    array = ramp((4, 5, 6))
    np.testing.assert_array_equal(open_source(array).read(region), array[region], strict=True)


@pytest.mark.parametrize("region", [(slice(0, 1),), (slice(0, 4, 2), slice(None)), (0, slice(None)), [slice(None)] * 2])
def test_regions_that_are_not_one_slice_per_axis_are_refused(region: Any) -> None:
    with pytest.raises(InvalidArgument, match="slice"):
        open_source(ramp((4, 5))).read(region)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4), np.nan), "float64.*int16.*NaN"),
        (np.zeros((4, 4), bool), "bool.*uint8"),
        (np.zeros((4, 4), np.int32), "int32.*int16"),
        (np.zeros((4, 4), np.uint32), "uint32.*uint16"),
        (np.array([[1, None]], object), "object"),
        (np.zeros(4, np.complex64), "complex64"),
        (np.uint8(3), "1 to 5 axes"),
        (np.zeros((1,) * 6, np.uint8), "1 to 5 axes"),
        ([[1, 2], [3, 4]], "cannot open a list"),
        (None, "cannot open a NoneType"),
    ],
)
def test_what_no_array_source_can_give(array: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        open_source(array)


def test_colour_is_never_guessed_and_can_be_stated() -> None:
    opened = open_source(ramp((8, 8, 3), "uint8"))
    assert opened.axes == "zyx"
    assert dataclasses.replace(opened, axes="yxc").axes == "yxc"
    with pytest.raises(InvalidArgument, match="one letter per axis"):
        dataclasses.replace(opened, axes="yx")


def test_a_source_is_returned_as_it_is_and_is_frozen() -> None:
    opened = open_source(ramp((4, 4)))
    assert open_source(opened) is opened
    with pytest.raises(dataclasses.FrozenInstanceError):
        opened.name = "other"  # type: ignore[misc]


def test_array_fingerprint_follows_content_shape_and_dtype() -> None:
    array = ramp((64, 64))
    changed = array.copy()
    changed[32:] += 1
    marks = {open_source(a).fingerprint for a in (array, changed, array.reshape(32, 128), array.view(np.uint16))}
    assert len(marks) == 4
    assert open_source(array.astype(">i2", order="F")).fingerprint == open_source(array).fingerprint


class Lazy:
    """An array-like that counts the samples it gives."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.given = array, array.shape, array.dtype, 0

    def __getitem__(self, key: Any) -> list[Any]:
        part = self.array[key]
        self.given += part.size
        if self.array.size == 1:
            raise RuntimeError("the cable is out")
        return part.tolist()


def test_array_like_is_read_by_parts() -> None:
    lazy = Lazy(ramp((50, 60, 70)))
    opened = open_source(lazy)
    assert lazy.given <= 3 * 8**3
    np.testing.assert_array_equal(opened.read((slice(3, 5), slice(0, 1), slice(9, 70))), lazy.array[3:5, 0:1, 9:70])


def test_what_an_array_like_raises_becomes_a_store_error() -> None:
    with pytest.raises(StoreError, match=r"the cable is out \(RuntimeError\)"):
        open_source(Lazy(ramp((1, 1))))


def test_an_array_like_of_wrong_extent_is_refused() -> None:
    opened = dataclasses.replace(open_source(ramp((4, 4))), reader=lambda region: np.zeros((1, 1), np.int16))
    with pytest.raises(StoreError, match=r"expected samples of shape \(4, 4\)"):
        opened.read()


# --- phantoms


@pytest.mark.parametrize("name", ["phantom", "phantom2d"])
def test_phantom2d_by_name(name: str) -> None:
    opened = open_source(name)
    check_common(opened)
    np.testing.assert_array_equal(opened.read(), phantom2d(), strict=True)


def test_phantom3d_by_name_and_as_array() -> None:
    assert open_source("phantom3d").shape == (256, 512, 512)
    by_name, as_array = open_source("phantom3d:6x20x30"), open_source(Phantom3D((6, 20, 30)))
    assert by_name.fingerprint == as_array.fingerprint
    assert by_name.metadata["kind"] == "phantom3d"
    np.testing.assert_array_equal(by_name.read(), phantom3d((6, 20, 30)), strict=True)
    check_common(by_name)


@pytest.mark.parametrize("name", ["phantom3d:", "phantom3d:4x4", "phantom3d:4x4x-4", "phantom3d:0x4x4"])
def test_impossible_phantom_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="phantom"):
        open_source(name)


# --- .npy


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<i2"])
def test_npy(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(ramp((5, 6, 7), dtype), order=order)
    path = tmp_path / "scan.npy"
    np.save(path, array)
    opened = open_source(path)
    check_common(opened)
    assert (opened.name, opened.metadata["kind"], opened.metadata["file"]) == ("scan.npy", "npy", "scan.npy")
    np.testing.assert_array_equal(opened.read((slice(1, 3), slice(0, 6), slice(2, 4))), array[1:3, :, 2:4])
    assert open_source(str(path)).fingerprint == opened.fingerprint


def test_npy_fingerprint_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, ramp((4, 4)))
    before = open_source(path).fingerprint
    os.utime(path, ns=(1, 1))
    assert open_source(path).fingerprint != before


def test_empty_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "empty.npy", ramp((0, 4)))
    assert open_source(tmp_path / "empty.npy").read().shape == (0, 4)


def test_damaged_npy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, ramp((64, 64)))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"cannot read scan.npy"):
        open_source(path)
    path.write_bytes(b"not an array")
    with pytest.raises(StoreError, match=r"cannot read scan.npy"):
        open_source(path)


def test_npy_of_objects_is_refused_without_unpickling(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InvalidArgument, match="Python objects"):
        open_source(tmp_path / "objects.npy")


def test_paths_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_source(tmp_path / "absent.npy")
    (tmp_path / "picture.gif").write_bytes(b"GIF89a")
    with pytest.raises(InvalidArgument, match=r"extension '.gif'.*NIfTI.*DICOM.*TIFF.*Zarr"):
        open_source(tmp_path / "picture.gif")
    (tmp_path / "nothing").write_bytes(b"")
    with pytest.raises(InvalidArgument, match="no extension"):
        open_source(tmp_path / "nothing")
    with pytest.raises(StoreError):
        open_source("x" * 5000)


@pytest.mark.parametrize("name", ["mr_ge_knee.npy", "em_isbi_train.npy"])
def test_shared_data_opens(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the shared data are not on this machine")
    opened = open_source(path)
    check_common(opened)
    np.testing.assert_array_equal(opened.read(), np.load(path))


# --- NIfTI


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


@pytest.mark.parametrize(("dtype", "message"), [("int32", "int32.*int16"), ("float64", "stated scaling.*NaN")])
def test_nifti_of_other_samples_is_refused(tmp_path: Path, dtype: str, message: str) -> None:
    path = write_nifti(tmp_path / "map.nii", ramp((4, 5, 6), dtype))
    with pytest.raises(InvalidArgument, match=message):
        open_source(path)


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


# --- Zarr


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_by_path_and_object(tmp_path: Path, zarr_format: Any) -> None:
    values = ramp((20, 30, 40))
    path = tmp_path / "scan.zarr"
    stored = zarr.create_array(path, data=values, chunks=(8, 8, 8), zarr_format=zarr_format)
    for opened in (open_source(path), open_source(stored)):
        check_common(opened)
        assert (opened.axes, opened.metadata["kind"]) == ("zyx", "zarr")
        np.testing.assert_array_equal(opened.read((slice(3, 9), slice(0, 30), slice(7, 8))), values[3:9, :, 7:8])
    before = open_source(path).fingerprint
    stored[:2, :2, :2] = 99
    assert open_source(path).fingerprint != before


def test_zarr_dimension_names_may_say_colour(tmp_path: Path) -> None:
    for names, axes in ((("y", "x", "c"), "yxc"), (("a", "b", "c"), "zyx"), (None, "zyx")):
        array = zarr.create_array(zarr.storage.MemoryStore(), data=ramp((4, 5, 3), "uint8"), dimension_names=names)
        assert open_source(array).axes == axes
    stains = zarr.create_array({}, data=ramp((3, 4, 5, 3), "uint8"), dimension_names=["c", "z", "y", "x"])
    assert (open_source(stains).axes, open_source(stains).colour) == ("czyx", False)


def test_zarr_that_cannot_be_opened(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "study.zarr", mode="w")
    group.create_array("image", data=ramp((4, 4)))
    with pytest.raises(InvalidArgument, match=r"group.*image"):
        open_source(tmp_path / "study.zarr")
    assert open_source(tmp_path / "study.zarr" / "image").shape == (4, 4)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(StoreError, match=r"cannot read empty.zarr"):
        open_source(tmp_path / "empty.zarr")


def test_damaged_zarr_chunk_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "scan.zarr"
    zarr.create_array(path, data=ramp((8, 8)), chunks=(8, 8))
    opened = open_source(path)
    (path / "c" / "0" / "0").write_bytes(b"damaged")
    with pytest.raises(StoreError, match=r"cannot read scan.zarr"):
        opened.read()


# --- the rest


def test_default_axes() -> None:
    assert [default_axes(ndim) for ndim in range(1, 6)] == ["x", "yx", "zyx", "tzyx", "tczyx"]
    for ndim in (0, 6):
        with pytest.raises(InvalidArgument, match="1 to 5 axes"):
            default_axes(ndim)


@pytest.mark.parametrize("module", [sources, source])
def test_docstring_examples_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
