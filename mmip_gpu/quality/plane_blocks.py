"""Large arrays in pieces along their first axis, and the progress of going through them.

Values: shapes in, regions out. Implements no section of FORMAT.md. Guarantees memory for a piece.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

__all__ = ["progress", "row_blocks"]

BLOCK_BYTES = 1 << 26

_T = TypeVar("_T")


def row_blocks(shape: Sequence[int], itemsize: int, step: int = 1) -> list[tuple[slice, ...]]:
    """Return the regions of at most 64 MiB, or of `step` rows if these are larger, that make up an array.

    Parameters
    ----------
    shape : sequence of int
        Samples per axis.
    itemsize : int
        Bytes per sample.
    step : int
        Rows of the first axis that belong together: the chunk length.

    Examples
    --------
    >>> row_blocks((5, 4), 1, step=3)[0], len(row_blocks((1 << 20, 1 << 10), 2))
    ((slice(0, 5, None), slice(0, 4, None)), 32)
    """
    row_bytes = max(math.prod(shape[1:]) * itemsize, 1)
    rows = max(BLOCK_BYTES // row_bytes // step, 1) * step
    inner = tuple(slice(0, size) for size in shape[1:])
    return [(slice(start, min(start + rows, shape[0])), *inner) for start in range(0, shape[0], rows)]


def progress(items: Sequence[_T], label: str) -> Iterable[_T]:
    """Return the items with a progress bar on stderr, if that is a terminal and there is more than one."""
    if len(items) < 2:
        return items
    from tqdm import tqdm

    bar: Iterable[_T] = tqdm(items, desc=label, disable=None, leave=False)
    return bar
