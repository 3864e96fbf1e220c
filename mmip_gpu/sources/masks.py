"""Masks in files: any image that `open_source` opens, as quality classes of the image that it belongs to.

Values: a path, or the text of ``--roi``, in; a Source of classes, or a rule, out. Implements no section of FORMAT.md.
Guarantees that a mask with an affine lies where an image with one lies.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources import open_source
from mmip_gpu.sources.place import check_place
from mmip_gpu.sources.rescale import stored_rule
from mmip_gpu.sources.source import Array, Region, Source
from mmip_gpu.volume.roi_rule import PHYSICAL, RoiRule

__all__ = ["open_mask", "placed_roi", "roi_of_text"]

_RULES: Final = ("threshold", "range", "otsu", PHYSICAL.rstrip(":"))
_WHITE: Final = 255


@dataclass(frozen=True)
class _Classes:
    """Reads a mask of 8 bits in which white is class 1, as image editors write it."""

    mask: Source

    def __call__(self, region: Region) -> Array:
        samples = self.mask.read(region)
        return np.where(samples == _WHITE, np.uint8(1), samples)


def open_mask(mask: Any) -> Source:
    """Open a mask by what `open_source` opens: a bool or integer image of classes, in which 255 of 8 bits is 1.

    Examples
    --------
    >>> open_mask(np.array([[0, 255]], np.uint8)).read().tolist()
    [[0, 1]]
    """
    opened = open_source(mask)
    if opened.dtype.kind not in "bui":
        raise InvalidArgument(f"roi: expected a bool or integer mask or a rule, found {opened.name} of {opened.dtype}")
    return replace(opened, reader=_Classes(opened), origin=None) if opened.dtype == np.uint8 else opened


def roi_of_text(text: str | None) -> Source | str | None:
    """Return the mask that a file holds, or the text of a rule, checked but for what depends on the source.

    Examples
    --------
    >>> roi_of_text("threshold:9000")
    'threshold:9000'
    """
    if text is None:
        return None
    is_rule = text.strip().partition(":")[0] in _RULES
    if Path(text).exists() or (not is_rule and ("://" in text or os.sep in text or Path(text).suffix)):
        return open_mask(text)
    return text if text.strip().startswith(PHYSICAL) else str(RoiRule.parse(text))


def placed_roi(roi: Source | str | None, source: Source) -> Array | str | None:
    """Return the array of a mask, which has to lie where a source lies, or a rule on the stored values of the source.

    Raises
    ------
    InvalidArgument
        For affines that differ, or a rule on values that the source does not state.

    Examples
    --------
    >>> placed_roi(open_mask(np.eye(2, dtype=bool)), open_source(np.zeros((2, 2), np.uint8))).tolist()
    [[1, 0], [0, 1]]
    """
    if not isinstance(roi, Source):
        rule: str | None = stored_rule(roi, source)
        return rule
    check_place(roi, source)
    return roi.read()
