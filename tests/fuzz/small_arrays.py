"""Small arrays of every layout and content, with options of `encode`, for round trips."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from vectors import makers

SHAPES = (
    *(("x", (1,)), ("x", (70,)), ("yx", (33, 47))),
    *(("zyx", (9, 20, 33)), ("yxc", (17, 20, 3)), ("tczyx", (2, 3, 2, 9, 9)), ("nyx", (5, 20, 33))),
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {"quality": 5},
    {"quality": 300, "stages": 5},
    {"psnr": 35},
    {"lossless": "small"},
    {"max_error": 9, "stages": 3},
    {"max_error": 9, "effort": 1},
    {"lossless": True, "stages": 3},
    {"lossless": True},
    {"labels": True},
)
DTYPES = ("uint8", "int8", "uint16", "int16")


def small_arrays(turn: int) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Arrays of every layout and content with options that reach every kernel; dtypes take turns."""
    for (place, (axes, shape)), (seed, maker) in product(enumerate(SHAPES), enumerate(makers.MAKERS)):
        array = makers.make(maker, shape, DTYPES[(place + seed + turn) % len(DTYPES)], seed)
        given = OPTIONS[(place + seed + turn) % len(OPTIONS)]
        if "stages" not in given and given.keys() & {"lossless", "labels", "max_error"}:
            yield array, {"axes": axes, **given}
            if given != {"lossless": True}:
                continue
        else:
            yield from ((array, {"axes": axes, "cell_depth": depth, **given}) for depth in (1, 8))
            yield from ((array, {"axes": axes, "slice_axis": axis, **given}) for axis in "tn" if axis in axes)
        voxels = tuple(n for n, a in zip(shape, axes, strict=True) if a != "c")
        if "c" not in axes:
            yield array, {"axes": axes, "padding": int(array.reshape(-1)[0]), **given}
        yield array, {"axes": axes, "roi": makers.make_classes(voxels, 3, seed), "roi_quality": "lossless", **given}
