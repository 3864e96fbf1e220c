"""A region of an array: one slice of step 1 for each axis, held against the shape."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mmip_gpu.errors import InvalidArgument

__all__ = ["Region", "checked_region"]

Region: TypeAlias = tuple[slice, ...]


def checked_region(region: Region | None, shape: tuple[int, ...]) -> Region:
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
