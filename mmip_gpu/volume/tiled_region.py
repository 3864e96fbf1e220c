"""Which tiles a region of an array needs, and where the region lies in them.

Values: slices of the (scaled) array in; a box of planes and tiles for the core, and the crop of what it decodes, out.
Implements FORMAT.md sections 1 (planes) and 3 (tiles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import LimitExceeded
from mmip_gpu.volume.axes import Own, PlaneLayout
from mmip_gpu.volume.region import Region, checked_region

__all__ = ["TiledRegion", "Tiling", "numbers_in_box"]


@dataclass(frozen=True)
class Tiling:
    """How an array is cut in tiles: its layout as it is decoded, samples of a tile in that and at full size."""

    layout: PlaneLayout
    tile: tuple[int, int, int]
    full_tile: tuple[int, int, int]
    full_volume: tuple[int, int, int]
    colour: bool
    item_bytes: int


@dataclass(frozen=True)
class TiledRegion:
    """A region of an array that is coded in tiles.

    `layout` describes the region itself, `decoded_bytes` is the size of its tiles at full scale; `box` is (plane from,
    to, then tile from, to on z, y, x) for the core.
    """

    layout: PlaneLayout
    box: list[int]
    decoded_bytes: int
    _planes: NDArray[np.int64]
    _spatial: tuple[slice, slice, slice]

    @classmethod
    def of(cls, tiling: Tiling, region: Region | None) -> Self:
        """Region of an array that is cut like this."""
        whole = tiling.layout
        bounds = checked_region(region, whole.shape)
        by_axis = dict(zip(whole.axes, bounds, strict=True))
        planes = _plane_indices(whole, by_axis)
        first, last = (int(planes[0]), int(planes[-1]) + 1) if planes.size else (0, 0)
        if tiling.colour:
            first, last = first // 3 * 3, -(-last // 3) * 3
        box, spatial, decoded = [first, last], [], 1
        for axis, letter in enumerate(f"{whole.slice_axis}yx"):
            part = by_axis.get(letter, slice(0, 1))
            box += [part.start // tiling.tile[axis], -(-part.stop // tiling.tile[axis])]
            spatial.append(part)
            full = tiling.full_tile[axis]
            decoded *= min(box[-1] * full, tiling.full_volume[axis]) - box[-2] * full
        layout = replace(whole, shape=tuple(b.stop - b.start for b in bounds))
        size = (last - first) * decoded * tiling.item_bytes
        return cls(layout, box, size, planes - first, (spatial[0], spatial[1], spatial[2]))

    def limited(self, max_bytes: int) -> Self:
        """The region, if its decoding takes no more bytes.

        Raises
        ------
        LimitExceeded
            For more bytes than `max_bytes`.
        """
        if self.samples and self.decoded_bytes > max_bytes:
            raise LimitExceeded(f"decoding takes {self.decoded_bytes} bytes, max_bytes={max_bytes}")
        return self

    @property
    def samples(self) -> int:
        """Samples of the region."""
        return self.layout.samples

    def planes_of(self, out: NDArray[Any]) -> NDArray[Any] | None:
        """The region's array as planes of the box, rows without gaps: a view; None where it is none of these."""
        view = self.layout.plane_view(out)
        is_dense = view.shape[-1] == 1 or view.strides[-1] == view.itemsize
        if not is_dense or len(self._planes) != self.box[1] - self.box[0]:
            return None
        planes: NDArray[Any] = view.reshape(self.layout.planes, *self.layout.volume)
        return planes if np.may_share_memory(planes, out) else None

    @property
    def origin(self) -> list[int]:
        """First sample of the region (z, y, x)."""
        return [part.start for part in self._spatial]

    def crop(self, planes: NDArray[Any], origin: Sequence[int], own: Own = np.ascontiguousarray) -> NDArray[Any]:
        """The region out of the decoded box, whose first sample stands at `origin` (z, y, x).

        `own` makes an array C-ordered, in the memory where it is.
        """
        return self.layout.from_planes(self.cropped_planes(planes, origin, own), own)

    def cropped_planes(self, planes: NDArray[Any], origin: Sequence[int], own: Own) -> NDArray[Any]:
        """The same as planes of samples on z, y, x."""
        z, y, x = (slice(s.start - o, s.stop - o) for s, o in zip(self._spatial, origin, strict=True))
        inner = planes[:, z, y, x]
        if len(self._planes) != len(planes):
            inner = inner[self._planes]
        owned: NDArray[Any] = own(inner)
        return owned


def numbers_in_box(box: Sequence[int], counts: Sequence[int]) -> NDArray[np.int64]:
    """Numbers, in raster order, of what lies in a box (from, to on each axis) of so many on each axis; ascending.

    Examples
    --------
    >>> numbers_in_box([0, 1, 2, 3, 0, 4], (1, 5, 4)).tolist()
    [8, 9, 10, 11]
    """
    number = np.zeros(1, np.int64)
    for axis, count in enumerate(counts):
        number = (number[:, None] * count + np.arange(box[2 * axis], box[2 * axis + 1])).reshape(-1)
    return number


def _plane_indices(layout: PlaneLayout, by_axis: dict[str, slice]) -> NDArray[np.int64]:
    """Planes that the region touches, ascending (their axes nested)."""
    index = np.zeros(1, np.int64)
    for letter in layout.plane_axes:
        if letter in layout.axes:
            n = layout.shape[layout.axes.index(letter)]
            chosen = np.arange(by_axis[letter].start, by_axis[letter].stop, dtype=np.int64)
            index = (index[:, None] * n + chosen).reshape(-1)
    return index
