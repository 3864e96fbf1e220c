"""Regions and scales of kind 2: what is decoded is the window of the whole, and needs only the bytes that are named."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.byte_ranges import decoded_by_ranges, drawn_region
from helpers.drawn_exact import drawn_exact
from reference.decode import scale_raw

import mmip_gpu as mmip
from mmip_gpu.codecs import Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.volume.axes import shrinking_axes


@pytest.mark.parametrize("part", range(4))
def test_regions_are_windows_of_the_whole(part: int) -> None:
    rng = np.random.default_rng(part)
    for seed in range(9000 + 40 * part, 9040 + 40 * part):
        array, options = drawn_exact(seed, 12_000)
        blob = mmip.encode(array, **options)
        for _ in range(3):
            region = drawn_region(array.shape, rng)
            assert np.array_equal(mmip.decode(blob, region=region), array[region]), (seed, region)
            if mmip.inspect(blob)["kind"] == "predictive":
                found, _ = decoded_by_ranges(blob, Wanted(None, 1, region))
                assert np.array_equal(found, array[region]), (seed, region)


@pytest.mark.parametrize("shape", [(600, 700), (40, 150, 160), (2, 3, 130, 140)])
def test_a_region_reads_its_part(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    array = np.rint(rng.normal(0, 20, shape).cumsum(axis=-1)).astype(np.int16)
    blob = mmip.encode(array, lossless=True)
    region = tuple(slice(n // 2, min(n // 2 + 20, n)) for n in shape)
    found, count = decoded_by_ranges(blob, Wanted(None, 1, region))
    assert np.array_equal(found, array[region])
    assert count < len(blob) // 2
    whole, count = decoded_by_ranges(blob, Wanted())
    assert np.array_equal(whole, array)
    assert count == len(blob) - Header.parse(blob)[1]


@pytest.mark.parametrize("bounds", [(0, 0, 0, 70), (3, 3, 9, 9), (60, 60, 0, 1)])
def test_an_empty_region_reads_the_head(bounds: tuple[int, int, int, int]) -> None:
    blob = mmip.encode(mmip.phantom2d(300)[:60, :70], lossless=True)
    region = slice(*bounds[:2]), slice(*bounds[2:])
    assert mmip.decode(blob, region=region).shape == tuple(part.stop - part.start for part in region)
    found, count = decoded_by_ranges(blob, Wanted(None, 1, region))
    assert found.size == 0
    assert count < len(blob)


def window_means(array: np.ndarray, axes: str, scale: int) -> np.ndarray:
    """Means over windows of what is there, rounded half to even."""
    total, count = array.astype(np.float64), np.ones(array.shape)
    for axis, letter in enumerate(axes):
        if letter in shrinking_axes(8):
            starts = np.arange(0, array.shape[axis], scale)
            total, count = np.add.reduceat(total, starts, axis), np.add.reduceat(count, starts, axis)
    return np.rint(total / count).astype(array.dtype)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_scales_are_means_of_windows(scale: int) -> None:
    rng = np.random.default_rng(scale)
    for seed in range(9500, 9560):
        array, options = drawn_exact(seed)
        blob = mmip.encode(array, **options)
        found = mmip.decode(blob, scale=scale)
        if array.dtype.kind != "f":
            assert np.array_equal(found, window_means(array, options["axes"], scale)), seed
        assert np.array_equal(found, scale_raw(array.astype(found.dtype), options["axes"], scale)), seed
        region = drawn_region(found.shape, rng)
        assert np.array_equal(mmip.decode(blob, scale=scale, region=region), found[region]), seed
