"""A batch of chunks as the kernels see it: tables of chunks, payloads and tiles.

Values: ChunkShape per chunk in; structured arrays in the executor's memory out (kernels/items.h). Implements FORMAT.md
section 3. Chunks may differ in everything. Offsets are 64-bit sums over what comes before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import (
    CELL_AC,
    DC_ALPHABET,
    DC_CLASSES,
    HEADER_ALPHABET,
    HEADER_CLASSES,
    PREDICTION_SYMBOLS,
    SEARCH_FAST,
    TOKEN_ALPHABET,
    TOKEN_CLASSES,
    Chunk,
    superblock_shape,
)
from mmip_gpu.arguments import thread_count
from mmip_gpu.device.layouts.structs import KERNEL_LANES, struct_dtype
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.device.tables.block_tables import block_tables_of
from mmip_gpu.device.tables.tiles import groups_of
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Batch", "ChunkShape", "launch_items", "tile_items"]

_HEADER_SYMBOLS = HEADER_CLASSES * HEADER_ALPHABET
_AC_SYMBOLS = _HEADER_SYMBOLS + TOKEN_CLASSES * TOKEN_ALPHABET
_DC_SYMBOLS = DC_CLASSES * DC_ALPHABET
_MOST_COPIES, _MOST_COUNTS = 16, 2**24  # of the histograms: how many, and how many numbers together


@dataclass(frozen=True)
class ChunkShape:
    """What the tables of a chunk depend on.

    The one payload of a DC image holds its two stages; it stands for stage 1 of the chunk that it belongs to, whose own
    payloads begin with stage 2.
    """

    layout: PlaneLayout
    plan: ChunkPlan
    is_dc_image: bool = False

    @property
    def grid(self) -> tuple[int, int, int]:
        """Cells on z, y, x."""
        z, y, x = self.layout.volume
        return -(-z // self.plan.depth), -(-y // 8), -(-x // 8)

    @property
    def cells(self) -> int:
        """Cells of all planes."""
        z, y, x = self.grid
        return self.layout.planes * z * y * x

    @property
    def per_cell(self) -> int:
        """AC coefficients of a cell."""
        return CELL_AC[self.plan.depth]

    @property
    def ac_stages(self) -> int:
        """How many stages there are but the first."""
        return len(self.plan.cuts) - 1

    @property
    def reversible_bits(self) -> int:
        """Bit c: whether class c is reversible."""
        return sum(int(exact) << index for index, exact in enumerate(self.plan.reversible))

    @property
    def palettes(self) -> bool:
        """Whether there may be palette cells."""
        return self.plan.search[0] > SEARCH_FAST


def tile_items(shape: ChunkShape) -> NDArray[np.void]:
    """Tiles of one chunk in the format's order. Offsets count from the chunk's own first item.

    Examples
    --------
    >>> from mmip_gpu.config import CodecConfig
    >>> plan = ChunkPlan(CodecConfig("psnr", 50.0), "zyx", False, 8, (1, 2, 2), (0, 511), ((256,),), (0,))
    >>> tile_items(ChunkShape(PlaneLayout.of((9, 40, 40)), plan))["first_cell"].tolist()
    [0, 32, 40, 48]
    """
    depth, planes = shape.plan.depth, shape.layout.planes
    axes = []
    for cells, log2 in zip(shape.grid, shape.plan.tile_log2, strict=True):
        firsts = np.arange(0, cells, 1 << log2, dtype=np.int64)
        axes.append((firsts, np.minimum(1 << log2, cells - firsts)))
    places = np.meshgrid(np.arange(planes), *(first for first, _ in axes), indexing="ij")
    sizes = np.meshgrid(np.arange(planes), *(size for _, size in axes), indexing="ij")[1:]
    tiles: NDArray[np.void] = np.zeros(places[0].size, struct_dtype("TileItem"))
    tiles["plane"] = places[0].ravel()
    for axis in range(3):
        tiles["cell"][:, axis] = places[axis + 1].ravel()
        tiles["size"][:, axis] = sizes[axis].ravel()
    tiles["stream"] = np.arange(tiles.size)
    tiles["component"] = tiles["plane"] % len(shape.plan.steps[0])
    size = tiles["size"].astype(np.int64)
    cells = size.prod(axis=1)
    superblocks = _superblocks(tiles, depth)
    for name, counts in (
        ("first_cell", cells),
        ("first_entry", cells * shape.per_cell),
        ("first_span", cells * shape.ac_stages),
        ("first_superblock", superblocks),
        ("first_run", superblocks * shape.ac_stages),
    ):
        tiles[name] = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return tiles


@lru_cache(maxsize=16)
def _tile_bytes(shape: ChunkShape) -> tuple[NDArray[np.uint8], int]:
    """(records of the tiles of a chunk as bytes, superblocks of all)."""
    tiles = tile_items(shape)
    return tiles.view(np.uint8), int(_superblocks(tiles, shape.plan.depth).sum())


class Batch:
    """Tables of a batch in the executor's memory, and how much room its arrays take.

    `payloads` stays on the host, since where the bodies begin is found out on the way; `stages` are theirs, from 1 on.
    What the host does for all payloads, it does on `threads`.
    """

    def __init__(self, executor: Executor, shapes: Sequence[ChunkShape], threads: int | None = None) -> None:
        self.executor, self.shapes = executor, list(shapes)
        self.threads = thread_count(threads)
        distinct = {id(shape): shape for shape in shapes}
        numbers = {key: number for number, key in enumerate(distinct)}
        self._kinds, self._kind = list(distinct.values()), np.array([numbers[id(shape)] for shape in shapes], np.int64)
        self._chunks: dict[int, Chunk] = {}
        ac_stages = self.each([shape.ac_stages for shape in self._kinds])
        tile_counts = self._join_tiles(ac_stages)
        self.chunks = _chunk_items(self._kinds)[self._kind]
        self.chunks["first_payload"] = np.cumsum(ac_stages + 1) - ac_stages - 1
        self.payloads, self.stages = self._payload_items(tile_counts, ac_stages)
        self.streams = int(self.payloads["streams"].sum())
        self.groups = int(groups_of(self.payloads).sum())
        predictions = PREDICTION_SYMBOLS * self.chunks["predicted"].astype(np.int64)
        self.symbols = int((_DC_SYMBOLS + ac_stages * _AC_SYMBOLS + predictions).sum())
        self.predicted = any(shape.plan.prediction for shape in self._kinds)
        self.palettes = any(shape.palettes for shape in self._kinds)
        self.copies = max(1, min(_MOST_COPIES, _MOST_COUNTS // self.symbols))
        self._on_device = {
            "tiles": executor.upload(self.tiles),
            "chunks": executor.upload(self.chunks),
            "payloads": executor.upload(self.payloads),
        }
        self._blocks = block_tables_of(executor)

    def _join_tiles(self, ac_stages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Set the tiles of all chunks and the sizes of the arrays that they point into; returns tiles by chunk."""
        records = [_tile_bytes(shape) for shape in self._kinds]
        self.tiles = np.concatenate([records[kind][0] for kind in self._kind]).view(struct_dtype("TileItem"))
        tile_counts = self.each([tiles.size // struct_dtype("TileItem").itemsize for tiles, _ in records])
        cells = self.each([shape.cells for shape in self._kinds])
        superblocks = self.each([count for _, count in records])
        sizes = {
            "first_cell": cells,
            "first_entry": self.each([shape.cells * shape.per_cell for shape in self._kinds]),
            "first_span": cells * ac_stages,
            "first_superblock": superblocks,
            "first_run": superblocks * ac_stages,
        }
        self.tiles["chunk"] = np.repeat(np.arange(len(self.shapes)), tile_counts)
        for name, counts in sizes.items():
            self.tiles[name] += np.repeat(np.cumsum(counts) - counts, tile_counts)
        totals = {name: int(counts.sum()) for name, counts in sizes.items()}
        self.cells, self.entries, self.spans = totals["first_cell"], totals["first_entry"], totals["first_span"]
        self.superblocks, self.runs = totals["first_superblock"], totals["first_run"]
        self.first_cell = (np.cumsum(cells) - cells).tolist()
        self._first_tile = np.cumsum([0, *tile_counts])
        return tile_counts

    def each(self, of_kinds: Sequence[int]) -> NDArray[np.int64]:
        """Values by chunk from values by kind; chunks of one ChunkShape object are of one kind."""
        return np.array(of_kinds, np.int64)[self._kind]

    @property
    def kinds(self) -> list[ChunkShape]:
        """The distinct shapes."""
        return self._kinds

    def _payload_items(
        self, tiles: NDArray[np.int64], ac_stages: NDArray[np.int64]
    ) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
        """(records of all payloads, their stages)."""
        first = self.chunks["first_payload"].astype(np.int64)
        stages = np.arange(int((ac_stages + 1).sum())) - np.repeat(first, ac_stages + 1) + 1
        without, image = (
            self.each([s.plan.dc_image for s in self._kinds]),
            self.each([s.is_dc_image for s in self._kinds]),
        )
        empty = np.where(stages == 1, np.repeat(without, ac_stages + 1), np.repeat(image, ac_stages + 1))
        payloads = np.zeros(stages.size, struct_dtype("PayloadItem"))
        payloads["streams"] = np.where(empty > 0, 0, np.repeat(tiles, ac_stages + 1))
        predicted = np.repeat(self.chunks["predicted"], ac_stages + 1)
        predictions = PREDICTION_SYMBOLS * (stages == 2) * predicted
        symbols = np.where(stages == 1, _DC_SYMBOLS, _AC_SYMBOLS) + predictions
        for name, counts in (
            ("first_stream", payloads["streams"]),
            ("first_symbol", symbols),
            ("first_group", groups_of(payloads)),
        ):
            payloads[name] = np.cumsum(counts) - counts
        payloads["first_stream"][first + 1] -= tiles * image
        payloads["first_symbol"] += predictions
        return payloads, stages.astype(np.uint8)

    def place_bodies(self, bodies: NDArray[np.int64]) -> None:
        """Set where the sub-streams of every payload begin in the output."""
        self.payloads["body"] = bodies
        self._on_device["payloads"] = self.executor.upload(self.payloads)

    def addresses(self) -> dict[str, int]:
        """Fields of a kernel's Params that name the batch."""
        address = self.executor.address
        tables = {name: address(array) for name, array in self._on_device.items()}
        return {"tile_count": self.tiles.size, "blocks": address(self._blocks.items), **tables}

    def chunk_of(self, index: int) -> Chunk:
        """A chunk of the core of this shape, for what the host does of it; chunks of one kind share it."""
        kind = int(self._kind[index])
        if kind not in self._chunks:
            layout, plan = self._kinds[kind].layout, self._kinds[kind].plan
            self._chunks[kind] = Chunk(
                planes=layout.planes,
                shape=layout.volume,
                depth=plan.depth,
                tile_log2=plan.tile_log2,
                cuts=plan.cuts,
                steps=plan.steps,
                reversible=plan.reversible,
                recon=((0, 0, 0),) * len(plan.steps),
                padding=plan.padding,
                choice_steps=plan.choice_steps,
            )
        return self._chunks[kind]

    def settle_sums(self, sums: NDArray[np.int64], search: int) -> list[tuple[list[list[int]], list[float]]]:
        """(reconstruction points, squared errors) of the classes of every chunk."""
        out = []
        for index, (first, end) in enumerate(pairwise(self._first_tile)):
            chunk = self.chunk_of(index)
            errors = chunk.settle_sums(sums[first:end], search)
            out.append((chunk.recon, errors))
        return out


def launch_items(executor: Executor, kernel: str, items: NDArray[np.void]) -> None:
    """Launch a kernel over items of `count` lanes each, and set their `first_group`."""
    if not items.size:
        return
    many = -(-items["count"] // KERNEL_LANES[kernel])
    items["first_group"] = np.cumsum(many) - many
    on_device = executor.upload(items)
    executor.launch(kernel, groups=int(many.sum()), item_count=items.size, items=executor.address(on_device))


def _superblocks(tiles: NDArray[np.void], depth: int) -> NDArray[np.int64]:
    """Superblocks of every tile."""
    count: NDArray[np.int64] = (-(-tiles["size"].astype(np.int64) // superblock_shape(depth))).prod(axis=1)
    return count


def _chunk_items(shapes: Sequence[ChunkShape]) -> NDArray[np.void]:
    """Records of chunks of these shapes but for their first payloads."""
    chunks = np.zeros(len(shapes), struct_dtype("ChunkItem"))
    for item, shape in zip(chunks, shapes, strict=True):
        plan = shape.plan
        item["depth"], item["stages"] = plan.depth, len(plan.cuts)
        item["classes"], item["components"] = len(plan.steps), len(plan.steps[0])
        item["predicted"] = plan.prediction
        item["cuts"][: len(plan.cuts)] = plan.cuts
        item["steps"][: len(plan.steps), : len(plan.steps[0])] = plan.steps
        item["choice_steps"][: len(plan.steps), : len(plan.steps[0])] = plan.choice_steps or plan.steps
    return chunks
