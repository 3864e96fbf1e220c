"""The tiles of a chunk's box as records for the kernels, and how launches of bounded scratch are cut out of them.

Values: geometry in, structured arrays out, in host memory. Sizes and offsets have 64 bits.
Implements FORMAT.md section 3 (grid, tiles, sub-streams) for many tiles at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import GROUP_SUBSTREAMS, MAGNITUDE_BYTES, PALETTE_BYTES, coding_order
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.transform.plan import ChunkPlan

__all__ = [
    "COMPONENT_LIMIT",
    "Box",
    "CodingOrders",
    "assign_tile_offsets",
    "cut_into_waves",
    "frame_bytes",
    "groups_of",
    "set_quantizer",
    "tile_records",
]

COMPONENT_LIMIT = 2**28  # of what is no sample yet: colour components, DCs in a DC image

_CELL_BYTES = 4 + 1 + 3 + 4 + 8 + 4  # dc, class, mode and predictions, density, value, error
_MASK_BYTES = 64  # of a cell


@dataclass(frozen=True)
class Box:
    """A box of planes and tiles of a chunk.

    Parameters
    ----------
    shape : sequence of int
        (Z, Y, X) of a plane in samples.
    depth : int
        Cell depth, 1 or 8.
    tile_log2 : sequence of int
        Cells of a tile on z, y, x.
    bounds : sequence of int
        Plane from, to, then tile from, to on z, y, x.
    """

    shape: tuple[int, int, int]
    depth: int
    tile_log2: tuple[int, int, int]
    bounds: tuple[int, ...]

    @property
    def cell(self) -> tuple[int, int, int]:
        """Samples of a cell."""
        return self.depth, 8, 8

    @property
    def grid(self) -> tuple[int, int, int]:
        """Cells of a plane."""
        z, y, x = (-(-n // c) for n, c in zip(self.shape, self.cell, strict=True))
        return z, y, x

    def window(self, scale: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """(first sample of the box in the scaled plane, samples of the box, samples of the plane).

        Examples
        --------
        >>> Box((1, 100, 70), 1, (0, 2, 2), (0, 1, 0, 1, 1, 4, 0, 2)).window(2)
        ((0, 16, 0), (1, 34, 32), (1, 50, 35))
        """
        origin, size, plane = [], [], []
        for axis, (n, cell) in enumerate(zip(self.shape, self.cell, strict=True)):
            s = scale if axis or self.depth == 8 else 1
            low, high = self.bounds[2 + 2 * axis : 4 + 2 * axis]
            plane.append(-(-n // s))
            origin.append((low << self.tile_log2[axis]) * cell // s)
            size.append(min((high << self.tile_log2[axis]) * cell // s, plane[-1]) - origin[-1])
        return tuple(origin), tuple(size), tuple(plane)


class CodingOrders:
    """Coding orders of tiles of any size, one after the other in one array."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, ...], int] = {}
        self._parts: list[tuple[NDArray[np.uint16], NDArray[np.uint8]]] = []
        self._end = 0

    def first(self, depth: int, size: Sequence[int]) -> int:
        """Where the order of such a tile begins."""
        key = (depth, *(int(n) for n in size))
        if key not in self._first:
            self._first[key] = self._end
            self._parts.append(coding_order(*key))
            self._end += len(self._parts[-1][0])
        return self._first[key]

    def arrays(self) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """All orders: raster indices, and which blocks may start there (header_class of rules/tokens/symbols.h)."""
        raster, merges = zip(*self._parts, strict=True)
        return np.concatenate(raster), np.concatenate(merges)


def set_quantizer(item: Any, plan: ChunkPlan | TransformFields, recon: Sequence[Sequence[int]]) -> None:
    """Fill the fields of a DecodeItem that say how its indices become coefficients."""
    item["depth"], item["class_count"], item["components"] = plan.depth, len(plan.steps), len(plan.steps[0])
    item["cuts"][: len(plan.cuts)] = plan.cuts
    for k, (steps, points) in enumerate(zip(plan.steps, recon, strict=True)):
        item["steps"][k, : len(steps)], item["recon"][k, 1:] = steps, points
        item["reversible"][k] = plan.reversible[k]


