"""Sources of arrays in memory, array-likes, .npy and Zarr: what is read, said and refused."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.source_checks import check_common, ramp
from hypothesis import given, settings
from hypothesis import strategies as st

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import default_axes, open_source

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
        (np.zeros((1,) * 7, np.uint8), "1 to 5 axes"),
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
