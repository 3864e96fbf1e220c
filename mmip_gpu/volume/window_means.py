"""Scaled decoding of kinds that code samples, not blocks: the mean over windows.

Values: samples of any dtype in, of the same dtype out. Implements a part of FORMAT.md section 5.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import Region

__all__ = ["window_means", "windows_of"]


def windows_of(region: Region, layout: PlaneLayout, scale: int) -> Region:
    """The region of the whole array with the samples of a region at a scale."""
    by_axis = zip(region, layout.axes, layout.shape, strict=True)
    return tuple(
        slice(min(part.start * scale, n), min(part.stop * scale, n)) if letter in "zyx" else part
        for part, letter, n in by_axis
    )


def window_means(array: NDArray[Any], layout: PlaneLayout, scale: int) -> NDArray[Any]:
    """Mean over windows of the spatial axes; of integers rounded half to even (FORMAT.md section 5.1)."""
    total = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    count = np.ones(array.shape, np.int64)
    for axis, letter in enumerate(layout.axes):
        if letter in "zyx":
            starts = np.arange(0, array.shape[axis], scale)
            total = np.add.reduceat(total, starts, axis)
            count = np.add.reduceat(count, starts, axis)
    mean = total / count
    return (mean if array.dtype.kind == "f" else np.rint(mean)).astype(array.dtype)
