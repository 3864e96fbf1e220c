"""What Zarr selects from a chunk: a region, and what to select from that.

Values: indices of a chunk as Zarr has them in; slices of step 1, and the same indices within them, out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmip_gpu.container.byte_ranges import Span

__all__ = ["Selected"]


@dataclass(frozen=True)
class Selected:
    """What Zarr selects from a chunk, as a region and what to select from that.

    Examples
    --------
    >>> Selected.of((slice(10, 20, 3), 5), (64, 64))
    Selected(region=(slice(10, 20, None), slice(5, 6, None)), inside=(slice(0, 10, 3), 0))
    """

    region: tuple[slice, ...]
    inside: tuple[Any, ...]

    @classmethod
    def of(cls, selection: Any, shape: tuple[int, ...]) -> Selected:
        """The smallest region around the selection of a chunk of this shape."""
        chosen = selection if isinstance(selection, tuple) else (selection,)
        if len(chosen) != len(shape) or any(item is Ellipsis or item is None for item in chosen):
            return cls(tuple(slice(0, n) for n in shape), chosen)
        bounds = [_bounds(item, n) for item, n in zip(chosen, shape, strict=True)]
        inside = tuple(_shifted(item, low, n) for item, (low, _), n in zip(chosen, bounds, shape, strict=True))
        return cls(tuple(slice(low, high) for low, high in bounds), inside)

    def is_all(self, shape: tuple[int, ...]) -> bool:
        """Whether the region is the whole chunk."""
        return all(part == slice(0, n) for part, n in zip(self.region, shape, strict=True))


def _bounds(item: Any, n: int) -> Span:
    """First index that an item selects from an axis, and one past the last."""
    if isinstance(item, slice):
        indices = range(*item.indices(n))
        return (indices[0], indices[-1] + 1) if indices else (0, 0)
    chosen = np.asarray(item)
    chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    return (int(chosen.min()), int(chosen.max()) + 1) if chosen.size else (0, 0)


def _shifted(item: Any, low: int, n: int) -> Any:
    """The same item, counted from `low`."""
    if isinstance(item, slice):
        indices = range(*item.indices(n))
        return slice(0, indices.stop - low, indices.step) if indices else slice(0, 0)
    if isinstance(item, int):
        return item - low
    chosen = np.asarray(item)
    return (np.flatnonzero(chosen) if chosen.dtype == bool else chosen) - low
