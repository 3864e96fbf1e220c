"""Arrays as planes: which axes are coded together and which are independent images.

Values: an array of rank 1 to 6 with named axes on one side, a C-ordered array (planes, Z, Y, X) on the other.
Implements FORMAT.md section 1 (planes). Guarantees that `from_planes` undoes `to_planes`; colour is apart (colour.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument

__all__ = ["DEFAULT_AXES", "MOST_AXES", "Own", "PlaneLayout", "default_axes", "shrinking_axes"]

DEFAULT_AXES = {1: "x", 2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}  # by rank; five as OME-NGFF orders them
Own = Callable[[Any], Any]
_PLANE_AXES = "tnc"
_SPATIAL_AXES = "zyx"
_SPATIAL_ORDERS = ("x", "yx", "zyx")
_FEW_CHANNELS = 8
MOST_AXES = len(_PLANE_AXES + _SPATIAL_AXES)


def default_axes(rank: int) -> str:
    """Axes of an array that does not say what they are.

    Raises
    ------
    InvalidArgument
        For a rank without a default.

    Examples
    --------
    >>> default_axes(5)
    'tczyx'
    """
    if rank in DEFAULT_AXES:
        return DEFAULT_AXES[rank]
    if rank == MOST_AXES:
        raise InvalidArgument(f"{rank} axes have no default: pass axes=, such as axes='tnczyx' in the array's order")
    known = ", ".join(DEFAULT_AXES.values())
    raise InvalidArgument(f"expected 1 to 5 axes ({known}), or 6 named by axes=, found {rank}: split it first")


@lru_cache(maxsize=256)
def _is_well_formed(axes: str) -> bool:
    """Whether each letter is known and stands once, and the spatial ones are x, yx or zyx."""
    spatial = "".join(a for a in axes if a in _SPATIAL_AXES)
    return set(axes) <= set(_PLANE_AXES + _SPATIAL_AXES) and len(set(axes)) == len(axes) and spatial in _SPATIAL_ORDERS


def shrinking_axes(depth: int) -> str:
    """Axes that a scale reduces, by the depth of the cells.

    Examples
    --------
    >>> shrinking_axes(1), shrinking_axes(8)
    ('yx', 'zyx')
    """
    return "zyx" if depth == 8 else "yx"


@dataclass(frozen=True)
class PlaneLayout:
    """How the axes of an array make planes.

    Parameters
    ----------
    axes : str
        One letter per axis out of ``t n c z y x``.
    shape : tuple of int
        Length of each axis.
    slice_axis : str
        Axis of the slices of a plane: ``z``, or ``t`` or ``n``, whose place among the axes of planes ``z`` then takes.
    """

    axes: str
    shape: tuple[int, ...]
    slice_axis: str = "z"

    @classmethod
    def of(cls, shape: tuple[int, ...], axes: str | None = None) -> PlaneLayout:
        """Layout of an array of this shape; ``axes=None`` takes the default of its rank.

        Raises
        ------
        InvalidArgument
            For axes that do not describe the shape.

        Examples
        --------
        >>> PlaneLayout.of((4, 64, 64)).axes
        'zyx'
        >>> PlaneLayout.of((64, 64, 3), "yxc").planes
        3
        """
        if axes is not None and not isinstance(axes, str):
            raise InvalidArgument(f"axes={axes!r}: expected a text such as 'zyx'")
        if axes is None:
            axes = default_axes(len(shape))
        if not _is_well_formed(axes):
            raise InvalidArgument(
                f"axes={axes!r}: expected each of 't n c z y x' at most once, with x, yx or zyx in this order"
            )
        if len(axes) != len(shape):
            raise InvalidArgument(f"axes={axes!r} names {len(axes)} axes, the array has {len(shape)}")
        return cls(axes, tuple(int(n) for n in shape))

    def length(self, axis: str) -> int:
        """Length of an axis, 1 of a missing one."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def plane_axes(self) -> str:
        """The axes that planes run over, the innermost last.

        Examples
        --------
        >>> PlaneLayout("tyx", (9, 64, 64), "t").plane_axes
        'znc'
        """
        return _PLANE_AXES.replace(self.slice_axis, "z")

    def sliced_along(self, axis: str) -> PlaneLayout:
        """The same with slices along an axis, where it is longer than 1; else along z."""
        return replace(self, slice_axis=axis if self.length(axis) > 1 else "z")

    @cached_property
    def planes(self) -> int:
        """Number of independent volumes."""
        return math.prod(map(self.length, self.plane_axes))

    @cached_property
    def channels(self) -> int:
        """Length of the axis c (1 without one)."""
        return self.length("c")

    @cached_property
    def volume(self) -> tuple[int, int, int]:
        """(Z, Y, X) of each plane."""
        return self.length(self.slice_axis), self.length("y"), self.length("x")

    @cached_property
    def samples(self) -> int:
        """Number of samples of the array."""
        return math.prod(self.shape)

    @property
    def of_channel(self) -> PlaneLayout:
        """Layout of one channel of the array."""
        lengths = zip(self.axes, self.shape, strict=True)
        return replace(self, shape=tuple(1 if a == "c" else n for a, n in lengths))

    @property
    def middle_plane(self) -> tuple[slice, ...]:
        """Region of the middle slice, all rows and columns."""
        return tuple(
            slice(0, n) if letter in "yx" or not n else slice(n // 2, n // 2 + 1)
            for letter, n in zip(self.axes, self.shape, strict=True)
        )

    def _order(self) -> list[int]:
        return [self.axes.index(a) for a in f"{self.plane_axes}{self.slice_axis}yx" if a in self.axes]

    def plane_view(self, array: Any) -> Any:
        """The array (of any library) with its axes in the order of the planes, not copied."""
        return array.transpose(self._order())

    def to_planes(self, array: NDArray[Any]) -> NDArray[Any]:
        """C-ordered (planes, Z, Y, X) in native byte order, a view where the array already is that."""
        native = array.dtype.newbyteorder("=")
        return np.ascontiguousarray(self.plane_view(array), native).reshape(self.planes, *self.volume)

    def from_planes(self, planes: NDArray[Any], own: Own = np.ascontiguousarray) -> NDArray[Any]:
        """Array of `shape` from (planes, Z, Y, X); the inverse of `to_planes`, made C-ordered by `own`."""
        order = self._order()
        stacked = planes.reshape([self.shape[i] for i in order])
        found: NDArray[Any] = stacked.transpose([order.index(i) for i in range(len(order))])
        if own is not np.ascontiguousarray or not self.axes.endswith("c") or self.shape[-1] > _FEW_CHANNELS:
            copied: NDArray[Any] = own(found)
            return copied
        owned = np.empty_like(found, order="C")
        for channel in range(self.shape[-1]):  # each in one long run, instead of sample after sample in short ones
            owned[..., channel] = found[..., channel]
        return owned

    def scaled(self, scale: int, depth: int) -> PlaneLayout:
        """Layout after scaled decoding: y and x shrink, z too at cell depth 8."""
        shrinking = shrinking_axes(depth)
        lengths = zip(self.axes, self.shape, strict=True)
        return replace(self, shape=tuple(-(-n // scale) if a in shrinking else n for a, n in lengths))
