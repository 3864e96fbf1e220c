"""The planes that a decoder makes, straight from the coefficients of a batch: for rates, verifying and corrections.

Values: Indices and a Reconstruction per chunk in, arrays of the executor out. Decoder side of FORMAT.md sections 2, 4
and 5, of all stages at full scale. Guarantees what `transform.analysis.Analysis.decoded` gives, bit for bit. Nothing
waits for the device. Scratch: about 150 bytes a tile and 4 a superblock; of chunks with colour 4 bytes a sample.

- ``Synthesizer(executor)`` keeps tables between calls.
- ``Synthesizer.planes(batch, indices, chunks, mask=None) -> [planes, ..]``: a C-ordered array (planes, Z, Y, X) of
  `Reconstruction.dtype` for every chunk of the batch, in which cell depths may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import DC_IMAGE_UNIT, PREDICTED_LIMIT
from mmip_gpu.device.decode.finishing import undo_colour
from mmip_gpu.device.decode.payload_heads import DecodingTables
from mmip_gpu.device.decode.wave import group_tiles
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.device.tables.indices import Indices, Predictions
from mmip_gpu.device.tables.tiles import COMPONENT_LIMIT, set_quantizer
from mmip_gpu.volume.floats import sample_range

__all__ = ["Reconstruction", "Synthesizer"]

_KERNELS = {
    "synthesize_flat": "synthesize_planes",
    "synthesize_deep": "synthesize_volumes",
    "synthesize_predicted": "synthesize_closed",
}


@dataclass(frozen=True)
class Reconstruction:
    """What a header says of a chunk beside its plan.

    Parameters
    ----------
    dtype : dtype
        Of the samples; int32 where they are indices of float32 samples.
    offset : int
        Added to what the transforms leave.
    recon : sequence of (d1, d2, d3)
        Reconstruction points of every class.
    limits : (int, int), optional
        Least and greatest sample, where they are not those of the dtype.
    """

    dtype: np.dtype[Any]
    offset: int
    recon: Sequence[Sequence[int]]
    limits: tuple[int, int] | None = None


class Synthesizer:
    """Makes planes of coefficients in the memory of an executor."""

    def __init__(self, executor: Executor) -> None:
        self._executor, self._store = executor, DecodingTables(executor)

    @classmethod
    def of_lane(cls, lane: Lane) -> Self:
        """A synthesizer for the batches of one lane."""
        return cls(lane.executor)

    @contract(
        reads="indices_dev; mask_dev",
        writes="planes_dev, C-ordered",
        kernels=list(_KERNELS.values()),
    )
    def planes(
        self,
        batch: Batch,
        indices: Indices,
        chunks: Sequence[Reconstruction],
        mask: DeviceArray | None = None,
        predictions: Predictions | None = None,
    ) -> list[DeviceArray]:
        """Decoded planes of every chunk.

        `mask` holds the padding masks of chunks that have one: a word of 64 bits for every slice of every cell of the
        batch, cells in the order of `Indices.classes`; bit 8 y + x is a sample. `predictions` are those of chunks
        whose plans have some.
        """
        executor = self._executor
        made, items = [], np.zeros(len(chunks), struct_dtype("DecodeItem"))
        for item, shape, chunk in zip(items, batch.shapes, chunks, strict=True):
            dtype = np.dtype(np.int32) if shape.plan.colour else chunk.dtype
            made.append(executor.empty((shape.layout.planes, *shape.layout.volume), dtype))
            self._fill(item, shape, chunk)
            item["samples"], item["type"] = executor.address(made[-1]), SAMPLE_TYPES[dtype]
        self._run(indices, items, _tile_records(batch), mask, predictions)
        coloured = [index for index, shape in enumerate(batch.shapes) if shape.plan.colour]
        found = undo_colour(
            executor,
            [made[i] for i in coloured],
            [chunks[i].dtype for i in coloured],
            [chunks[i].offset for i in coloured],
        )
        for index, array in zip(coloured, found, strict=True):
            made[index] = array
        return made

    @contract(
        reads="indices_dev of chunks of flat cells",
        writes="restored_dev: samples of whole cells, tile after tile",
        kernels=["synthesize_planes"],
    )
    def restore(self, batch: Batch, indices: Indices) -> DeviceArray:
        """R2 of all tiles where no block is predicted, in the order of `Predictions`; reconstruction points are 0."""
        points = [((0, 0, 0),) * len(shape.plan.steps) for shape in batch.shapes]
        executor, (items, tiles) = self._executor, self.records(batch, points, stages=2)
        restored = executor.empty(64 * batch.cells, np.int32)
        of_tiles = items[tiles["item"]]  # every tile as a plane of its own
        of_tiles["samples"] = executor.address(restored) + restored.itemsize * tiles["restored"]
        for name in ("shape", "size", "scaled"):
            of_tiles[name] = tiles["size"].astype(np.int64) * (1, 8, 8)
        of_tiles["minimum"], of_tiles["maximum"] = -PREDICTED_LIMIT, PREDICTED_LIMIT
        of_tiles["type"] = SAMPLE_TYPES[restored.dtype]
        of_tiles["offset"] = of_tiles["padded"] = of_tiles["predicted"] = 0
        tiles["plane"], tiles["cell"], tiles["item"] = 0, 0, np.arange(tiles.size)
        self._run(indices, of_tiles, tiles, None, None)
        return restored

    def records(
        self, batch: Batch, recon: Sequence[Sequence[Sequence[int]]], stages: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """DecodeItem of every chunk, but for where its samples go, and DecodeTile of every tile, as these stages say.

        R2 of the tiles stands tile after tile in one array.
        """
        items = np.zeros(len(batch.shapes), struct_dtype("DecodeItem"))
        for item, shape, points in zip(items, batch.shapes, recon, strict=True):
            self._fill(item, shape, Reconstruction(np.dtype(np.int32), 0, points))
            item["stages"] = stages
        return items, _tile_records(batch)

    def _fill(self, item: Any, shape: ChunkShape, chunk: Reconstruction) -> None:
        """The record of a chunk but for where its samples go."""
        plan = shape.plan
        for name in ("shape", "size", "scaled"):
            item[name] = shape.layout.volume
        item["tables"] = self._store.block_tables(plan.depth, plan.cuts)
        item["scale"], item["stages"] = 1, len(plan.cuts)
        item["offset"] = 0 if plan.colour else chunk.offset
        wide = (-COMPONENT_LIMIT, COMPONENT_LIMIT)
        item["minimum"], item["maximum"] = wide if plan.colour else chunk.limits or sample_range(chunk.dtype)
        item["padded"], item["padding"] = plan.padding is not None, plan.padding or 0
        item["dc_unit"] = DC_IMAGE_UNIT if plan.dc_image else 1
        item["predicted"] = plan.prediction
        set_quantizer(item, plan, chunk.recon)

    def _run(
        self,
        indices: Indices,
        items: NDArray[Any],
        tiles: NDArray[Any],
        mask: DeviceArray | None,
        predictions: Predictions | None,
    ) -> None:
        executor, address = self._executor, self._executor.address
        grouped = group_tiles(tiles, items)
        held = executor.upload(items), executor.upload(tiles)
        fields = {"items": address(held[0]), "tiles": address(held[1]), "mask": 0 if mask is None else address(mask)}
        fields |= {name: address(array) for name, array in vars(indices).items() if name != "dcs"}
        fields |= {"predictions": 0, "restored": 0}
        if predictions is not None:
            fields |= {"predictions": address(predictions.coded), "restored": address(predictions.restored)}
        for kernel, tile_of_group in grouped.items():
            of_group = executor.upload(tile_of_group)
            executor.launch(
                _KERNELS[kernel],
                groups=len(tile_of_group),
                group_tiles=address(of_group),
                dc=address(indices.dcs),
                **fields,
            )


def _tile_records(batch: Batch) -> NDArray[Any]:
    """DecodeTile of every tile of a batch."""
    tiles = np.zeros(batch.tiles.size, struct_dtype("DecodeTile"))
    for name in ("plane", "cell", "size", "component"):
        tiles[name] = batch.tiles[name]
    tiles["base"], tiles["tokens"] = batch.tiles["first_cell"], batch.tiles["first_entry"]
    tiles["item"], tiles["restored"] = batch.tiles["chunk"], 64 * batch.tiles["first_cell"]
    return tiles
