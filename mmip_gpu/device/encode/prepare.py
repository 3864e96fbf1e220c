"""The first step of encoding: arrays of a device to planes of integers, which depend on little of the plan.

Values: a group of chunks in the executor's memory in; a PreparedBatch out: tables, planes there, and what is known of
the samples on the host. Encoder side of FORMAT.md section 2. Guarantees what `transform.analysis.prepare` gives of each
chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.device.encode.chunks import Chunk, ChunkGroup
from mmip_gpu.device.encode.float_indices import sample_indices
from mmip_gpu.device.encode.statistics import sample_statistics
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.volume.floats import DEEP_LIMIT, INDEX_LIMIT

__all__ = ["PreparedBatch", "prepare_batch"]


@dataclass(frozen=True, eq=False)
class PreparedBatch:
    """The planes of a group, by chunk.

    `planes_dev` are C-ordered and of integers, which of float32 samples are indices. `statistics` has the sum, the
    least and the greatest of the integers, `sample_ranges` the least and the greatest sample. `read_floats` gives the
    planes of float32 samples in host memory, and is None for others.
    """

    batch: Batch
    planes_dev: list[DeviceArray]
    statistics: list[tuple[int, int, int]]
    sample_ranges: list[tuple[float, float]]
    read_floats: list[Callable[[], NDArray[Any]] | None]


@contract(
    reads="arrays_dev of the chunks, in any strides",
    writes="tables_dev of the batch; planes_dev: the arrays themselves where they are C-ordered integers, else copies",
)
def prepare_batch(executor: Executor, group: ChunkGroup, threads: int | None) -> PreparedBatch:
    """Planes and statistics of a group of chunks.

    Raises
    ------
    InvalidArgument
        For a float32 sample that is not finite or has no index.
    """
    batch = Batch(executor, _chunk_shapes(group.chunks), threads)
    shaped = list(zip(group.chunks, batch.shapes, strict=True))
    planes_dev = [executor.contiguous(shape.layout.plane_view(chunk.array)) for chunk, shape in shaped]
    read_floats = [_float_reader(executor, p, chunk) for p, chunk in zip(planes_dev, group.chunks, strict=True)]
    planes_dev, float_ranges = _with_indices(executor, planes_dev, group)
    statistics = sample_statistics(executor, planes_dev)
    ranges = [of_floats or found[1:] for of_floats, found in zip(float_ranges, statistics, strict=True)]
    return PreparedBatch(batch, planes_dev, statistics, ranges, read_floats)


def _chunk_shapes(chunks: Sequence[Chunk]) -> list[ChunkShape]:
    """Shapes of the chunks: one object for all that are of one shape and plan."""
    shape_of: dict[tuple[tuple[int, ...], int], ChunkShape] = {}
    for chunk in chunks:
        key = chunk.array.shape, id(chunk.plan)
        if key not in shape_of:
            plan = replace(chunk.plan, prediction=chunk.plan.predicts)
            shape_of[key] = ChunkShape(plan.layout(chunk.array.shape), plan)
    return [shape_of[chunk.array.shape, id(chunk.plan)] for chunk in chunks]


def _float_reader(executor: Executor, planes_dev: DeviceArray, chunk: Chunk) -> Callable[[], NDArray[Any]] | None:
    """What gives the planes of float32 samples in host memory; None for other samples."""
    if chunk.plan.config.step is None:
        return None
    if chunk.on_host is None:
        return partial(executor.download, planes_dev)
    read, layout = chunk.on_host, chunk.plan.layout(chunk.array.shape)
    return lambda: layout.to_planes(read())


def _with_indices(
    executor: Executor, planes_dev: Sequence[DeviceArray], group: ChunkGroup
) -> tuple[list[DeviceArray], list[tuple[float, float] | None]]:
    """(the planes, of which those of float32 samples became indices; the ranges of these samples, None of others)."""
    integers_dev = list(planes_dev)
    ranges: list[tuple[float, float] | None] = [None] * len(integers_dev)
    plans = [chunk.plan for chunk in group.chunks]
    of_floats = [i for i, plan in enumerate(plans) if plan.config.step is not None]
    if of_floats:
        steps = [plans[i].config.step or 0.0 for i in of_floats]
        limits = [INDEX_LIMIT if plans[i].depth == 1 else DEEP_LIMIT for i in of_floats]
        names = [group.names[i] for i in of_floats]
        found = sample_indices(executor, [planes_dev[i] for i in of_floats], steps, limits, names)
        for i, (indices_dev, low, high) in zip(of_floats, found, strict=True):
            integers_dev[i], ranges[i] = indices_dev, (low, high)
    return integers_dev, ranges
