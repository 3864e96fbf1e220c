"""Regions of interest: from what a caller passes as ``roi=`` to a small class number per voxel and per cell.

Values: a mask (bool or integer), a rule such as ``"threshold:9000"`` or None, with the array it belongs to
(host memory) in; uint8 class maps out, 0 = background, 1..7 = regions, higher = better. Implements the class
map of FORMAT.md. Guarantees that a rule marks the same voxels chunk by chunk as in the whole array (but for
``otsu``, see ``needs_whole_array``); leaves the step size of each class to the rate control.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.volume.axes import default_axes

__all__ = ["CLASS_MAX", "Roi", "RoiRule", "cell_classes", "checked_axes", "mask_classes", "roi_classes"]

CLASS_MAX = 7
_AXIS_LETTERS = "ntzyxc"
_SPATIAL = "zyx"
_RULES = "'threshold:VALUE' (value >= VALUE), 'range:LOW..HIGH' (both included) or 'otsu' (value > threshold)"
_PIECE_SAMPLES = 1 << 18


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
    """Count each value of low..high; in pieces, since bincount makes an int64 copy of what it is given."""
    counts = np.zeros(high - low + 1, np.int64)
    pieces: Any = np.nditer(array, flags=("external_loop", "buffered"), buffersize=_PIECE_SAMPLES)
    for piece in pieces:
        counts += np.bincount(piece.astype(np.int64) - low, minlength=counts.size)
    return counts


def checked_axes(axes: str | None, rank: int) -> str:
    """Return the axis letters of an array of ``rank`` dimensions.

    Parameters
    ----------
    axes : str or None
        One letter per axis out of n, t, z, y, x, c, none twice; None takes the default of the rank.
    rank : int
        Number of dimensions.

    Raises
    ------
    InvalidArgument
        Letters unknown, repeated or not as many as dimensions, or None for a rank that has no default.

    Examples
    --------
    >>> checked_axes(None, 3)
    'zyx'
    """
    letters = default_axes(rank) if axes is None else axes
    if len(letters) != rank or len(set(letters)) != rank or not set(letters) <= set(_AXIS_LETTERS):
        raise InvalidArgument(f"axes: expected {rank} different letters of {_AXIS_LETTERS!r}, found {letters!r}")
    return letters


def roi_classes(
    roi: str | RoiRule | NDArray[Any] | None, array: NDArray[Any], axes: str | None = None
) -> NDArray[np.uint8] | None:
    """Turn a region of interest into one class number per voxel; None if ``roi`` is None.

    Parameters
    ----------
    roi : None, numpy.ndarray, str or RoiRule
        A bool mask, an integer class map (0 = background, 1..7, higher = better), a rule or its text. A mask
        has the array's shape, with or without the channel axis, or that of its z, y, x axes alone.
    array : numpy.ndarray
        The image; of its samples only a rule reads anything.
    axes : str, optional
        Axis letters of ``array``, see `checked_axes`.

    Returns
    -------
    numpy.ndarray or None
        uint8, C order, the array's shape without the channel axis: a voxel has the highest class of its
        channels, a spatial mask is repeated over t and n. May share memory with ``roi``.

    Raises
    ------
    InvalidArgument
        A mask whose shape, dtype or values do not fit, or a bad rule.
    MissingResource
        The rule ``otsu`` without scikit-image.

    Examples
    --------
    >>> roi_classes("threshold:5", np.array([[4, 5], [6, 0]]), "yx").tolist()
    [[0, 1], [1, 0]]
    """
    if roi is None:
        return None
    letters = checked_axes(axes, array.ndim)
    rule = RoiRule.parse(roi) if isinstance(roi, str) else roi
    if not isinstance(rule, RoiRule):
        return mask_classes(np.asarray(rule), array.shape, letters)
    inside = rule.apply(array)
    voxels: Any = inside.any(axis=letters.index("c")) if "c" in letters else inside
    return np.ascontiguousarray(voxels).view(np.uint8)


def mask_classes(mask: NDArray[Any], shape: tuple[int, ...], axes: str) -> NDArray[np.uint8]:
    """Check a mask, of NumPy or of a library with its methods, against an array's shape; it as classes, without ``c``.

    Raises
    ------
    InvalidArgument
        A mask whose shape, dtype or values do not fit.

    Examples
    --------
    >>> mask_classes(np.array([[False, True]]), (2, 1, 2), "tyx").tolist()
    [[[0, 1]], [[0, 1]]]
    """
    if mask.dtype.kind not in "bui":
        raise InvalidArgument(f"roi: expected a bool or integer mask or a rule, found dtype {mask.dtype}")
    if mask.size and (mask.min() < 0 or mask.max() > CLASS_MAX):
        raise InvalidArgument(f"roi: expected classes 0..{CLASS_MAX}, found {mask.min()}..{mask.max()}")
    classes: NDArray[np.uint8] = mask.astype(np.uint8, order="C", copy=False)
    lengths = dict(zip(axes, shape, strict=True))
    voxels = tuple(lengths[letter] for letter in axes if letter != "c")
    if mask.shape == voxels:
        return classes
    if mask.shape == shape:
        return classes.max(axis=axes.index("c")) if mask.size else np.zeros(voxels, np.uint8)
    if mask.shape == tuple(lengths[letter] for letter in axes if letter in _SPATIAL):
        classes = classes.reshape(tuple(n if a in _SPATIAL else 1 for a, n in lengths.items() if a != "c"))
        for axis, letter in enumerate(axes.replace("c", "")):
            classes = classes if letter in _SPATIAL else classes.repeat(lengths[letter], axis)
        return classes
    raise InvalidArgument(f"roi: expected a mask of shape {voxels} for axes {axes!r}, found {mask.shape}")


def cell_classes(classes: NDArray[np.uint8], cell: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return the class of each cell: the highest class of any voxel in it.

    Parameters
    ----------
    classes : numpy.ndarray
        uint8, shape (planes, Z, Y, X).
    cell : tuple of int
        Cell lengths (cz, cy, cx) in voxels, each at least 1.

    Returns
    -------
    numpy.ndarray
        uint8, shape (planes, ceil(Z / cz), ceil(Y / cy), ceil(X / cx)), C order; a cell at the far edge takes
        the voxels that exist. Shares memory with ``classes`` for cells of one voxel.

    Raises
    ------
    InvalidArgument
        Another dtype or rank, or not three cell lengths of at least 1.

    Examples
    --------
    >>> cell_classes(np.array([[[[0, 1, 0, 0, 2]]]], np.uint8), (1, 8, 2)).tolist()
    [[[[1, 0, 2]]]]
    """
    if classes.dtype != np.uint8 or classes.ndim != 4 or len(cell) != 3 or min(cell) < 1:
        found = f"{classes.dtype}, rank {classes.ndim}, cell {cell}"
        raise InvalidArgument(f"classes: expected uint8, rank 4, cell of three lengths >= 1; found {found}")
    for axis, length in enumerate(cell, start=1):
        classes = _group_maximum(classes, axis, length)
    return np.ascontiguousarray(classes)


def _group_maximum(classes: NDArray[np.uint8], axis: int, length: int) -> NDArray[np.uint8]:
    """Return the maximum of every ``length`` entries along an axis (the last group may be short)."""
    if length == 1:
        return classes
    along = np.moveaxis(classes, axis, 0)
    highest = along[::length].copy(order="K")
    for offset in range(1, min(length, len(along))):
        column = along[offset::length]
        np.maximum(highest[: len(column)], column, out=highest[: len(column)])
    return np.moveaxis(highest, 0, axis)


Roi = str | NDArray[Any]
"""A rule's text or a mask."""
