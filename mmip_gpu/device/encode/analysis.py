"""The transforms and choices of a batch: from samples in the executor's memory to quantized coefficients.

Values: Source per chunk in; Indices in the executor's memory, and sums per tile and class, out. Encoder side of
FORMAT.md sections 2 to 5. Equal to the core at every effort, bit-exact and with plain rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmip_gpu._core import DC_IMAGE_UNIT, MAX_CLASSES, SEARCH_ROUGH
from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode.search import Search
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.indices import Indices
from mmip_gpu.errors import InvalidArgument

__all__ = ["Analyzed", "Source", "analyze", "source_items"]


@dataclass(frozen=True)
class Source:
    """The samples of a chunk and, where there are several quality classes, the class of every cell (raster order).

    Both are in the executor's memory; `offset` is subtracted from every sample.
    """

    planes: DeviceArray
    cells: DeviceArray | None
    offset: int


@dataclass(frozen=True)
class Analyzed:
    """Coefficients, and sums: (tiles, classes, 8) of int64, which `Chunk.settle_sums` takes.

    `predictions` are those that a search found of blocks which may have some, in coding order; None without a search.
    """

    indices: Indices
    sums: DeviceArray
    predictions: DeviceArray | None = None


@contract(
    reads="planes_dev and cells_dev of the sources",
    writes="indices_dev; sums_dev by tile and class; predictions_dev of a search",
    kernels=["analyze_planes", "analyze_volumes"],
)
def analyze(
    batch: Batch,
    sources: Sequence[Source],
    rounding: int,
    search: int,
    passes: int = 1,
    synthesizer: Synthesizer | None = None,
) -> Analyzed:
    """Transform, choose and quantize.

    Each pass after the first decides by the code lengths that the one before would write. Where blocks of the chunks
    may be predicted, it tries predictions from what the `synthesizer` restores of that pass.

    Raises
    ------
    InvalidArgument
        Where the chunks differ in cell depth.
    """
    depths = {shape.plan.depth for shape in batch.shapes}
    if len(depths) != 1:
        raise InvalidArgument(f"cell depths {sorted(depths)} in one batch: expected one")
    executor = batch.executor
    found = Analyzed(_empty_indices(batch), executor.zeros(0, np.int64))
    items = source_items(batch, sources, rounding, search)
    by_lengths = Search(batch) if search >= SEARCH_ROUGH else None
    for done in range(passes):
        trials: dict[str, DeviceArray] = {}
        if done and by_lengths is not None:
            by_lengths.learn(found.indices)
            if batch.predicted and synthesizer is not None:
                trials["earlier"] = synthesizer.restore(batch, found.indices)
                trials["predictions"] = executor.empty(batch.cells, np.uint8)
        sums_of_class = struct_dtype("IndexSums").itemsize // 8
        sums = executor.zeros((batch.tiles.size, MAX_CLASSES, sums_of_class), np.int64)
        found = Analyzed(found.indices, sums, trials.get("predictions"))
        arrays = {"sources": items, "sums": sums, **vars(found.indices)}
        addresses = {name: executor.address(array) for name, array in arrays.items()}
        if by_lengths is not None:
            by_lengths.run(**trials, **addresses)
            continue
        kernel = "analyze_planes" if depths == {1} else "analyze_volumes"
        executor.launch(kernel, groups=batch.superblocks, **batch.addresses(), **addresses)
    return found


def _empty_indices(batch: Batch) -> Indices:
    empty = batch.executor.empty
    return Indices(
        modes=empty(batch.cells, np.uint8),
        classes=empty(batch.cells, np.uint8),
        dcs=empty(batch.cells, np.int32),
        counts=empty(batch.cells, np.uint16),
        positions=empty(batch.entries, np.uint16),
        values=empty(batch.entries, np.int32),
    )


def source_items(batch: Batch, sources: Sequence[Source], rounding: int, search: int) -> DeviceArray:
    """The sources as the kernels take them."""
    address = batch.executor.address
    items = np.zeros(len(sources), struct_dtype("SampleItem"))
    for item, source, shape in zip(items, sources, batch.shapes, strict=True):
        item["samples"] = address(source.planes)
        item["classes"] = 0 if source.cells is None else address(source.cells)
        item["shape"], item["type"] = shape.layout.volume, SAMPLE_TYPES[source.planes.dtype]
        item["offset"], item["rounding"] = source.offset, rounding
        item["dc_unit"] = DC_IMAGE_UNIT if shape.plan.dc_image else 1
        item["search"] = search
        item["reversible"] = shape.reversible_bits
    return batch.executor.upload(items)
