"""A region of the decoded array and the tiles it needs.

Values: slices of the (scaled) array in; a box of planes and tiles for the core, and the crop of what it decodes, out.
Implements FORMAT.md sections 1 (planes), 3 (tiles) and 5.1 (scaled sizes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["checked_region"]


def checked_region(region: tuple[slice, ...] | None, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The region with all bounds filled in; None is the whole array.

    Raises
    ------
    InvalidArgument
        For a region that is not one slice of step 1 per axis, or reaches outside.

    Examples
    --------
    >>> checked_region((slice(None), slice(2, 4)), (8, 8))
    (slice(0, 8, None), slice(2, 4, None))
    """
    if region is None:
        return tuple(slice(0, n) for n in shape)
    if not isinstance(region, tuple) or len(region) != len(shape):
        raise InvalidArgument(f"region: expected one slice for each of {len(shape)} axes, found {region!r}")
    bounds = []
    for axis, (part, n) in enumerate(zip(region, shape, strict=True)):
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise InvalidArgument(f"region, axis {axis}: expected a slice of step 1, found {part!r}")
        start = 0 if part.start is None else part.start
        stop = n if part.stop is None else part.stop
        if not (isinstance(start, (int, np.integer)) and isinstance(stop, (int, np.integer))):
            raise InvalidArgument(f"region, axis {axis}: expected integers, found {part!r}")
        if not 0 <= start <= stop <= n:
            raise InvalidArgument(f"region, axis {axis}: expected 0 <= start <= stop <= {n}, found {part!r}")
        bounds.append(slice(int(start), int(stop)))
    return tuple(bounds)


def _plane_indices(layout: PlaneLayout, by_axis: dict[str, slice]) -> NDArray[np.int64]:
    """Planes that the region touches, ascending (t, n, c nested)."""
    index = np.zeros(1, np.int64)
    for letter in "tnc":
        if letter in layout.axes:
            n = layout.shape[layout.axes.index(letter)]
            chosen = np.arange(by_axis[letter].start, by_axis[letter].stop, dtype=np.int64)
            index = (index[:, None] * n + chosen).reshape(-1)
    return index
