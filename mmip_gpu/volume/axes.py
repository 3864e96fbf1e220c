"""Arrays as planes: which axes are coded together and which are independent images.

Values: an array of rank 1 to 6 with named axes on one side, a C-ordered array (planes, Z, Y, X) on the other.
Implements FORMAT.md section 1 (planes). Guarantees that `from_planes` undoes `to_planes`; colour is apart (colour.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument

__all__ = ["DEFAULT_AXES", "Own", "PlaneLayout"]

DEFAULT_AXES = {1: "x", 2: "yx", 3: "zyx", 4: "tzyx"}
Own = Callable[[Any], Any]
_PLANE_AXES = "tnc"
_SPATIAL_AXES = "zyx"


@dataclass(frozen=True)
class PlaneLayout:
    """How the axes of an array make planes.

    Parameters
    ----------
    axes : str
        One letter per axis out of ``t n c z y x``.
    shape : tuple of int
        Length of each axis.
    """

    axes: str
    shape: tuple[int, ...]

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
            axes = DEFAULT_AXES.get(len(shape))
            if axes is None:
                raise InvalidArgument(f"expected 1 to 4 axes, or axes= given, found rank {len(shape)}")
        known = set(_PLANE_AXES + _SPATIAL_AXES)
        spatial = "".join(a for a in axes if a in _SPATIAL_AXES)
        well_formed = set(axes) <= known and len(set(axes)) == len(axes) and spatial in ("x", "yx", "zyx")
        if not well_formed:
            raise InvalidArgument(
                f"axes={axes!r}: expected each of 't n c z y x' at most once, with x, yx or zyx in this order"
            )
        if len(axes) != len(shape):
            raise InvalidArgument(f"axes={axes!r} names {len(axes)} axes, the array has {len(shape)}")
        return cls(axes, tuple(int(n) for n in shape))

    def _length(self, axis: str) -> int:
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def planes(self) -> int:
        """Number of independent volumes."""
        return self._length("t") * self._length("n") * self._length("c")

    @property
    def channels(self) -> int:
        """Length of the axis c (1 without one)."""
        return self._length("c")

    @property
    def volume(self) -> tuple[int, int, int]:
        """(Z, Y, X) of each plane."""
        return self._length("z"), self._length("y"), self._length("x")

    @property
    def samples(self) -> int:
        """Number of samples of the array."""
        return math.prod(self.shape)

    def _order(self) -> list[int]:
        return [self.axes.index(a) for a in _PLANE_AXES + _SPATIAL_AXES if a in self.axes]

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
        owned: NDArray[Any] = own(stacked.transpose([order.index(i) for i in range(len(order))]))
        return owned

    def scaled(self, scale: int, depth: int) -> PlaneLayout:
        """Layout after scaled decoding: y and x shrink, z too at cell depth 8."""
        shrinking = "zyx" if depth == 8 else "yx"
        return PlaneLayout(
            self.axes,
            tuple(-(-n // scale) if a in shrinking else n for a, n in zip(self.axes, self.shape, strict=True)),
        )
