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

    `bounds` has a slice for each axis, `shape` is that of the planes which the sub-streams fill. Nothing grows with the
    region until its sub-streams are asked for.
    """

    layout: PlaneLayout
    bounds: tuple[slice, ...]
    tile: dict[str, int]
    tiled: dict[str, slice]

    @classmethod
    def of(cls, layout: PlaneLayout, fields: SoftFields, wanted: Wanted) -> Self:
        """Region of the array with this layout that a decode wants."""
        parts = checked_region(wanted.region, layout.scaled(wanted.scale, 8).shape)
        factors = [wanted.scale if letter in "zyx" else 1 for letter in layout.axes]
        bounds = tuple(
            slice(part.start * f, min(part.stop * f, n)) for part, f, n in zip(parts, factors, layout.shape, strict=True)
        )
        tile = {"z": 1, "y": 1 << fields.tile_log2[0], "x": 1 << fields.tile_log2[1]}
        tiled = dict(zip(layout.axes, bounds, strict=True)) | {"c": slice(0, layout.channels)}
        for letter, length in zip("zyx", layout.volume, strict=True):
            part, size = tiled.get(letter, slice(0, 1)), tile[letter]
            tiled[letter] = slice(part.start // size * size, min(-(-part.stop // size) * size, length))
        return cls(layout, bounds, tile, tiled)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(planes, Z, Y, X) of what the sub-streams fill."""
        t, n, c, z, y, x = (_length(self.tiled.get(letter, slice(0, 1))) for letter in "tnczyx")
        return t * n * c, z, y, x

    @property
    def samples(self) -> int:
        """Samples that the sub-streams fill."""
        return math.prod(self.shape)

    @property
    def substreams(self) -> NDArray[np.int64]:
        """Numbers of the sub-streams, ascending."""
        numbers = np.zeros(1, np.int64)
        for letter, length in zip("tnczyx", self._lengths(), strict=True):
            size, part = self.tile.get(letter, 1), self.tiled.get(letter, slice(0, 1))
            wanted = np.arange(part.start // size, -(-part.stop // size), dtype=np.int64)
            numbers = (numbers[:, None] * -(-length // size) + wanted).reshape(-1)
        return numbers

    @property
    def part(self) -> PlaneLayout:
        """Layout of the region itself."""
        return PlaneLayout(self.layout.axes, tuple(map(_length, self.bounds)))

    def crop(self, planes: NDArray[Any]) -> NDArray[Any]:
        """The region out of what its sub-streams fill."""
        axes = self.layout.axes
        layout = PlaneLayout(axes, tuple(_length(self.tiled[letter]) for letter in axes))
        inner = tuple(
            slice(part.start - self.tiled[letter].start, part.stop - self.tiled[letter].start)
            for letter, part in zip(axes, self.bounds, strict=True)
        )
        return np.ascontiguousarray(layout.from_planes(planes)[inner])

    def _lengths(self) -> list[int]:
        axes = self.layout.axes
        return [self.layout.shape[axes.index(letter)] if letter in axes else 1 for letter in "tnczyx"]


def _length(part: slice) -> int:
    return int(part.stop - part.start)
