"""The phantoms: the seed's hash, the written formula, and any region equal to the same part of the whole."""

from __future__ import annotations

import doctest
import hashlib
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume import phantoms
from mmip_gpu.volume.phantoms import Phantom3D, phantom2d, phantom3d, phantom_roi

SEED_SHA256 = "ff46b79b4f2840f8ae00f0d8ecc9965bed6a7ea40116da5fef360d70fae7ce6f"
SMALL = (7, 24, 33)


def philox(counter: tuple[int, int, int, int]) -> list[int]:
    """The four words of Philox 4x32-10 with key (0, 0), from the paper."""
    c, key = list(counter), [0, 0]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ key[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def noise(z: int, y: int, x: int) -> int:
    """The noise of a voxel, from the text of the module, with the quantiles of Python's own normal distribution."""
    bits = philox((x // 8, y, z, 0))[x % 8 // 2] >> 16 * (x % 2) & 0xFFFF
    magnitude = int(NormalDist(0, 30).inv_cdf(0.5 + ((bits & 0x7FFF) + 0.5) / 65536))
    return -1 - magnitude if bits >> 15 else magnitude


def by_formula(shape: tuple[int, int, int], z: int) -> np.ndarray:
    """One slice voxel by voxel, from the text of the design and of the module."""
    depth, rows, columns = shape
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
            plane[row, column] = max(value + noise(z, row, column), 0)
    return plane


def test_philox_of_these_tests_is_that_of_the_paper() -> None:
    assert philox((0, 0, 0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # known answer of Random123


def test_phantom2d_is_the_seeds_image() -> None:
    image = phantom2d()
    assert (image.shape, image.dtype) == ((512, 512), np.uint16)
    assert hashlib.sha256(image.tobytes()).hexdigest() == SEED_SHA256


@pytest.mark.parametrize("shape", [SMALL, (1, 1, 1), (2, 5, 150), (3, 9, 64)])
def test_phantom3d_follows_the_formula(shape: tuple[int, int, int]) -> None:
    volume = phantom3d(shape)
    assert (volume.shape, volume.dtype) == (shape, np.uint16)
    for z in range(shape[0]):
        np.testing.assert_array_equal(volume[z], by_formula(shape, z))


def test_edges_of_tissues_lie_where_the_formula_says() -> None:
    shape, z, y = (64, 300, 1000), 31, 140
    w, v, u = (z - 32) / 64, (y - 150) / 300, (np.arange(1000) - 500) / 1000
    inside = (u / 0.36) ** 2 + (v / 0.46) ** 2 + (w / 0.48) ** 2 <= 1
    np.testing.assert_array_equal(Phantom3D(shape)[z, y] > 1600, inside)


def test_noise_is_normal() -> None:
    air = Phantom3D((64, 4096, 4096))[0, :200].astype(float)  # the ellipsoids begin below
    assert abs((air > 0).mean() - NormalDist(0, 30).cdf(-1)) < 2e-3
    tissue = Phantom3D((64, 4096, 4096))[32, 1000:1200, 2048:2148].astype(float) - 3199.5
    assert abs(tissue.mean()) < 0.7
    assert tissue.std() == pytest.approx(30, rel=0.01)
    assert ((tissue / 30) ** 4).mean() == pytest.approx(3, rel=0.06)
    assert abs(np.corrcoef(tissue[:-1].ravel(), tissue[1:].ravel())[0, 1]) < 0.03


def test_phantom3d_bytes_are_pinned() -> None:
    digest = hashlib.sha256(phantom3d((8, 32, 48)).tobytes()).hexdigest()
    assert digest == "e8b1143978a434227c8e4f1c645cc33ef6b835c26c21d1759e9e862c91f1c2b3"


axis_keys = st.one_of(
    st.integers(-7, 6),
    st.builds(
        slice,
        st.none() | st.integers(-9, 9),
        st.none() | st.integers(-9, 9),
        st.sampled_from([None, 1, 2, 3, -1, -2, 10**30]),
    ),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(axis_keys, min_size=0, max_size=3).map(tuple))
def test_any_index_equals_the_same_part_of_the_whole(key: tuple[int | slice, ...]) -> None:
    np.testing.assert_array_equal(Phantom3D(SMALL)[key], phantom3d(SMALL)[key], strict=True)


def test_iteration_and_conversion() -> None:
    lazy = Phantom3D(SMALL)
    assert len(list(lazy)) == len(lazy) == SMALL[0]
    np.testing.assert_array_equal(np.asarray(lazy), phantom3d(SMALL), strict=True)
    assert np.asarray(lazy, dtype=np.float32).dtype == np.float32
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # before, copy=False asked for a view where there can be one
        with pytest.raises(ValueError, match="always a copy"):
            np.array(lazy, copy=False)


def test_only_the_voxels_asked_for_are_made() -> None:
    most = 2**31 - 1
    huge = Phantom3D((most, most, most))
    part = huge[most - 2 :, 3:4, most - 5 :: 2]
    assert part.shape == (2, 1, 3)
    expected = [[[max(noise(z, 3, x), 0) for x in range(most - 5, most, 2)]] for z in (most - 2, most - 1)]
    np.testing.assert_array_equal(part, expected)


def test_regions_are_c_ordered() -> None:
    for key in ((slice(None, None, -1),), (slice(None), 3), (0, slice(None), slice(5, 2, -1))):
        assert Phantom3D(SMALL)[key].flags.c_contiguous


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
    with pytest.raises(InvalidArgument, match="integers and slices"):
        Phantom3D(SMALL)[0, [1, 2]]
    with pytest.raises(IndexError):
        Phantom3D(SMALL)[7]


def test_docstring_examples_run() -> None:
    assert doctest.testmod(phantoms).failed == 0
