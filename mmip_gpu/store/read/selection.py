"""NumPy's basic indexing: as a region to read, and an index for the array that was read.

Values: the argument of ``[...]`` and a shape in; slices of step 1, and an index, out. Implements no section of
FORMAT.md. Guarantees that ``array[region][index]`` equals ``array[key]``, and that the region is the smallest box that
holds the selection.
"""

from __future__ import annotations

import operator
from typing import Any

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.store.group.grid import Region

__all__ = ["OutOfRangeError", "basic_selection"]


class OutOfRangeError(InvalidArgument, IndexError):
    """An index outside the array; also an IndexError, which ends an iteration."""


def basic_selection(key: Any, shape: tuple[int, ...]) -> tuple[Region, tuple[int | slice, ...]]:
    """(region, index) of a selection by integers, slices and an Ellipsis.

    Raises
    ------
    InvalidArgument
        For anything else.

    Examples
    --------
    >>> basic_selection((..., slice(7, 2, -2)), (4, 8))
    ((slice(0, 4, None), slice(3, 8, None)), (slice(None, None, 1), slice(None, None, -2)))
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    ellipses = [i for i, k in enumerate(keys) if k is Ellipsis]
    missing = len(shape) - len(keys) + len(ellipses)
    if len(ellipses) > 1 or missing < 0:
        raise OutOfRangeError(f"expected at most {len(shape)} indices and one Ellipsis, found {key!r}")
    at = ellipses[0] if ellipses else len(keys)
    keys[at : at + len(ellipses)] = [slice(None)] * missing
    parts = [_axis_selection(k, n, axis) for axis, (k, n) in enumerate(zip(keys, shape, strict=True))]
    return tuple(region for region, _ in parts), tuple(index for _, index in parts)


def _axis_selection(key: Any, length: int, axis: int) -> tuple[slice, int | slice]:
    if isinstance(key, slice):
        try:
            chosen = range(length)[key]
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"axis {axis}: {key!r}: {error}") from None
        if not chosen:
            return slice(0, 0), slice(None)
        first, last = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
        return slice(first, last + 1), slice(None, None, chosen.step)
    try:
        index = operator.index(key)
    except TypeError:
        index = None
    if index is None or isinstance(key, bool):
        raise InvalidArgument(f"axis {axis}: expected an integer or a slice, found {key!r}")
    if not -length <= index < length:
        raise OutOfRangeError(f"axis {axis}: expected an index in {-length}..{length - 1}, found {index}")
    index %= length
    return slice(index, index + 1), 0
