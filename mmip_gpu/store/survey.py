"""What is looked for in a whole array before its first chunk is coded: range, histogram, a mask's classes.

Values: a Source or a mask in; integers out. Reads piece by piece, about 4 million samples at a time.
Encoder side; implements no section of FORMAT.md. Guarantees results that do not depend on the pieces.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.axes import PlaneLayout
from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.roi import CLASS_MAX, RoiRule
from mmip_gpu.sources import Source

from .grid import boxes, piece_lengths

__all__ = ["mask_survey", "otsu_rule", "value_limits"]


def value_limits(source: Source) -> tuple[float, float]:
    """(minimum, maximum) of all samples; zeros without any."""
    low, high = None, None
    for region in boxes(source.shape, piece_lengths(_layout(source))):
        piece = source.read(region)
        low = piece.min().item() if low is None else min(low, piece.min().item())
        high = piece.max().item() if high is None else max(high, piece.max().item())
    return (0, 0) if low is None or high is None else (low, high)


def otsu_rule(source: Source) -> RoiRule:
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
    for region in boxes(source.shape, piece_lengths(_layout(source))):
        values = source.read(region).reshape(-1).astype(np.int64) - int(info.min)
        counts += np.bincount(values, minlength=counts.size)
    present = np.flatnonzero(counts)
    if present.size < 2:  # nothing lies above the threshold of a constant array
        return RoiRule("threshold", int(info.max) + 1)
    first, last = int(present[0]), int(present[-1])
    centres = np.arange(first, last + 1) + int(info.min)
    threshold: Any = filters.threshold_otsu
    return RoiRule("threshold", math.floor(threshold(hist=(counts[first : last + 1], centres))) + 1)


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
