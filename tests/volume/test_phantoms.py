"""The phantoms: the seed's hash, the written formula, and any region equal to the same part of the whole."""

from __future__ import annotations

import doctest
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume import phantoms
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d, phantom3d, phantom3d_region, phantom_roi

SEED_SHA256 = "ff46b79b4f2840f8ae00f0d8ecc9965bed6a7ea40116da5fef360d70fae7ce6f"
SMALL = (7, 24, 33)


def by_formula(shape: tuple[int, int, int], z: int) -> np.ndarray:
    """One slice voxel by voxel, from the text of the design."""
    depth, rows, columns = shape
    noise = np.random.default_rng([0, z]).normal(0, 30, (rows, columns)).astype(np.float32)
    plane = np.zeros((rows, columns), np.uint16)
    for row in range(rows):
        for column in range(columns):
            w, v, u = (z - depth / 2) / depth, (row - rows / 2) / rows, (column - columns / 2) / columns
            value = 0
            if (u / 0.36) ** 2 + (v / 0.46) ** 2 + (w / 0.48) ** 2 <= 1:
                value = 3200
            if ((u + 0.12) / 0.12) ** 2 + (v / 0.18) ** 2 + (w / 0.40) ** 2 <= 1:
                value = 14000
            if ((u - 0.16) / 0.18) ** 2 + ((v - 0.10) / 0.12) ** 2 + (w / 0.35) ** 2 <= 1:
                value = 6500
            plane[row, column] = int(min(max(np.float32(value) + noise[row, column], 0), 65535))
    return plane


def test_phantom2d_is_the_seeds_image() -> None:
    image = phantom2d()
    assert (image.shape, image.dtype) == ((512, 512), np.uint16)
    assert hashlib.sha256(image.tobytes()).hexdigest() == SEED_SHA256


def test_phantom3d_follows_the_formula() -> None:
    volume = phantom3d(SMALL)
    assert (volume.shape, volume.dtype) == (SMALL, np.uint16)
    for z in range(SMALL[0]):
        np.testing.assert_array_equal(volume[z], by_formula(SMALL, z))


def test_phantom3d_bytes_are_pinned() -> None:
    digest = hashlib.sha256(phantom3d((8, 32, 48)).tobytes()).hexdigest()
    assert digest == "3eb4bbb7066865b2a262d666dd805206ce87c8e8202a3b9285604abf5764bc24"


axis_keys = st.one_of(
    st.integers(-7, 6),
    st.builds(
        slice,
        st.none() | st.integers(-9, 9),
        st.none() | st.integers(-9, 9),
        st.sampled_from([None, 1, 2, -1]),
    ),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(axis_keys, min_size=0, max_size=3).map(tuple))
def test_any_index_equals_the_same_part_of_the_whole(key: tuple[int | slice, ...]) -> None:
    np.testing.assert_array_equal(Phantom3D(SMALL)[key], phantom3d(SMALL)[key], strict=True)


def test_region_equals_the_same_part_of_the_whole() -> None:
    region = (slice(2, 5), slice(3, 20), slice(0, 33))
    np.testing.assert_array_equal(phantom3d_region(SMALL, region), phantom3d(SMALL)[region], strict=True)


def test_iteration_and_conversion() -> None:
    lazy = Phantom3D(SMALL)
    assert len(list(lazy)) == len(lazy) == SMALL[0]
    np.testing.assert_array_equal(np.asarray(lazy), phantom3d(SMALL), strict=True)
    assert np.asarray(lazy, dtype=np.float32).dtype == np.float32
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # before, copy=False asked for a view where there can be one
        with pytest.raises(ValueError, match="always a copy"):
            np.array(lazy, copy=False)


def test_only_the_slices_asked_for_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[object] = []
    generator = np.random.default_rng
    monkeypatch.setattr(phantoms.np.random, "default_rng", lambda seed: seeds.append(seed) or generator(seed))
    huge = Phantom3D((10**9, 16, 16))
    assert huge[999_999_990:999_999_992, 3:4].shape == (2, 1, 16)
    assert seeds == [[0, 999_999_990], [0, 999_999_991]]


def test_roi_is_the_bone() -> None:
    roi = phantom_roi(phantom2d())
    assert roi.dtype == np.bool_
    assert roi.mean() == pytest.approx(np.pi * 0.12 * 0.18, rel=0.12)  # the organ covers a little of the bone
    assert phantom_roi(np.array([8999, 9000], np.uint16)).tolist() == [False, True]


@pytest.mark.parametrize("shape", [(), (4, 4), (1, 2, 3, 4), (0, 8, 8), (4, -1, 8)])
def test_impossible_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgument, match="three sizes"):
        phantom3d(shape)


def test_impossible_size_and_index_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least 1"):
        phantom2d(0)
    with pytest.raises(InvalidArgument, match="at most 3"):
        Phantom3D(SMALL)[0, 0, 0, 0]
    with pytest.raises(IndexError):
        Phantom3D(SMALL)[7]


def test_docstring_examples_run() -> None:
    assert doctest.testmod(phantoms).failed == 0
