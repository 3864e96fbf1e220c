"""The padding masks of a batch: they are found in its samples, and the samples under them are replaced.

Values: planes, and classes of cells, per chunk in; PaddingMasks, with the planes that are transformed, out. Encoder
side of FORMAT.md sections 5 and 8.1 (padding). Masks and planes equal those of `Chunk.fill` of the core. Scratch: a
copy of the samples of chunks with padding, about 1.3 bytes a sample for their masks, 13 a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch, ChunkShape, launch_items

__all__ = ["PaddingMasks", "fill_padding"]

_FRAME = 2  # samples beside a row and rows above a slice, where masks are coded


@dataclass
class PaddingMasks:
    """Masks of a batch.

    By tile: `places` of their frames (-1: the chunk has no mask) in `frames`, and `codes` (kind, bytes). By cell, in
    raster order of its tile: a word of `mask` for each of its slices, and whether it is `hidden` as a whole.
    """

    places: DeviceArray
    mask: DeviceArray
    hidden: DeviceArray
    frames: DeviceArray
    codes: DeviceArray

    @classmethod
    def empty(cls, batch: Batch) -> PaddingMasks:
        """Room for the masks of a batch; nothing is hidden."""
        executor = batch.executor
        places, frame_bytes = _frame_places(batch)
        return cls(
            places=executor.upload(places),
            mask=executor.empty((batch.entries + batch.cells) // 64, np.uint64),
            hidden=executor.zeros(batch.cells, np.uint8),
            frames=executor.empty(frame_bytes, np.uint8),
            codes=executor.empty((places.size, 2), np.uint32),
        )

    @contract(reads="mask_dev", writes="frames_dev and codes_dev", kernels=["frame_masks"])
    def frame(self, batch: Batch) -> None:
        """Make frames and codes of the words of `mask`."""
        executor = batch.executor
        fields = {name: executor.address(array) for name, array in vars(self).items() if name != "hidden"}
        executor.launch("frame_masks", groups=batch.tiles.size, **batch.addresses(), **fields)


@contract(
    reads="planes_dev, C-ordered; cells_dev",
    writes="masks_dev; filled_dev: the planes themselves of chunks without padding, copies of others",
    kernels=["find_masks", "pull_levels", "push_levels", "fill_planes", "fill_volumes"],
)
def fill_padding(
    batch: Batch, planes: Sequence[DeviceArray], cells: Sequence[DeviceArray | None]
) -> tuple[PaddingMasks | None, list[DeviceArray]]:
    """Find masks and fill planes of a batch of one cell depth; returns None for masks where no chunk has one."""
    executor = batch.executor
    filled = [
        p if s.plan.padding is None else executor.empty(p.shape, p.dtype)
        for p, s in zip(planes, batch.shapes, strict=True)
    ]
    pyramids = [None if s.plan.padding is None else _Pyramid(batch, s) for s in batch.shapes]
    if not any(pyramids):
        return None, filled
    items = executor.upload(_padded_items(batch, planes, filled, cells, pyramids))
    masks = PaddingMasks.empty(batch)
    fields = {"items": executor.address(items), "mask": executor.address(masks.mask), **batch.addresses()}
    executor.launch("find_masks", groups=batch.superblocks, hidden=executor.address(masks.hidden), **fields)
    masks.frame(batch)
    _spread([p for p in pyramids if p])
    depth = batch.shapes[0].plan.depth
    executor.launch("fill_planes" if depth == 1 else "fill_volumes", groups=batch.superblocks, **fields)
    return masks, filled


class _Pyramid:
    """Values of the cells of a chunk and how sure they are, in levels of half the size each, by slice of the grid."""

    def __init__(self, batch: Batch, shape: ChunkShape) -> None:
        self.executor = batch.executor
        gz, ny, nx = shape.grid
        self.slices = shape.layout.planes * gz
        self.sizes = [(ny, nx)]
        while ny * nx > 1:
            ny, nx = -(-ny // 2), -(-nx // 2)
            self.sizes.append((ny, nx))
        ends = np.cumsum([y * x for y, x in self.sizes]).tolist()
        self.firsts, self.room = [0, *ends[:-1]], ends[-1]
        self.values, self.weights = (self.executor.empty(self.slices * self.room, np.float32) for _ in range(2))

    def item(self, level: int, pull: bool) -> tuple[int, ...]:
        """LevelItem of a level and the coarser one."""
        ny, nx = self.sizes[level]
        written = self.sizes[level + 1] if pull else (ny, nx)
        addresses = self.executor.address(self.values), self.executor.address(self.weights)
        count = self.slices * written[0] * written[1]
        return (*addresses, self.room, self.firsts[level], self.firsts[level + 1], ny, nx, count, 0)


def _spread(pyramids: Sequence[_Pyramid]) -> None:
    """Pull values from the finest level to the coarsest, and push them back."""
    levels = max(len(p.sizes) for p in pyramids) - 1
    for pull, order in ((True, range(levels)), (False, range(levels - 1, -1, -1))):
        for level in order:
            rows = [p.item(level, pull) for p in pyramids if level + 1 < len(p.sizes)]
            kernel = "pull_levels" if pull else "push_levels"
            launch_items(pyramids[0].executor, kernel, np.array(rows, struct_dtype("LevelItem")))


def _padded_items(
    batch: Batch,
    planes: Sequence[DeviceArray],
    filled: Sequence[DeviceArray],
    cells: Sequence[DeviceArray | None],
    pyramids: Sequence[_Pyramid | None],
) -> NDArray[np.void]:
    address = batch.executor.address
    items = np.zeros(len(planes), struct_dtype("PaddedItem"))
    for index, (item, shape, pyramid) in enumerate(zip(items, batch.shapes, pyramids, strict=True)):
        classes, padding = cells[index], shape.plan.padding
        if pyramid is None or padding is None:
            continue
        item["samples"], item["filled"] = address(planes[index]), address(filled[index])
        item["classes"] = 0 if classes is None else address(classes)
        item["values"], item["weights"] = address(pyramid.values), address(pyramid.weights)
        item["level_room"], item["shape"] = pyramid.room, shape.layout.volume
        item["type"], item["padding"] = SAMPLE_TYPES[planes[index].dtype], padding
        item["reversible"] = shape.reversible_bits
    return items


def _frame_places(batch: Batch) -> tuple[NDArray[np.int64], int]:
    """Where the frame of every tile begins, -1 for those without; bytes of all."""
    depths = np.array([0 if s.plan.padding is None else s.plan.depth for s in batch.shapes], np.int64)
    depth, size = depths[batch.tiles["chunk"]], batch.tiles["size"].astype(np.int64)
    frames = depth * size[:, 0] * (8 * size[:, 1] + _FRAME) * (8 * size[:, 2] + 2 * _FRAME)
    ends = np.cumsum(frames)
    return np.where(depth > 0, ends - frames, -1), int(ends[-1])
