"""Every target is kept on any array: each dtype, 1D to 3D of odd sizes, and all kinds of content."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from helpers.strategies import CONTENT, DTYPES, make
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmip_gpu as mmip

SIZES = {"x": (1, 301), "yx": (1, 75), "zyx": (1, 25)}
FLOAT_STEP = 0.05


@st.composite
def arrays(draw: st.DrawFn) -> tuple[NDArray[Any], dict[str, Any]]:
    """An array and the options that its dtype needs."""
    axes = draw(st.sampled_from(tuple(SIZES)))
    shape = tuple(draw(st.integers(*SIZES[axes])) for _ in axes)
    dtype = draw(st.sampled_from((*DTYPES, "float32")))
    array = make(draw(st.sampled_from(tuple(CONTENT))), shape, dtype, draw(st.integers(0, 2**32 - 1)))
    return array, {"step": FLOAT_STEP} if dtype == "float32" else {}


def largest_error(array: NDArray[Any], decoded: NDArray[Any]) -> float:
    return float(np.abs(array.astype(np.float64) - decoded).max())


@settings(max_examples=60)
@given(case=arrays(), psnr=st.floats(5, 60))
def test_psnr_is_reached(case: tuple[NDArray[Any], dict[str, Any]], psnr: float) -> None:
    array, options = case
    decoded = mmip.decode(mmip.encode(array, psnr=psnr, **options))
    mean = float(np.mean((array.astype(np.float64) - decoded) ** 2))
    peak = float(array.max()) - float(array.min())
    assert mean == 0 or not peak or 10 * math.log10(peak**2 / mean) >= psnr - 1e-9


@settings(max_examples=60)
@given(case=arrays(), bound=st.one_of(st.sampled_from((0.1, 1, 2, 4)), st.floats(0.1, 3000)))
def test_max_error_is_kept(case: tuple[NDArray[Any], dict[str, Any]], bound: float) -> None:
    array, options = case
    blob = mmip.encode(array, max_error=bound, **options)
    largest = largest_error(array, mmip.decode(blob))
    assert largest <= bound
    assert mmip.inspect(blob)["loss"]["max_error"] >= largest


@settings(max_examples=60)
@given(case=arrays(), ratio=st.floats(1, 40))
def test_ratio_is_reached_or_refused(case: tuple[NDArray[Any], dict[str, Any]], ratio: float) -> None:
    array, options = case
    try:
        blob = mmip.encode(array, ratio=ratio, **options)
    except mmip.InvalidArgument as error:
        flat = mmip.encode(np.zeros_like(array), quality=1, **options)
        assert "the largest that" in str(error)  # noqa: PT017  # not every small array reaches every ratio
        assert array.nbytes < 3 * ratio * len(flat)
        return
    assert array.nbytes >= ratio * len(blob)


@settings(max_examples=40)
@given(case=arrays())
def test_lossless_is_exact(case: tuple[NDArray[Any], dict[str, Any]]) -> None:
    array, options = case
    decoded = mmip.decode(mmip.encode(array, lossless=True, stages=3, **options))
    if options:
        assert largest_error(array, decoded) <= FLOAT_STEP * (0.5 + 1 / 64)
    else:
        assert np.array_equal(decoded, array)
