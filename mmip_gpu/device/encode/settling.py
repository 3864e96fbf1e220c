"""Blocks that lie under a padding mask as a whole: nothing is coded of them, and their DCs are as predicted.

Values: a batch with its Indices and masks in; the weights of DC prediction on the host out, and in the Indices such
blocks changed. Encoder side of FORMAT.md sections 5 and 8.1. Guarantees what the core's `settle_masked_blocks` gives.
Scratch: 9 bytes a cell.
"""

from __future__ import annotations

import numpy as np

from mmip_gpu.device.encode.masks import PaddingMasks
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.indices import Indices

__all__ = ["fit_weights", "settle_masked"]


@contract(reads="dcs_dev, classes_dev, hidden_dev", writes="prediction weights of the host", waits=True)
def fit_weights(batch: Batch, indices: Indices, masks: PaddingMasks | None) -> list[list[int]]:
    """Fit the prediction weights of every chunk: least squares on the host, in the one order that the core has."""
    wanted = [indices.dcs, indices.classes, *([] if masks is None else [masks.hidden])]
    dcs, classes, *more = batch.executor.download_all(wanted)
    hidden = more[0] if more else None
    weights = []
    for index, (shape, first) in enumerate(zip(batch.shapes, batch.first_cell, strict=True)):
        part = slice(first, first + shape.cells)
        masked = None if hidden is None or shape.plan.padding is None else hidden[part]
        weights.append(batch.chunk_of(index).fit_weights(dcs[part], classes[part], masked))
    return weights


@contract(
    reads="hidden_dev, classes_dev; weights",
    writes="modes_dev, counts_dev, dcs_dev of masked blocks",
    kernels=["settle_blocks", "settle_dcs"],
)
def settle_masked(batch: Batch, indices: Indices, masks: PaddingMasks, weights: list[list[int]]) -> None:
    """Empty the masked blocks of every chunk."""
    executor = batch.executor
    arrays = {
        "hidden": masks.hidden,
        "modes": indices.modes,
        "counts": indices.counts,
        "classes": indices.classes,
        "dcs": indices.dcs,
        "settled": executor.empty(batch.cells, np.uint8),
        "values": executor.empty(batch.cells, np.int64),
        "weights": executor.upload(np.array(weights, np.int8)),
    }

    def launch(kernel: str, groups: int, *names: str) -> None:
        addresses = {name: executor.address(arrays[name]) for name in names}
        executor.launch(kernel, groups=groups, **addresses, **batch.addresses())

    launch("settle_blocks", batch.superblocks, "hidden", "modes", "counts", "settled")
    launch("settle_dcs", batch.tiles.size, "settled", "weights", "classes", "values", "dcs")
