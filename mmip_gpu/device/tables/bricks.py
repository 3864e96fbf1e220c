"""The bricks and tiles of a box of a chunk of kind 2 as records for the kernels.

Values: geometry in, structured arrays out, in host memory. Sizes and offsets have 64 bits. Implements FORMAT.md section
3.1 for many bricks at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.header import Header
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.device.layouts.structs import struct_dtype

__all__ = ["BrickBox", "BrickRecords", "brick_records", "joined_bricks", "magnitude_room"]


@dataclass(frozen=True)
class BrickBox:
    """A box of planes and bricks of a chunk.

    Parameters
    ----------
    volume : sequence of int
        (Z, Y, X) of a plane in samples.
    channels, components : int
        Planes of samples of one group, and of what is coded of them.
    bounds : sequence of int
        Plane of samples from, to, then brick from, to on z, y, x.
    """

    volume: tuple[int, int, int]
    tile_log2: tuple[int, int, int]
    brick_log2: tuple[int, int, int]
    channels: int
    components: int
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, header: Header[PredictiveFields], bounds: list[int]) -> BrickBox:
        """The box of a chunk with this header."""
        fields, channels = header.fields, 3 if header.colour else 1
        volume = header.layout.volume
        return cls(volume, fields.tile_log2, fields.brick_log2, channels, fields.coded_planes(channels), tuple(bounds))

    @property
    def origin(self) -> tuple[int, int, int]:
        """Its first sample, in the plane."""
        z, y, x = (low << log2 for low, log2 in zip(self.bounds[2::2], self.brick_log2, strict=True))
        return z, y, x

    @property
    def size(self) -> tuple[int, int, int]:
        """Samples on z, y, x.

        Examples
        --------
        >>> BrickBox((1, 100, 70), (0, 5, 6), (0, 5, 6), 1, 1, (0, 1, 0, 1, 1, 4, 0, 2)).size
        (1, 68, 70)
        """
        ends = (
            min(high << log2, n) for high, log2, n in zip(self.bounds[3::2], self.brick_log2, self.volume, strict=True)
        )
        z, y, x = (end - low for end, low in zip(ends, self.origin, strict=True))
        return z, y, x

    @property
    def groups(self) -> NDArray[np.int64]:
        """Numbers of the groups of planes of one colour; of grey planes, of the planes."""
        return np.arange(self.bounds[0] // self.channels, self.bounds[1] // self.channels, dtype=np.int64)


@dataclass(frozen=True)
class BrickRecords:
    """Bricks of a box, group after group in raster order; those of one box begin with tile, stream and number 0.

    `tiles` says how many each brick has, `substreams` which one of the payload each stream is, `numbers` how many
    numbers a brick takes. Streams go by group, component, brick and tile.
    """

    bricks: NDArray[Any]
    tiles: NDArray[np.int64]
    substreams: NDArray[np.int64]
    numbers: NDArray[np.int64]


def brick_records(box: BrickBox) -> BrickRecords:
    """The records of a box."""
    groups, places = box.groups, [np.arange(a, b) for a, b in zip(box.bounds[2::2], box.bounds[3::2], strict=True)]
    at = np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, 3)  # of the bricks of a plane
    origin = at << np.array(box.brick_log2)
    extent = np.minimum(1 << np.array(box.brick_log2), np.array(box.volume) - origin)
    tile = 1 << np.array(box.tile_log2)
    tiles, of_plane = -(-extent // tile), -(-np.array(box.volume) // tile)
    first = _first_substreams(origin // tile, tiles, of_plane)
    counts = tiles.prod(axis=1)
    starts = np.cumsum(counts) - counts
    per_plane, streams = np.arange(counts.sum()) + np.repeat(first - starts, counts), int(counts.sum())
    planes = (groups[:, None] * box.components + np.arange(box.components)).reshape(-1, 1)
    every = -(-np.array(box.volume) // (1 << np.array(box.brick_log2)))
    bricks = np.zeros((len(groups), len(at)), struct_dtype("BrickPlace"))
    bricks["plane"] = (groups - groups[:1])[:, None] * box.channels
    bricks["origin"], bricks["extent"] = origin, extent
    bricks["number"] = groups[:, None] * every.prod() + (at[:, 0] * every[1] + at[:, 1]) * every[2] + at[:, 2]
    bricks["first_stream"] = np.arange(len(groups))[:, None] * box.components * streams + starts
    bricks["component_streams"] = streams
    numbers = box.components * extent[:, 0] * extent[:, 1] * (extent[:, 2] + 2)
    of_groups = np.ones(len(groups), np.int64)
    return BrickRecords(
        bricks.reshape(-1),
        np.kron(of_groups, counts),
        (planes * of_plane.prod() + per_plane).reshape(-1),
        np.kron(of_groups, numbers),
    )


def _first_substreams(
    tile: NDArray[np.int64], tiles: NDArray[np.int64], of_plane: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Number of the first sub-stream of bricks within their plane; its others follow in raster order."""
    z, y, x = tile.T
    found: NDArray[np.int64] = z * of_plane[1] * of_plane[2] + tiles[:, 0] * (y * of_plane[2] + tiles[:, 1] * x)
    return found


def joined_bricks(records: Sequence[BrickRecords]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(bricks of all boxes with their places among all streams and tiles, how many tiles each has)."""
    bricks = np.concatenate([one.bricks.view(np.uint8) for one in records]).view(struct_dtype("BrickPlace"))
    tiles = np.concatenate([one.tiles for one in records])
    counts, streams = [len(one.bricks) for one in records], np.array([len(one.substreams) for one in records])
    bricks["chunk"] = np.repeat(np.arange(len(records)), counts)
    bricks["first_stream"] += np.repeat(np.cumsum(streams) - streams, counts)
    bricks["first_tile"] = np.cumsum(tiles) - tiles
    return bricks, tiles


def magnitude_room(box: BrickBox) -> int:
    """Numbers that the walk over a tile takes as scratch (read_residuals of rules/predictive/residual_reader.h)."""
    z, y, x = (min(1 << log2, n) for log2, n in zip(box.tile_log2, box.volume, strict=True))
    return 2 * (y if z > 1 else 2) * (x + 2)
