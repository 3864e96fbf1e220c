"""An intensity rule: which sample values belong to a region of interest.

Values: the text of a rule, such as ``"threshold:9000"``, and an array of real samples in host memory in; a bool mask of
the array's shape out. Implements no section of FORMAT.md. Guarantees that a rule marks the same voxels chunk by chunk
as in the whole array (but for ``otsu``, see ``needs_whole_array``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource

__all__ = ["PHYSICAL", "RoiRule"]

_RULES = "'threshold:VALUE' (value >= VALUE), 'range:LOW..HIGH' (both included) or 'otsu' (value > threshold)"
_BLOCK_SAMPLES = 1 << 18
PHYSICAL = "hu:"
"""What a rule in rescaled values begins with; only a source that states its rescale makes a RoiRule of it."""


@dataclass(frozen=True)
class RoiRule:
    """An intensity rule: which sample values belong to the region of interest.

    Parameters
    ----------
    kind : {"threshold", "range", "otsu"}
        ``threshold``: value >= low; ``range``: low <= value <= high; ``otsu``: value > Otsu's threshold.
    low, high : int or float, optional
        Finite bounds in sample units; ``high`` for ``range`` only, none for ``otsu``.

    Raises
    ------
    InvalidArgument
        Unknown kind, a bound missing, superfluous or not finite, or low > high.

    Examples
    --------
    >>> str(RoiRule("range", 300, 3000))
    'range:300..3000'
    """

    kind: str
    low: int | float | None = None
    high: int | float | None = None

    def __post_init__(self) -> None:
        bound_count = {"threshold": 1, "range": 2, "otsu": 0}.get(self.kind)
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        is_complete = bound_count == len(bounds) and (self.low is not None or not bounds)
        if not is_complete or not all(map(math.isfinite, bounds)) or bounds != sorted(bounds):
            raise InvalidArgument(f"roi rule: expected {_RULES}, LOW <= HIGH and finite; found {str(self)!r}")

    @classmethod
    def parse(cls, text: str) -> RoiRule:
        """Read a rule from its text; ``str(rule)`` writes it.

        Parameters
        ----------
        text : str
            ``"threshold:VALUE"``, ``"range:LOW..HIGH"`` or ``"otsu"``; values in sample units.

        Raises
        ------
        InvalidArgument
            Any other text; the message lists the rules.

        Examples
        --------
        >>> RoiRule.parse("threshold:9000")
        RoiRule(kind='threshold', low=9000, high=None)
        """
        if text.strip().startswith(PHYSICAL):
            raise InvalidArgument(
                f"roi rule {text!r}: expected a source that states its rescale, found samples alone; write_zarr and "
                "the command take DICOM and NIfTI files by path, elsewhere give stored values: range:LOW..HIGH"
            )
        kind, colon, rest = text.strip().partition(":")
        parts = rest.split("..", 1) if colon else []
        try:
            return cls(kind, *map(_number, parts))
        except (ValueError, TypeError):
            raise InvalidArgument(f"roi rule: expected {_RULES}; found {text!r}") from None

    def __str__(self) -> str:
        bounds = "..".join(repr(bound) for bound in (self.low, self.high) if bound is not None)
        return f"{self.kind}:{bounds}" if bounds else self.kind

    @property
    def needs_whole_array(self) -> bool:
        """Whether the rule depends on all samples, so that it cannot be applied chunk by chunk."""
        return self.kind == "otsu"

    def apply(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        """Mark the samples that satisfy the rule: bool, the shape of ``array``.

        Parameters
        ----------
        array : numpy.ndarray
            Real samples, any shape; the whole array for ``otsu``, which finds no ROI in a constant one.

        Raises
        ------
        InvalidArgument
            Samples that are not real numbers, or not finite for ``otsu``.
        MissingResource
            ``otsu`` without scikit-image.

        Examples
        --------
        >>> RoiRule.parse("threshold:2").apply(np.arange(4)).tolist()
        [False, False, True, True]
        """
        if array.dtype.kind not in "buif":
            raise InvalidArgument(f"roi rule: expected an array of real numbers, found dtype {array.dtype}")
        if self.kind == "otsu":
            return np.asarray(array > _otsu_threshold(array)) if array.size else np.zeros(array.shape, bool)
        low, high = self.low, self.high
        if array.dtype.kind in "ui":
            # Bounds become integers of the dtype, so that no library makes a copy of another dtype.
            info = np.iinfo(array.dtype)
            low = math.ceil(self.low or 0)
            high = info.max if self.high is None else math.floor(self.high)
            if low > info.max or high < info.min:
                low, high = info.max, info.min  # nothing, as both hold of no integer
            low, high = max(low, info.min), None if high >= info.max else high
        inside: Any = array >= low
        if high is not None:
            inside = inside & (array <= high)
        found: NDArray[np.bool_] = inside
        return found


def _number(text: str) -> int | float:
    """Return the number in ``text``, an int where it is written as one; ValueError for other text."""
    return float(text) if set(text) & set(".eE") else int(text)


def _otsu_threshold(array: NDArray[Any]) -> float:
    """Return Otsu's threshold of a non-empty array, in sample units."""
    try:
        from skimage import filters
    except ImportError:
        raise MissingResource("roi 'otsu': expected scikit-image of mmip-gpu[bench], found none") from None
    threshold_otsu: Any = filters.threshold_otsu
    is_float = array.dtype.kind == "f"
    low, high = float(array.min()), float(array.max())
    if not (is_float or array.dtype.itemsize <= 2) or not math.isfinite(high - low):
        found = f"{array.dtype} {low}..{high}"
        raise InvalidArgument(f"roi 'otsu': expected finite floats or at most 16 bit, found {found}")
    if low == high:
        return low
    if is_float:
        return float(threshold_otsu(array.reshape(-1)))
    counts = _histogram(array, int(low), int(high))
    return float(threshold_otsu(hist=(counts, np.arange(int(low), int(high) + 1))))


def _histogram(array: NDArray[Any], low: int, high: int) -> NDArray[np.int64]:
    """Count each value of low..high; block by block, since bincount makes an int64 copy of what it is given."""
    counts = np.zeros(high - low + 1, np.int64)
    blocks: Any = np.nditer(array, flags=("external_loop", "buffered"), buffersize=_BLOCK_SAMPLES)
    for block in blocks:
        counts += np.bincount(block.astype(np.int64) - low, minlength=counts.size)
    return counts
