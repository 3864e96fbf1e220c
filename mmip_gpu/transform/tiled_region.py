"""How a transformed array is cut in tiles, at a scale; the region of one that is wanted.

Values: a header and what is wanted in, a TiledRegion out. Implements FORMAT.md sections 3 (tiles) and 5.1 (sizes).
"""

from __future__ import annotations

import numpy as np

from mmip_gpu.container.codec import Wanted
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.volume.region import Region
from mmip_gpu.volume.tiled_region import TiledRegion, Tiling

__all__ = ["region_of", "region_within"]


def region_of(header: TransformHeader, scale: int, region: Region | None) -> TiledRegion:
    """Region of the array that the header describes."""
    fields = header.fields
    z, y, x = ((fields.depth if a == 0 else 8) << log2 for a, log2 in enumerate(fields.tile_log2))
    shrunk = z // scale if fields.depth == 8 else z, y // scale, x // scale
    layout = header.layout.scaled(scale, fields.depth)
    tiling = Tiling(layout, shrunk, (z, y, x), header.layout.volume, header.colour, np.dtype(header.dtype).itemsize)
    return TiledRegion.of(tiling, region)


def region_within(header: TransformHeader, wanted: Wanted, max_bytes: int) -> TiledRegion:
    """Region that a decode wants, if it takes no more bytes (LimitExceeded)."""
    return region_of(header, wanted.scale, wanted.region).limited(max_bytes)
