"""What the public functions promise about arrays: exactness, and any form of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.loss_records import assert_record_is_true
from helpers.strategies import CONTENT, DTYPES, make
from hypothesis import given, settings
from hypothesis import strategies as st

import mmip_gpu as mmip

SCALES = (1, 2, 4, 8)

# --- exactness

EXTREME_SHAPES = [
    ("x", (1,)),
    ("x", (37,)),
    ("yx", (1, 1)),
    ("yx", (7, 65)),
    ("yx", (9, 1)),
    ("zyx", (1, 1, 1)),
    ("zyx", (13, 17, 19)),
    ("zyx", (5, 1, 9)),
    ("yxc", (9, 11, 3)),
    ("tcyx", (2, 2, 5, 9)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("axes", "shape"), EXTREME_SHAPES)
def test_lossless_is_exact(axes: str, shape: tuple[int, ...], dtype: str) -> None:
    for seed, kind in enumerate(CONTENT):
        array = make(kind, shape, dtype, seed)
        for options in ({"cell_depth": 1}, {"cell_depth": 8}, {"colour": False}, {"stages": 5}):
            blob = mmip.encode(array, lossless=True, axes=axes, **{"stages": 2, **options})
            decoded = mmip.decode(blob)
            assert decoded.dtype == array.dtype
            assert decoded.flags.c_contiguous
            assert np.array_equal(decoded, array), (kind, options)
            assert len(blob) <= mmip.max_encoded_size(shape, dtype)
            assert_record_is_true(array, blob, decoded)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lossless_colour_of_extremes_is_exact(dtype: str) -> None:
    info = np.iinfo(dtype)
    corners = np.array(np.meshgrid(*[[info.min, info.max]] * 3)).reshape(3, -1).T
    array = np.random.default_rng(1).permutation(np.tile(corners, (128, 1))).reshape(32, 32, 3).astype(dtype)
    for depth in (1, 8):
        blob = mmip.encode(array, lossless=True, stages=3, axes="yxc", colour=True, cell_depth=depth)
        assert np.array_equal(mmip.decode(blob), array)
    volume = np.ascontiguousarray(np.broadcast_to(array, (9, 32, 32, 3)))
    blob = mmip.encode(volume, lossless=True, stages=3, axes="zyxc", cell_depth=8)
    assert mmip.inspect(blob)["colour"]
    assert np.array_equal(mmip.decode(blob), volume)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (0, 0, 0), (4, 0, 9), (3, 4, 0)])
@pytest.mark.parametrize(
    "target",
    [{"quality": 10}, {"psnr": 40}, {"max_error": 2}, {"ratio": 9}, {"qstep": 4}, {"lossless": True, "stages": 3}],
)
def test_arrays_without_samples(shape: tuple[int, ...], target: dict[str, Any]) -> None:
    for dtype in DTYPES:
        array = np.zeros(shape, dtype)
        blob = mmip.encode(array, **target, roi=np.zeros(shape, bool))
        assert len(blob) <= mmip.max_encoded_size(shape, dtype)
        report = mmip.inspect(blob)
        assert report["kind"] == "raw"
        assert report["raw_bytes"] == 0
        for scale in SCALES:
            decoded = mmip.decode(blob, scale=scale)
            assert decoded.dtype == dtype
            assert decoded.shape == tuple(-(-n // scale) for n in shape)


# --- forms of arguments


def test_any_bytes_like_object_is_a_container() -> None:
    array = make("textured", (40, 40), "uint16", 1)
    blob = mmip.encode(array, quality=10)
    expected = mmip.decode(blob)
    for form in (bytearray(blob), memoryview(blob), np.frombuffer(blob, np.uint8)):
        assert np.array_equal(mmip.decode(form), expected)
        assert mmip.inspect(form) == mmip.inspect(blob)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 62), max_size=14, unique=True).map(sorted))
def test_cuts_make_stages(cuts: list[int]) -> None:
    array = make("textured", (40, 50), "uint16", 3)
    blob = mmip.encode(array, quality=40, cuts=cuts, effort=1)
    report = mmip.inspect(blob)
    assert report["config"]["cuts"] == [0, *cuts, 63]
    assert len(report["stages"]) == len(cuts) + 2
    assert np.array_equal(mmip.decode(blob), mmip.decode(mmip.encode(array, quality=40, stages=2, effort=1)))


def test_decoding_does_not_touch_its_input() -> None:
    array = make("half", (60, 60), "uint8", 1)
    kept = array.copy()
    blob = mmip.encode(array, lossless=True, stages=3)
    buffer = bytearray(blob)
    decoded = mmip.decode(buffer)
    assert bytes(buffer) == blob
    assert np.array_equal(array, kept)
    decoded[:] = 0
    assert np.array_equal(mmip.decode(blob), array)


def test_a_raw_container_gives_memory_of_its_own() -> None:
    array = make("noise", (9, 9), "uint8", 1)
    blob = mmip.encode(array, lossless=True, stages=2)
    assert mmip.inspect(blob)["kind"] == "raw"
    decoded = mmip.decode(blob)
    decoded[:] = 0
    assert np.array_equal(mmip.decode(blob), array)
