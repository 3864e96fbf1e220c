"""Exactness of kind 3: arrays of every kind, parts of them, threads, and what its choices give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.errors import InvalidArgument

Array = NDArray[Any]
CONTENTS = ("noise", "ramp", "spikes", "two", "equal", "smooth", "gaps")


def drawn(content: str, shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Samples of one of the contents, over the whole range of the dtype where that fits."""
    rng, info = np.random.default_rng(seed), np.iinfo(dtype)
    size = int(np.prod(shape))
    walk = np.cumsum(rng.integers(-3, 4, size))
    values: dict[str, Any] = {
        "noise": rng.integers(info.min, info.max, size, endpoint=True),
        "ramp": np.arange(size) * 7 + info.min,
        "spikes": np.where(rng.random(size) < 0.02, rng.integers(info.min, info.max, size), 3),
        "two": np.where(rng.random(size) < 0.3, info.min, info.max),
        "equal": np.full(size, info.max),
        "smooth": walk - walk.min() + info.min,
        "gaps": (walk - walk.min()) * 5 // 5 * 5 + info.min,
    }
    return np.clip(values[content], info.min, info.max).astype(dtype).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(
    content=st.sampled_from(CONTENTS),
    shape=st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple),
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int16"]),
    order=st.sampled_from("CF"),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_array_comes_back(content: str, shape: tuple[int, ...], dtype: str, order: Any, seed: int) -> None:
    array = drawn(content, shape, dtype, seed)
    blob = mmip.encode(np.array(array, order=order), lossless="small", threads=1 + seed % 2)
    np.testing.assert_array_equal(mmip.decode(blob, threads=1 + seed % 3), array)
    assert len(blob) <= mmip.max_encoded_size(array.shape, array.dtype)


@pytest.mark.parametrize("colours", [2, 40, 5000])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_colour_comes_back(colours: int, dtype: str) -> None:
    rng = np.random.default_rng(colours)
    palette = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (colours, 3), endpoint=True)
    places = np.cumsum(rng.integers(0, 2, (70, 90)), axis=1) % colours
    array = palette[places].astype(dtype)
    blob = mmip.encode(array, lossless="small", axes="yxc", colour=True)
    np.testing.assert_array_equal(mmip.decode(blob), array)
    np.testing.assert_array_equal(
        mmip.decode(blob, region=(slice(3, 9), slice(60, 80), slice(1, 2))), array[3:9, 60:80, 1:2]
    )


def tiled() -> Array:
    """A volume of several tiles on every axis."""
    z, y, x = np.indices((18, 140, 130))
    rng = np.random.default_rng(5)
    return (900 + 20 * z + 300 * np.sin(y / 9) + 200 * np.cos(x / 11) + rng.normal(0, 4, z.shape)).astype(np.uint16)


def test_regions_read_their_tiles_alone() -> None:
    array = tiled()
    blob = bytearray(mmip.encode(array, lossless="small"))
    header, _ = Header.parse(blob)
    assert header.fields.kind == 3
    assert header.fields.substreams(header.layout) == 8
    np.testing.assert_array_equal(mmip.decode(bytes(blob)), array)
    for part in ((slice(0, 5),) * 3, (slice(15, 18), slice(120, 140), slice(0, 130)), (slice(3, 3),) * 3):
        np.testing.assert_array_equal(mmip.decode(bytes(blob), region=part), array[part])
    small = mmip.decode(bytes(blob), scale=2)
    means = array.reshape(9, 2, 70, 2, 65, 2).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(small, np.rint(means).astype(np.uint16))


def test_threads_give_equal_bytes() -> None:
    array = tiled()
    assert len({mmip.encode(array, lossless="small", threads=n) for n in (1, 2, 5)}) == 1


def test_small_is_smaller_than_fast() -> None:
    array = tiled()
    assert len(mmip.encode(array, lossless="small")) < len(mmip.encode(array, lossless=True))


def test_ranks_serve_values_with_gaps() -> None:
    levels = np.random.default_rng(0).integers(0, 30, 70).cumsum()
    array = levels[np.clip(tiled()[0] // 30, 0, 69)].astype(np.uint16)
    plain = mmip.encode(np.clip(tiled()[0] // 30, 0, 69).astype(np.uint16), lossless="small")
    assert len(mmip.encode(array, lossless="small")) < len(plain) + 100


def test_float_samples_keep_their_step() -> None:
    array = (tiled()[:2] / 7).astype(np.float32)
    out = mmip.decode(mmip.encode(array, lossless="small", step=0.25))
    assert np.abs(out - array).max() <= 0.125


@pytest.mark.parametrize("options", [{"stages": 3}, {"cuts": (9,)}, {"roi": "threshold:3"}, {"quality": 3}])
def test_small_is_one_payload(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        mmip.encode(np.zeros((9, 9), np.uint8), lossless="small", **options)
