"""Bricks decoded in step and tiles read side by side: arrays with more bricks than the lanes of two groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.kernel_copies import selected
from numpy.typing import NDArray

import mmip_gpu as mmip

CASES = {
    "2D": ((700, 650), "int16", 40),
    "8 bits": ((1, 3, 300, 520), "uint8", 6),
    "colour": ((450, 500, 3), "uint8", 9),
    "deep": ((21, 150, 90), "uint16", 200),
    "runs": ((640, 516), "uint16", 1),
    "narrow": ((9000, 17), "int8", 5),
}


def made(name: str) -> tuple[NDArray[Any], str]:
    """Smooth noise of a case, which has edges, and its axes."""
    shape, dtype, noise = CASES[name]
    rng = np.random.default_rng(len(name))
    waves = sum(
        np.sin(np.arange(n) / (9 + axis)).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        for axis, n in enumerate(shape)
    )
    limits = np.iinfo(dtype)
    drawn = 20 * noise**0.5 * waves + rng.integers(0, noise, shape) + (noise * 8 if limits.min == 0 else 0)
    axes = "yxc" if name == "colour" else {2: "yx", 3: "zyx", 4: "tcyx"}[len(shape)]
    return np.clip(drawn, limits.min, limits.max).astype(dtype), axes


@pytest.mark.parametrize("name", CASES)
def test_many_bricks_are_exact_and_the_same_bytes(name: str, each_kernel: list[str]) -> None:
    array, axes = made(name)
    expected = mmip.encode(array, lossless=True, axes=axes, threads=1)
    assert mmip.inspect(expected)["kind"] == "predictive"
    for kernel in selected(each_kernel):
        assert mmip.encode(array, lossless=True, axes=axes, threads=2) == expected, kernel
        for threads in (1, 2):
            assert np.array_equal(mmip.decode(expected, threads=threads), array), (kernel, threads)
        corner = tuple(slice(n // 3, n // 2 + 1) for n in array.shape)
        assert np.array_equal(mmip.decode(expected, region=corner), array[corner]), kernel