def tile_records(box: Box, components: int, orders: CodingOrders) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(records of the box's tiles in the order of their sub-streams, index of each among all sub-streams)."""
    first, last, *ends = box.bounds
    lows, highs = ends[::2], ends[1::2]
    counts = [-(-g // (1 << log2)) for g, log2 in zip(box.grid, box.tile_log2, strict=True)]
    axes = [np.arange(first, last, dtype=np.int64)]
    axes += [np.arange(low, high, dtype=np.int64) for low, high in zip(lows, highs, strict=True)]
    plane, *at = (a.reshape(-1) for a in np.meshgrid(*axes, indexing="ij"))
    tiles = np.zeros(plane.size, struct_dtype("DecodeTile"))
    tiles["plane"], tiles["component"] = plane - first, plane % components
    tiles["image"] = -1
    substream = plane
    for axis in range(3):
        tiles["cell"][:, axis] = at[axis] << box.tile_log2[axis]
        tiles["size"][:, axis] = np.minimum(1 << box.tile_log2[axis], box.grid[axis] - tiles["cell"][:, axis])
        substream = substream * counts[axis] + at[axis]
    sizes, which = np.unique(tiles["size"], axis=0, return_inverse=True)
    firsts = np.array([orders.first(box.depth, size) for size in sizes], np.int32)
    tiles["order"] = firsts[which.reshape(-1)] if len(firsts) else 0
    return tiles, substream


def cells_of(tiles: NDArray[Any]) -> NDArray[np.int64]:
    """Cells of each tile."""
    found: NDArray[np.int64] = tiles["size"].astype(np.int64).prod(axis=1)
    return found


def frame_bytes(tiles: NDArray[Any], depth: NDArray[np.int64], corrections: bool) -> NDArray[np.int64]:
    """Words of scratch that each tile needs for its mask or its corrections (rules/padding, rules/corrections)."""
    size = tiles["size"].astype(np.int64)
    z, y, x = size[:, 0] * depth, 8 * size[:, 1], 8 * size[:, 2]
    used: NDArray[np.int64] = 4 * (z * (y + 2) * (x + 3) + 1) if corrections else z * (y + 2) * (x + 4)
    return -(-used // 8) * 8


def assign_tile_offsets(
    tiles: NDArray[Any], stages: NDArray[np.int64], frames: NDArray[np.int64], restored: NDArray[np.int64]
) -> dict[str, int]:
    """Set where each tile of a launch begins in the arrays; returns how much of each array is used.

    `room` of the tiles is set already; `stages`, `frames` and `restored`, samples of R2, are those of each tile.
    """
    cells = cells_of(tiles)
    used = {}
    parts = {"base": cells, "spans": cells * (stages - 1), "tokens": tiles["room"], "frame": frames}
    for name, sizes in (parts | {"restored": restored}).items():
        ends = np.cumsum(sizes)
        tiles[name] = ends - sizes
        used[name] = int(ends[-1]) if len(ends) else 0
    return used


def scratch_bytes(
    tiles: NDArray[Any], stages: NDArray[np.int64], frames: NDArray[np.int64], restored: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Bytes that each tile takes while a launch decodes it."""
    per_cell = _CELL_BYTES + _MASK_BYTES * (frames > 0) + struct_dtype("TokenSpan").itemsize * (stages - 1)
    found: NDArray[np.int64] = (
        cells_of(tiles) * per_cell
        + struct_dtype("Token").itemsize * tiles["room"]
        + frames
        + 4 * restored
        + MAGNITUDE_BYTES
        + PALETTE_BYTES
    )
    return found


def cut_into_waves(sizes: NDArray[np.int64], limit: int) -> list[slice]:
    """Runs of tiles whose bytes stay within the limit, or that hold one tile only.

    Examples
    --------
    >>> cut_into_waves(np.array([5, 5, 5, 20, 1]), 10)
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None), slice(4, 5, None)]
    """
    ends, waves, first = np.cumsum(sizes), [], 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, before + limit, "right")), first + 1)
        waves.append(slice(first, last))
        first = last
    return waves


def groups_of(payloads: NDArray[np.void]) -> NDArray[np.int64]:
    """Groups of sub-streams of every payload."""
    groups: NDArray[np.int64] = -(-payloads["streams"] // GROUP_SUBSTREAMS)
    return groups
