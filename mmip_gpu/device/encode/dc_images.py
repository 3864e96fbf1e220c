"""DC images of a batch: the DCs of its chunks coded as images of their own, where one DC a cell costs too much.

Values: a batch of chunks that all have a DC image, with its Indices in the executor's memory, in; the batch and the
Indices of the images out, and in the chunks' Indices the DCs that a decoder will find. Encoder side of FORMAT.md
section 8.4. The images equal the core's. Scratch: 8 bytes a cell beside what encoding images of this size takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import DC_IMAGE_UNIT, STEP_ONE
from mmip_gpu.device.decode.synthesis import Reconstruction, Synthesizer
from mmip_gpu.device.encode.analysis import Source, analyze
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.device.tables.indices import Indices
from mmip_gpu.device.tables.tiles import COMPONENT_LIMIT
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["DcImages", "code_dc_images"]

_GROUP_LOG2 = 3  # cells of the chunk on an axis of a cell of the image


@dataclass(frozen=True)
class DcImages:
    """The images of a batch, and of each chunk the reconstruction points and the squared errors of the DCs."""

    batch: Batch
    indices: Indices
    recon: list[list[int]]
    errors: list[float]


@contract(
    reads="dcs_dev of the chunks' indices",
    writes="dcs_dev, as a decoder will find them; indices_dev of the images",
    kernels=["dcs_to_image", "image_to_dcs"],
    waits=True,
)
def code_dc_images(
    batch: Batch, indices: Indices, rounding: int, search: int, passes: int, synthesizer: Synthesizer
) -> DcImages:
    """Code the DCs, in 1/16 step; `indices.dcs` becomes what a decoder will find there. Arguments as for `analyze`."""
    executor = batch.executor
    kinds = {id(shape): _image_shape(shape) for shape in batch.kinds}
    images = Batch(executor, [kinds[id(shape)] for shape in batch.shapes], batch.threads)
    samples = [executor.empty((s.layout.planes, *s.layout.volume), np.int32) for s in images.shapes]
    _launch(batch, "dcs_to_image", indices, samples, None)
    analyzed = analyze(images, [Source(array, None, 0) for array in samples], rounding, search, passes)
    coded = analyzed.indices
    settled = images.settle_sums(executor.download(analyzed.sums), search)
    limits = -COMPONENT_LIMIT, COMPONENT_LIMIT
    points = [Reconstruction(np.dtype(np.int32), 0, recon, limits) for recon, _ in settled]
    decoded = synthesizer.planes(images, coded, points)
    squares = executor.empty(batch.tiles.size, np.int64)
    _launch(batch, "image_to_dcs", indices, decoded, squares)
    return DcImages(images, coded, [recon[0] for recon, _ in settled], _errors(batch, executor.download(squares)))


def _image_shape(shape: ChunkShape) -> ChunkShape:
    plan, (z, y, x) = shape.plan, shape.plan.tile_log2
    image = replace(
        plan,
        axes="tzyx",
        colour=False,
        tile_log2=(z, y - _GROUP_LOG2, x - _GROUP_LOG2),
        cuts=(0, shape.per_cell),
        steps=((DC_IMAGE_UNIT * STEP_ONE,) * len(plan.steps[0]),),
        correction=None,
        dc_image=False,
        prediction=False,
        choice_steps=None,
    )
    return ChunkShape(PlaneLayout.of((shape.layout.planes, *shape.grid), image.axes), image, is_dc_image=True)


def _launch(
    batch: Batch, kernel: str, indices: Indices, samples: Sequence[DeviceArray], squares: DeviceArray | None
) -> None:
    executor = batch.executor
    items = np.zeros(len(samples), struct_dtype("DcImageItem"))
    for item, array, shape in zip(items, samples, batch.shapes, strict=True):
        item["samples"], item["shape"] = executor.address(array), shape.grid
    held = executor.upload(items)
    executor.launch(
        kernel,
        groups=batch.tiles.size,
        items=executor.address(held),
        dcs=executor.address(indices.dcs),
        squares=0 if squares is None else executor.address(squares),
        **batch.addresses(),
    )


def _errors(batch: Batch, squares: NDArray[np.int64]) -> list[float]:
    """Squared errors of the DCs of every chunk, added tile after tile as the core does."""
    found = []
    for index, shape in enumerate(batch.shapes):
        own = batch.tiles["chunk"] == index
        steps = np.array(shape.plan.steps[0], np.float64) / STEP_ONE
        unit = steps[batch.tiles["component"][own]] / DC_IMAGE_UNIT
        found.append(float(np.cumsum(squares[own] * unit * unit)[-1]))
    return found
