"""Colours as indices of a palette, for files whose original has one.

Values in: a Source with RGB of 8 bits, and the colour of every stored value. Values out: a Source of indices.
Implements no section of FORMAT.md. Guarantees the colours of exact data; others become the nearest of the
palette.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.sources import Source

__all__ = ["indexed"]

_ROWS: Final = 1 << 22  # distances that are looked at together
_SHIFTS: Final = (16, 8, 0)


def indexed(source: Source, table: NDArray[np.uint8], dtype: np.dtype[Any]) -> Source:
    """Give the same image without its last axis, as stored values of `dtype`, whose colours are the rows of `table`."""
    palette, first = np.unique(table, axis=0, return_index=True)
    stored = (first + int(np.iinfo(dtype).min)).astype(dtype)

    def read(region: tuple[slice, ...]) -> NDArray[Any]:
        samples = source.read((*region, slice(0, 3))).astype(np.int32)
        packed = sum(samples[..., k] << shift for k, shift in enumerate(_SHIFTS))
        colours, inverse = np.unique(packed, return_inverse=True)
        nearest = [
            _nearest(part, palette) for part in np.array_split(colours, max(1, len(colours) * len(palette) // _ROWS))
        ]
        found: NDArray[Any] = stored[np.concatenate(nearest)][inverse].reshape(samples.shape[:-1])
        return found

    return replace(source, shape=source.shape[:-1], dtype=dtype, axes=source.axes[:-1], reader=read, colour=None)


def _nearest(packed: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Give the row of the palette that is nearest to each colour."""
    colours = np.stack([packed >> shift & 255 for shift in _SHIFTS], axis=-1)
    distances = np.zeros((len(colours), len(palette)), np.int32)
    for k in range(3):
        distances += (colours[:, k, None] - palette[None, :, k].astype(np.int32)) ** 2
    found: NDArray[np.intp] = distances.argmin(axis=1)
    return found
