"""Arrays drawn by a seed for codecs that keep every sample: all contents, dtypes, axes, strides, byte orders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

AXES = ("x", "yx", "zyx", "tyx", "yxc", "cyx", "tzyx", "zyxc", "ycx", "ntyx", "tczyx", "tnczyx")
DTYPES = ("uint8", "int8", "uint16", "int16", "float32")
CONTENTS = ("noise", "ramp", "spikes", "two", "full", "walk", "flat", "few", "steps", "palette")
STEP = 0.25


def _numbers(content: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Whole numbers around 0, or over all of 0..1."""
    if content == "noise":
        return rng.integers(0, int(rng.integers(2, 300)), shape)
    if content == "ramp":
        return np.indices(shape).sum(axis=0) * int(rng.integers(1, 40)) - int(rng.integers(0, 500))
    if content == "spikes":
        return np.where(rng.random(shape) < 0.02, rng.integers(-(2**15), 2**15, shape), 7)
    if content == "two":
        low, high = sorted(int(v) for v in rng.integers(-(2**15), 2**15, 2))
        return np.where(rng.random(shape) < rng.random(), low, high)
    if content == "full":
        return rng.integers(-(2**18), 2**18 + 1, shape)
    if content == "walk":
        return np.rint(rng.normal(0, 9, shape).cumsum(axis=-1)).astype(np.int64)
    if content == "flat":
        return np.full(shape, int(rng.integers(-(2**15), 2**15)))
    if content == "few":
        return rng.choice(rng.integers(-(2**15), 2**15, 9), shape)
    steps = np.indices(shape).sum(axis=0) // int(rng.integers(3, 30))
    return steps % 7 * 900 if content == "steps" else rng.integers(0, 2**16, 12)[steps % 12]


def stored(numbers: Array, dtype: str, rng: np.random.Generator) -> Array:
    """Numbers wrapped around in a dtype, in some byte order and with some strides."""
    if dtype == "float32":
        array = (np.clip(numbers, -(2**18), 2**18) * STEP).astype(np.float32)
    else:
        array = numbers.astype(dtype)
    form = rng.integers(0, 5)
    if form == 1:
        return array.astype(array.dtype.newbyteorder(">"))
    if form == 2:
        return np.asfortranarray(array)
    if form == 3:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array[..., ::-1][..., ::-1] if form == 4 else array


def drawn_exact(seed: int, most: int = 4000) -> tuple[Array, dict[str, Any]]:
    """An array and the options of `encode` that keep it exactly."""
    rng = np.random.default_rng(seed)
    axes = str(rng.choice(AXES))
    left, shape = most, []
    for axis in axes:
        length = (
            3 if axis == "c" and rng.random() < 0.7 else int(rng.integers(1, 1 + min(left, 70 if axis in "yx" else 9)))
        )
        shape.append(length)
        left = max(left // length, 1)
    if axes == "x":
        shape = [int(rng.integers(1, most))]
    dtype = str(rng.choice(DTYPES))
    array = stored(_numbers(str(rng.choice(CONTENTS)), tuple(shape), rng), dtype, rng)
    options: dict[str, Any] = {"lossless": True, "axes": axes, "effort": int(rng.integers(1, 4))}
    return array, options | ({"step": STEP} if dtype == "float32" else {})
