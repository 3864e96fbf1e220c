"""Regions of interest: from what a caller passes as ``roi=`` to a small class number per voxel and per cell.

Values: a mask (bool or integer), a rule such as ``"threshold:9000"`` or None, with the array it belongs to, in host
memory, in; uint8 class maps out, 0 = background, 1..7 = regions, higher = better. Implements the class map of
FORMAT.md. The step size of each class is left to the planner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume.axes import default_axes
from mmip_gpu.volume.roi_rule import RoiRule

__all__ = ["CLASS_MAX", "Roi", "RoiRule", "cell_classes", "checked_axes", "mask_classes", "roi_classes"]

CLASS_MAX = 7
_AXIS_LETTERS = "ntzyxc"
_SPATIAL = "zyx"


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
