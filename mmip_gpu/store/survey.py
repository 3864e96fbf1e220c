"""What is looked for in a whole array before its first chunk is coded: range, histogram, a mask's classes.

Values: a Source or a mask in; integers out. Reads piece by piece, about 4 million samples at a time, here or wherever
a Survey takes the pieces. Encoder side; implements no section of FORMAT.md. Guarantees results that do not depend on
the pieces.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.axes import PlaneLayout
from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.roi import CLASS_MAX, RoiRule
from mmip_gpu.sources import Source

from .grid import boxes, piece_lengths

__all__ = ["Look", "Survey", "mask_survey", "otsu_rule", "surveyed_here", "value_limits"]


Look: TypeAlias = Callable[[Iterable[NDArray[Any]]], Any]
"""Sums up some pieces of an array: what it gives is small, pickles, and is summed up in any order."""

Survey: TypeAlias = Callable[[Look, Source], Iterable[Any]]
"""Calls a Look for all pieces of a source, a few or one at a time: here, or on the workers of a cluster."""


def surveyed_here(look: Look, source: Source) -> Iterator[Any]:
    """Survey on this thread."""
    for region in boxes(source.shape, piece_lengths(_layout(source))):
        yield look([source.read(region)])


def value_limits(source: Source, survey: Survey = surveyed_here) -> tuple[float, float]:
    """(minimum, maximum) of all samples; zeros without any."""
    found = [limits for limits in survey(_limits, source) if limits is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else (0, 0)


def otsu_rule(source: Source, survey: Survey = surveyed_here) -> RoiRule:
    """Find the rule ``threshold:`` that marks what ``otsu`` marks in the whole array.

    Raises
    ------
    InvalidArgument
        For float32 samples, whose histogram has no natural bins.
    MissingResource
        Without scikit-image.
    """
    if source.dtype.kind == "f":
        raise InvalidArgument("roi 'otsu': a store of float32 needs a rule with numbers, such as threshold:VALUE")
    try:
        from skimage import filters
    except ImportError:
        raise MissingResource("roi 'otsu': expected scikit-image of mmip-gpu[bench], found none") from None
    info = np.iinfo(source.dtype)
    counts = np.zeros(int(info.max) - int(info.min) + 1, np.int64)
    for values, times in survey(_histogram, source):
        counts[values.astype(np.int64) - int(info.min)] += times
    present = np.flatnonzero(counts)
    if present.size < 2:  # nothing lies above the threshold of a constant array
        return RoiRule("threshold", int(info.max) + 1)
    first, last = int(present[0]), int(present[-1])
    centres = np.arange(first, last + 1) + int(info.min)
    threshold: Any = filters.threshold_otsu
    return RoiRule("threshold", math.floor(threshold(hist=(counts[first : last + 1], centres))) + 1)


def _limits(parts: Iterable[NDArray[Any]]) -> tuple[float, float] | None:
    """(minimum, maximum) of pieces; None of none."""
    found = [(part.min().item(), part.max().item()) for part in parts if part.size]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def _histogram(parts: Iterable[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(values, how often each is found) of pieces of integers."""
    counts, low, dtype = np.zeros(0, np.int64), 0, np.dtype(np.int64)
    for part in parts:
        dtype = part.dtype.newbyteorder("=")
        info = np.iinfo(dtype)
        low, size = int(info.min), int(info.max) - int(info.min) + 1
        found = np.bincount(part.reshape(-1).astype(np.int64) - low, minlength=size)
        counts = counts + found if counts.size else found
    values = np.flatnonzero(counts)
    return (values + low).astype(dtype), counts[values]


def mask_survey(mask: Any, axes: str) -> tuple[int, str]:
    """(highest class, checksum of all values) of a mask.

    Raises
    ------
    InvalidArgument
        For values other than classes.
    """
    shape = tuple(int(n) for n in mask.shape)
    highest, crc = 0, 0
    for region in boxes(shape, piece_lengths(PlaneLayout.of(shape, axes))):
        piece: NDArray[Any] = np.asarray(mask[region])
        low, high = int(piece.min()), int(piece.max())
        if low < 0 or high > CLASS_MAX:
            raise InvalidArgument(f"roi: expected classes 0..{CLASS_MAX}, found {low}..{high}")
        highest = max(highest, high)
        crc = zlib.crc32(np.ascontiguousarray(piece, np.uint8).tobytes(), crc)
    return highest, f"{crc:08x}"


def _layout(source: Source) -> PlaneLayout:
    return PlaneLayout.of(source.shape, source.axes)
