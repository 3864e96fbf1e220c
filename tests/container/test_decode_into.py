"""Decoding into a part of a larger array: equal to decoding and copying, and nothing around it is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.strategies import make, make_roi
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.reader import open_container

MARK = 77

CASES: dict[str, tuple[tuple[int, ...], str, str, dict[str, Any]]] = {
    "2d": ((90, 141), "yx", "uint16", {"quality": 10}),
    "3d": ((20, 50, 60), "zyx", "int16", {"quality": 3, "cell_depth": 8}),
    "flat cells": ((9, 70, 75), "zyx", "uint8", {"qstep": 4, "cell_depth": 1}),
    "padding": ((9, 70, 75), "zyx", "int16", {"qstep": 40, "padding": 0}),
    "times and channels": ((2, 3, 40, 50), "tcyx", "uint16", {"qstep": 9}),
    "channels last": ((40, 50, 3), "yxc", "uint8", {"qstep": 9, "colour": False}),
    "colour": ((40, 50, 3), "yxc", "uint8", {"quality": 20}),
    "floats": ((20, 30, 41), "zyx", "float32", {"qstep": 4, "step": 0.5}),
    "bounded": ((20, 30, 41), "zyx", "uint16", {"max_error": 3, "effort": 2, "stages": 3}),
    "predicted": ((20, 50, 61), "zyx", "uint16", {"lossless": True, "effort": 1}),
    "labels": ((20, 50, 61), "zyx", "uint16", {"labels": True}),
    "raw": ((2, 3), "yx", "uint16", {"lossless": True}),
    "a column": ((30, 1), "yx", "uint16", {"qstep": 4}),
}


def decoded_into(blob: bytes, wanted: Wanted, shape: tuple[int, ...], dtype: str) -> tuple[NDArray[Any], bool]:
    """A larger array with the result in its middle, and whether the rest of it stayed as it was."""
    whole = np.full([n + 5 for n in shape], MARK, dtype)
    place = tuple(slice(2, 2 + n) for n in shape)
    header, read_part = open_container(blob)
    codec_of(header).decode_into(whole[place], header, read_part, wanted, Limits(2))
    found = whole[place].copy()
    whole[place] = MARK
    return found, bool((whole == MARK).all())


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("case", CASES)
def test_every_kind_is_decoded_into_its_place(case: str, scale: int) -> None:
    shape, axes, dtype, options = CASES[case]
    array = make("half", shape, dtype, 3) if dtype != "float32" else make("half", shape, "int16", 3).astype(dtype)
    blob = mmip.encode(array, axes=axes, **options)
    small = mmip.decode(blob, scale=scale)
    rng = np.random.default_rng(scale)
    starts = [int(rng.integers(0, n)) for n in small.shape]
    region = tuple(slice(s, int(rng.integers(s, n)) + 1) for s, n in zip(starts, small.shape, strict=True))
    for part in (None, region):
        expected = small if part is None else small[part]
        found, is_untouched = decoded_into(blob, Wanted(None, scale, part), expected.shape, dtype)
        assert np.array_equal(found, expected)
        assert is_untouched
        assert np.array_equal(mmip.decode(blob, scale=scale, region=part), expected)


def test_stages_and_classes_are_decoded_into_their_place() -> None:
    array = make("half", (17, 60, 70), "uint16", 5)
    roi = make_roi(array, "zyx", 3, 2)
    blob = mmip.encode(array, quality=5, roi=roi, roi_quality="lossless", cell_depth=8, stages=4)
    for stages in (1, 2, 3, 4):
        found, is_untouched = decoded_into(blob, Wanted(stages), array.shape, "uint16")
        assert np.array_equal(found, mmip.decode(blob, stages=stages))
        assert is_untouched


def test_samples_are_written_once() -> None:
    """A part of an array in the order of planes is where the core writes; other orders are copied."""
    blob = mmip.encode(make("half", (17, 60, 70), "uint16", 5), qstep=4)
    header, read_part = open_container(blob)
    out = np.zeros((20, 80, 90), "uint16")[1:18, 3:63, 5:75]
    assert codec_of(header).decode(header, read_part, Wanted(out=out), Limits()) is out
    turned = np.zeros((70, 60, 17), "uint16").T
    assert codec_of(header).decode(header, read_part, Wanted(out=turned), Limits()) is not turned
