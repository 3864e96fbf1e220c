"""Sources for sinks: samples that differ along every axis, with what a file says about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmip_gpu.sources import Source, open_source

AFFINE = [[-0.5, 0.0, 0.0, 9.0], [0.0, -0.25, 0.0, -4.0], [0.0, 0.0, 3.0, -50.0], [0.0, 0.0, 0.0, 1.0]]
SIZE = {"t": 2, "n": 3, "c": 3, "z": 4, "y": 17, "x": 19}


def volume(axes: str, dtype: str = "uint16", colour: bool | None = None, **metadata: Any) -> Source:
    """A source whose samples differ along every axis."""
    shape = tuple(SIZE[letter] for letter in axes)
    array = (np.arange(np.prod(shape)) * 7919 % 65521).astype(dtype).reshape(shape)
    opened = open_source(np.zeros((1, 1), dtype))
    spacing = [3.0, 0.25, 0.5][-sum(a in "zyx" for a in axes) :]
    known = opened.metadata | {"spacing": spacing} | metadata
    return Source(shape, np.dtype(dtype), axes, known, "made", "", array.__getitem__, colour)
