"""Which tiles a region of a transformed array needs, and where the region lies in them.

Values: slices of the (scaled) array in; a box of planes and tiles for the core, and the crop of what it decodes, out.
Implements FORMAT.md sections 1 (planes), 3 (tiles) and 5.1 (scaled sizes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.codec import Wanted
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.volume.axes import Own, PlaneLayout
from mmip_gpu.volume.region import Region, checked_region

__all__ = ["TiledRegion"]


@dataclass(frozen=True)
class TiledRegion:
    """A region of a transformed array, at a scale.

    `layout` describes the region itself, `decoded_bytes` is the size of its tiles at full scale; `box` is (plane from,
    to, then tile from, to on z, y, x) for the core.
    """

    layout: PlaneLayout
    box: list[int]
    decoded_bytes: int
    _planes: NDArray[np.int64]
    _spatial: tuple[slice, slice, slice]

    @classmethod
    def of(cls, header: TransformHeader, scale: int, region: Region | None) -> Self:
        """Region of the array that the header describes."""
        fields = header.fields
        whole = header.layout.scaled(scale, fields.depth)
        bounds = checked_region(region, whole.shape)
        by_axis = dict(zip(whole.axes, bounds, strict=True))
        planes = whole.plane_indices(bounds)
        first, last = (int(planes[0]), int(planes[-1]) + 1) if planes.size else (0, 0)
        if header.colour:
            first, last = first // 3 * 3, -(-last // 3) * 3
        box, spatial, decoded = [first, last], [], 1
        for axis, letter in enumerate("zyx"):
            part = by_axis.get(letter, slice(0, 1))
            cell = fields.depth if letter == "z" else 8
            shrink = scale if letter != "z" or fields.depth == 8 else 1
            samples = (cell << fields.tile_log2[axis]) // shrink
            box += [part.start // samples, -(-part.stop // samples)]
            spatial.append(part)
            full = cell << fields.tile_log2[axis]
            decoded *= min(box[-1] * full, header.layout.volume[axis]) - box[-2] * full
        layout = PlaneLayout(whole.axes, tuple(b.stop - b.start for b in bounds))
        size = (last - first) * decoded * np.dtype(header.dtype).itemsize
        return cls(layout, box, size, planes - first, (spatial[0], spatial[1], spatial[2]))

    @classmethod
    def within(cls, header: TransformHeader, wanted: Wanted, max_bytes: int) -> Self:
        """Region that a decode wants, if it takes no more bytes.

        Raises
        ------
        LimitExceeded
            For more bytes than `max_bytes`.
        """
        region = cls.of(header, wanted.scale, wanted.region)
        if region.samples and region.decoded_bytes > max_bytes:
            raise LimitExceeded(f"decoding takes {region.decoded_bytes} bytes, max_bytes={max_bytes}")
        return region

    @property
    def samples(self) -> int:
        """Samples of the region."""
        return self.layout.samples

    def crop(self, planes: NDArray[Any], origin: Sequence[int], own: Own = np.ascontiguousarray) -> NDArray[Any]:
        """The region out of the decoded box, whose first sample stands at `origin` (z, y, x).

        `own` makes an array C-ordered, in the memory where it is.
        """
        z, y, x = (slice(s.start - o, s.stop - o) for s, o in zip(self._spatial, origin, strict=True))
        inner = planes[:, z, y, x]
        if len(self._planes) != len(planes):
            inner = inner[self._planes]
        return self.layout.from_planes(own(inner), own)
