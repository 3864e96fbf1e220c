"""Images made to hurt: never larger than promised, targets hold, shape and dtype are kept, lossless is exact.

The patterns are those of benchmarks/hostile_images.py; their speed is measured by benchmarks/hurting.py.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hostile_images import PATTERNS, hostile_image

import mmip_gpu as mmip

DTYPES = ("uint8", "int8", "uint16", "int16")
SHAPES = ((203,), (45, 70), (9, 21, 34))
TARGETS: dict[str, dict[str, Any]] = {
    "lossless": {"lossless": True, "stages": 3},
    "huge steps": {"quality": 0.01},
    "largest steps": {"quality": 1e-9},
    "quality": {"quality": 10},
    "tiny steps": {"quality": 440},
    "psnr": {"psnr": 45},
    "psnr at effort 3": {"psnr": 45, "effort": 3},
    "psnr beyond the samples": {"psnr": 125},
}


def reached_psnr(array: np.ndarray, decoded: np.ndarray) -> float:
    peak = max(float(array.max()) - float(array.min()), 1.0)
    error = float(np.mean((array.astype(float) - decoded) ** 2))
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def coded(array: np.ndarray, **options: Any) -> np.ndarray:
    """What comes back, after the checks that every target shares."""
    blob = mmip.encode(array, threads=1, **options)
    assert len(blob) <= mmip.max_encoded_size(array.shape, array.dtype)
    decoded = mmip.decode(blob, threads=1)
    assert (decoded.shape, decoded.dtype) == (array.shape, array.dtype)
    loss = mmip.inspect(blob)["loss"]
    assert loss["max_error"] == np.abs(array.astype(int) - decoded).max()
    return decoded


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PATTERNS)
def test_promises_hold(name: str, dtype: str, target: str) -> None:
    options = TARGETS[target]
    for shape in SHAPES:
        array = hostile_image(name, shape, dtype)
        decoded = coded(array, **options)
        if "lossless" in options:
            np.testing.assert_array_equal(decoded, array)
        if "psnr" in options:
            assert reached_psnr(array, decoded) >= options["psnr"]


@pytest.mark.parametrize(("quality", "step"), [(440, 2), (10, 44), (1, 440)])
@pytest.mark.parametrize("name", PATTERNS)
def test_quality_is_no_worse_than_its_steps(name: str, quality: float, step: int) -> None:
    """Rounding of orthonormal coefficients is off by half a step at most, that of samples by a half: so is their root
    mean square. The steps are the quality rule's, 2 * max(1, round(220 / quality)).
    """
    for dtype, shape in itertools.product(("uint16", "int8"), SHAPES):
        array = hostile_image(name, shape, dtype)
        error = float(np.mean((array.astype(float) - coded(array, quality=quality)) ** 2))
        assert error <= (step / 2 + 0.5) ** 2


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("name", PATTERNS)
def test_both_cell_depths_are_exact(name: str, depth: int) -> None:
    for dtype in DTYPES:
        array = hostile_image(name, (17, 24, 31), dtype)
        decoded = coded(array, lossless=True, stages=5, cell_depth=depth)
        np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize("name", PATTERNS)
def test_later_stages_are_no_worse(name: str) -> None:
    """Coefficients that belong together are cut apart here; what overflows must clip."""
    for dtype, shape in itertools.product(DTYPES, SHAPES):
        array = hostile_image(name, shape, dtype)
        blob = mmip.encode(array, quality=40, threads=1)
        stages = [mmip.decode(blob, stages=stage, threads=1) for stage in (1, 2)] + [mmip.decode(blob, threads=1)]
        assert {(d.shape, d.dtype) for d in stages} == {(array.shape, array.dtype)}
        errors = [float(np.mean((array.astype(float) - d) ** 2)) for d in stages]
        assert errors[2] <= min(errors[:2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_patterns_reach_both_ends(dtype: str) -> None:
    info = np.iinfo(dtype)
    for name in set(PATTERNS) - {"all equal", "fading noise", "wrapping ramp"}:
        array = hostile_image(name, (9, 21, 34), dtype)
        assert (array.min(), array.max()) == (info.min, info.max), name


def test_slices_alternate_and_repeat() -> None:
    repeated, alternating = (
        hostile_image(name, (5, 21, 34), "int16") for name in ("one slice repeated", "alternating slices")
    )
    assert (repeated == repeated[0]).all()
    np.testing.assert_array_equal(alternating[::2], repeated[::2])
    np.testing.assert_array_equal(alternating[1::2], -1 - repeated[1::2])
