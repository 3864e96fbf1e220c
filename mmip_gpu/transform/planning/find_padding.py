"""Padding: which value stands for samples that carry no image, and in which region a mask of it is worth a trial.

Values: a way to read regions in; a candidate, a padding value with a region, out.
Encoder side of FORMAT.md section 8.1 (mask). Reads four corners of one slice; whether a candidate is kept is
decided by coding (transform/planning/make_plan.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["PaddingCandidate", "find_padding", "may_hold_padding"]

_CORNER = 256  # samples on y and x
_TRIAL_DEPTH = 8
_BORDER_SHARE = 0.25
_CORNER_SHARE = 0.02

Region = tuple[slice, ...]


@dataclass(frozen=True)
class PaddingCandidate:
    """A value that may be padding, and a region that holds both it and image."""

    value: int
    region: Region


def may_hold_padding(dtype: np.dtype[Any], colour: bool) -> bool:
    """Whether samples of a dtype may have a padding mask: integers that are not coded as colour."""
    return dtype.kind != "f" and not colour


def find_padding(
    read: Callable[[Region], NDArray[Any]], layout: PlaneLayout, known: int | None = None
) -> PaddingCandidate | None:
    """Find a value that fills the border of the middle slice, where there is one.

    Parameters
    ----------
    read : callable
        Gives the samples of a region: one slice per axis.
    known : int, optional
        Value that the source names; otherwise the most frequent one on the border.

    Examples
    --------
    >>> image = np.full((64, 64), -2000, np.int16)
    >>> image[8:56, 8:56] = np.arange(48)
    >>> find_padding(image.__getitem__, PlaneLayout.of(image.shape)).value
    -2000
    """
    if "y" not in layout.axes or layout.samples == 0:
        return None
    regions = _corner_regions(layout)
    corners = [read(region) for region in regions]
    value = known if known is not None else _border_value(corners, regions, layout)
    if value is None:
        return None
    shares = [np.count_nonzero(corner == value) / corner.size for corner in corners]
    if sum(shares) / len(shares) < _CORNER_SHARE:
        return None
    best = min(range(len(corners)), key=lambda i: abs(shares[i] - 0.5))
    return PaddingCandidate(value, _deeper(layout, regions[best]))


def _corner_regions(layout: PlaneLayout) -> list[Region]:
    """Corners of the middle slice, in the middle of all other axes; one where they are the same."""
    choices = []
    for axis, n in zip(layout.axes, layout.shape, strict=True):
        if axis in "yx":
            size = min(n, _CORNER)
            choices.append([slice(start, start + size) for start in sorted({0, n - size})])
        else:
            choices.append([slice(n // 2, n // 2 + 1)])
    return [tuple(region) for region in product(*choices)]


def _deeper(layout: PlaneLayout, region: Region) -> Region:
    """Extend the region to some slices around its own."""
    parts = []
    for axis, n, part in zip(layout.axes, layout.shape, region, strict=True):
        start = max(min(part.start - _TRIAL_DEPTH // 2, n - _TRIAL_DEPTH), 0)
        parts.append(slice(start, min(start + _TRIAL_DEPTH, n)) if axis == layout.slice_axis else part)
    return tuple(parts)


def _border_value(corners: Sequence[NDArray[Any]], regions: Sequence[Region], layout: PlaneLayout) -> int | None:
    """Most frequent value on the array's border on y and x, if it fills enough of it."""
    border: Counter[int] = Counter()
    for samples, region in zip(corners, regions, strict=True):
        for at in (layout.axes.index(axis) for axis in "yx"):
            values, counts = np.unique(np.take(samples, 0 if region[at].start == 0 else -1, at), return_counts=True)
            border += Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    value = min(border, key=lambda v: (-border[v], v))
    return value if border[value] >= _BORDER_SHARE * border.total() else None
