"""Planes of samples to the components that are transformed, and back: the colour transform, the offset, the clip.

Values: planes (planes, Z, Y, X) of integers in host memory. Implements the last steps of FORMAT.md section 2.
Guarantees samples of the dtype; for components of up to 28 bits nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import Chunk
from mmip_gpu._core import colour_planes as core_colour_planes
from mmip_gpu.volume.floats import sample_range

__all__ = ["colour_planes", "sample_planes"]


def colour_planes(planes: NDArray[Any], offset: int) -> NDArray[np.int32]:
    """YCoCg-R of planes whose innermost plane axis is the channel."""
    coded = planes.astype(np.int32) - np.int32(offset)
    core_colour_planes(coded.reshape(planes.shape[0] // 3, 3, -1), True)
    return coded


def sample_planes(
    chunk: Chunk,
    fill: Callable[[int, int, int, NDArray[Any]], None],
    dtype: np.dtype[Any],
    scale: int,
    offset: int,
    colour: bool,
) -> NDArray[Any]:
    """Planes of the dtype, from what `fill` (offset, minimum, maximum, out) makes of the components."""
    _, shape = chunk.window(scale)
    low, high = sample_range(dtype)
    planes = chunk.planes
    if not colour:
        out = np.empty((planes, *shape), dtype)
        fill(offset, low, high, out)
        return out
    wide = np.empty((planes, *shape), np.int32)
    limit = 2**28
    fill(0, -limit, limit, wide)
    core_colour_planes(wide.reshape(planes // 3, 3, -1), False)
    wide += np.int32(offset)
    return np.clip(wide, low, high).astype(dtype)
