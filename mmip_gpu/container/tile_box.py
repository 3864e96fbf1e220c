"""Which tiles of samples a region needs, and where the region lies in what they give.

Values: a region of the (scaled) array in; a box of planes and tiles, and the crop of what it decodes, out. Implements
FORMAT.md section 1 (planes) for kinds from 2 on, of which z, y and x shrink.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.codec import Wanted
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region

__all__ = ["TileBox"]

_SHRINKING_DEPTH = 8


@dataclass(frozen=True)
class TileBox:
    """Tiles that a region needs: planes from and to, then tiles from and to on z, y, x; `layout` is the region's own."""

    layout: PlaneLayout
    edges: tuple[int, ...]
    samples: int
    _planes: NDArray[np.int64]
    _spatial: tuple[slice, ...]

    @classmethod
    def of(cls, layout: PlaneLayout, tile_log2: Sequence[int], wanted: Wanted) -> Self:
        """Box for what a decode wants of an array with this layout; `samples` are those of its tiles at full size."""
        whole = layout.scaled(wanted.scale, _SHRINKING_DEPTH)
        bounds = checked_region(wanted.region, whole.shape)
        by_axis = dict(zip(whole.axes, bounds, strict=True))
        planes = whole.plane_indices(bounds)
        edges = [int(planes[0]), int(planes[-1]) + 1] if planes.size else [0, 0]
        samples = edges[1] - edges[0]
        spatial = tuple(by_axis.get(letter, slice(0, 1)) for letter in "zyx")
        for part, length, log2 in zip(spatial, layout.volume, tile_log2, strict=True):
            last = min(part.stop * wanted.scale, length)
            first = min(part.start * wanted.scale, last) >> log2
            edges += [first, -(-last >> log2)]
            samples *= min(edges[-1] << log2, length) - (first << log2)
        shape = tuple(part.stop - part.start for part in bounds)
        return cls(PlaneLayout(whole.axes, shape), tuple(edges), samples, planes - edges[0], spatial)

    def check(self, itemsize: int, max_bytes: int) -> None:
        """Raise LimitExceeded where the tiles take more bytes at full size."""
        if self.layout.samples and self.samples * itemsize > max_bytes:
            raise LimitExceeded(f"decoding takes {self.samples * itemsize} bytes, max_bytes={max_bytes}")

    def substreams(self, counts: Sequence[int]) -> list[int] | None:
        """Numbers of the sub-streams of the box, ascending; None for all. `counts` are of planes, tiles on z, y, x."""
        if list(self.edges) == [edge for count in counts for edge in (0, count)]:
            return None
        number = np.zeros(1, np.int64)
        for axis, count in enumerate(counts):
            chosen = np.arange(self.edges[2 * axis], self.edges[2 * axis + 1])
            number = (number[:, None] * count + chosen).reshape(-1)
        return [int(n) for n in number]

    def crop(self, planes: NDArray[Any], origin: Sequence[int]) -> NDArray[Any]:
        """The region out of what the box gives, whose first sample stands at `origin` (z, y, x)."""
        z, y, x = (slice(s.start - o, s.stop - o) for s, o in zip(self._spatial, origin, strict=True))
        inner = planes[:, z, y, x]
        if len(self._planes) != len(planes):
            inner = inner[self._planes]
        return self.layout.from_planes(np.ascontiguousarray(inner))
