"""Small containers, one of each kind."""

from __future__ import annotations

from functools import cache

import mmip_gpu as mmip
from helpers.strategies import make, make_roi


@cache
def small_transformed() -> bytes:
    """Two classes, one reversible, four stages, own codes."""
    array = make("textured", (60, 70), "uint16", 1)
    options = {"quality": 20, "stages": 4, "roi": make_roi(array, "yx", 2, 2), "roi_quality": "lossless"}
    return mmip.encode(array, **options)


@cache
def small_raw() -> bytes:
    return mmip.encode(make("noise", (9, 11), "int16", 1), lossless=True, stages=2)
