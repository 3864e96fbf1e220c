"""Which tiles a region of a softly compressed array needs, and where the region lies in them.

Values: what a decode wants in; numbers of sub-streams, the shape of what they fill, and the crop out. Implements
FORMAT.md section 8.8 (order of the sub-streams).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.codec import Wanted
from mmip_gpu.container.soft_fields import SoftFields
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region

__all__ = ["SoftRegion", "substream_count"]


def substream_count(layout: PlaneLayout, tile_log2: tuple[int, int]) -> int:
    """Number of sub-streams of an array."""
    depth, height, width = layout.volume
    return layout.planes * depth * -(-height // (1 << tile_log2[0])) * -(-width // (1 << tile_log2[1]))


@dataclass(frozen=True)
class SoftRegion:
    """A region of an array at full scale, with the tiles that cover it; all channels of a position belong to them.

    `bounds` has a slice for each axis. `shape` is that of the planes that the sub-streams fill.
    """

    layout: PlaneLayout
    bounds: tuple[slice, ...]
    shape: tuple[int, int, int, int]
    substreams: NDArray[np.int64]
    _tiled: tuple[slice, ...]

    @classmethod
    def of(cls, layout: PlaneLayout, fields: SoftFields, wanted: Wanted) -> Self:
        """Region of the array with this layout that a decode wants."""
        small = layout.scaled(wanted.scale, 8)
        parts = checked_region(wanted.region, small.shape)
        factors = [wanted.scale if letter in "zyx" else 1 for letter in layout.axes]
        bounds = tuple(
            slice(part.start * f, min(part.stop * f, n)) for part, f, n in zip(parts, factors, layout.shape, strict=True)
        )
        by_axis = dict(zip(layout.axes, bounds, strict=True))
        volume = layout.volume
        sizes = {"y": 1 << fields.tile_log2[0], "x": 1 << fields.tile_log2[1]}
        tiled, numbers = {}, [_planes(layout, by_axis)]
        for letter, length in zip("zyx", volume, strict=True):
            part, size = by_axis.get(letter, slice(0, 1)), sizes.get(letter, 1)
            first, last = part.start // size, -(-part.stop // size)
            tiled[letter] = slice(first * size, min(last * size, length))
            numbers[0] = (numbers[0][:, None] * -(-length // size) + np.arange(first, last)).reshape(-1)
        lengths = [tiled[letter].stop - tiled[letter].start for letter in "zyx"]
        planes = len(_planes(layout, by_axis))
        whole = {"c": slice(0, layout.channels)} | tiled
        covered = tuple(whole.get(letter, by_axis[letter]) for letter in layout.axes)
        shape = (planes, lengths[0], lengths[1], lengths[2])
        return cls(layout, bounds, shape, numbers[0], covered)

    @property
    def samples(self) -> int:
        """Samples that the sub-streams fill."""
        return math.prod(self.shape)

    @property
    def part(self) -> PlaneLayout:
        """Layout of the region itself."""
        return PlaneLayout(self.layout.axes, tuple(part.stop - part.start for part in self.bounds))

    def crop(self, planes: NDArray[Any]) -> NDArray[Any]:
        """The region out of what its sub-streams fill."""
        layout = PlaneLayout(self.layout.axes, tuple(part.stop - part.start for part in self._tiled))
        inner = tuple(
            slice(part.start - tiled.start, part.stop - tiled.start)
            for part, tiled in zip(self.bounds, self._tiled, strict=True)
        )
        return np.ascontiguousarray(layout.from_planes(planes)[inner])


def _planes(layout: PlaneLayout, by_axis: dict[str, slice]) -> NDArray[np.int64]:
    """Planes of all channels at the positions on t and n that are wanted, ascending."""
    index = np.zeros(1, np.int64)
    for letter in "tnc":
        if letter in layout.axes:
            length = layout.shape[layout.axes.index(letter)]
            part = by_axis[letter] if letter != "c" else slice(0, length)
            index = (index[:, None] * length + np.arange(part.start, part.stop, dtype=np.int64)).reshape(-1)
    return index
