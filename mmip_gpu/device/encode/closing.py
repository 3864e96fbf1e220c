"""Predictions of a batch closed: indices decided anew on what true predictions leave, tile by tile in coding order.

Values: the samples of chunks whose blocks are chosen, with their Indices, in the executor's memory in; Indices,
Predictions and sums of errors there out. Encoder side of FORMAT.md section 4.5. Guarantees what the core's
`close_predictions` finds. Scratch: 4 bytes a sample of R2, which stays; 350 KB for each of at most 512 tiles of a
launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmip_gpu._core import CLOSING_BYTES, MAX_CLASSES, builtin_prediction_rates
from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode.masks import PaddingMasks
from mmip_gpu.device.encode.search import learned
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.indices import Indices, Predictions
from mmip_gpu.device.tables.tiles import CodingOrders

__all__ = ["close_predictions", "without_needless_predictions"]

_WAVE = 512  # tiles of a launch


@contract(
    reads="sources_dev; indices_dev of an analysis, of which masked blocks are settled; its predictions_dev",
    writes="indices_dev; predictions_dev; sums_dev by tile and class",
    kernels=["close_tiles"],
)
def close_predictions(
    batch: Batch,
    synthesizer: Synthesizer,
    sources_dev: DeviceArray,
    indices: Indices,
    searched_dev: DeviceArray | None,
    masks: PaddingMasks | None,
    recon: Sequence[Sequence[Sequence[int]]],
) -> tuple[Predictions, DeviceArray]:
    """Close all tiles; `recon` are the reconstruction points of the analysis, by chunk.

    `searched_dev` has the predictions that a search found, in coding order; it is changed.
    """
    executor, address = batch.executor, batch.executor.address
    found = Predictions(
        coded=executor.zeros(batch.cells, np.uint8) if searched_dev is None else searched_dev,
        near=executor.zeros(batch.cells, np.uint8),
        restored=executor.empty(64 * batch.cells, np.int32),
    )
    sums = executor.zeros((batch.tiles.size, MAX_CLASSES, struct_dtype("IndexSums").itemsize // 8), np.int64)
    held = {
        **learned(batch, indices),
        **_records(batch, synthesizer, recon),
        "prediction_bits": executor.upload(builtin_prediction_rates()),
        "scratch": executor.empty(CLOSING_BYTES * min(_WAVE, batch.tiles.size), np.uint8),
        "predictions": found.coded,
        "near_predictions": found.near,
        "restored": found.restored,
        "sums": sums,
        "sources": sources_dev,
        **{"dc" if name == "dcs" else name: array for name, array in vars(indices).items()},
    }
    fields = {name: address(array) for name, array in held.items()}
    fields |= {"chunks": batch.addresses()["chunks"], "hidden": 0 if masks is None else address(masks.hidden)}
    for first in range(0, batch.tiles.size, _WAVE):
        wave = executor.upload(np.arange(first, min(first + _WAVE, batch.tiles.size), dtype=np.int32))
        executor.launch("close_tiles", groups=wave.size, group_tiles=address(wave), **fields)
    return found, sums


def _records(
    batch: Batch, synthesizer: Synthesizer, recon: Sequence[Sequence[Sequence[int]]]
) -> dict[str, DeviceArray]:
    """What the kernel takes of chunks, of tiles and of their coding orders."""
    items, tiles = synthesizer.records(batch, recon, stages=2)
    orders = CodingOrders()
    sizes, which = np.unique(tiles["size"], axis=0, return_inverse=True)
    tiles["order"] = np.array([orders.first(1, size) for size in sizes])[which.reshape(-1)]
    tiles["spans"] = batch.tiles["first_span"]
    records = {"items": items, "tiles": tiles, "orders": orders.arrays()[0]}
    return {name: batch.executor.upload(array) for name, array in records.items()}


@contract(reads="predictions_dev", writes="whether chunks have any", waits=True)
def without_needless_predictions(batch: Batch, predictions: Predictions) -> Batch:
    """The batch, of which chunks that no block is predicted of do not say that there may be some."""
    coded = batch.executor.download(predictions.coded)
    parts = zip(batch.first_cell, batch.shapes, strict=True)
    used = [bool(coded[first : first + shape.cells].any()) for first, shape in parts]
    if all(used):
        return batch
    plain = {id(shape): replace(shape, plan=replace(shape.plan, prediction=False)) for shape in batch.kinds}
    shapes = [shape if some else plain[id(shape)] for shape, some in zip(batch.shapes, used, strict=True)]
    return Batch(batch.executor, shapes, batch.threads)
