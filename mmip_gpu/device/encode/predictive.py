"""Encoding a batch of chunks of kind 2 where its samples are, as a table of contents: fit, residuals, codes, streams.

Values: planes of samples in the executor's memory and on the host in; the form and the payload of each chunk, in host
memory, out. Encoder side of FORMAT.md sections 2.1, 3.1, 6.1, 7.3, 8.6 and 8.7. The bytes are those of the core. The
host fits predictors on some samples, makes codes of the symbols' counts, and joins the payload; all else is done by the
kernels. Scratch: 8 bytes a sample for values and residuals, 4 for sub-streams, and what rows take beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import LEAST_TRIED_EFFORT, PredictiveFit, assemble_payload
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.device.encode.source_bricks import PlanesSource, SourceBatch
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.predictive.fast import encode_fast
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import to_indices

__all__ = ["encode_bricks", "encode_predicted"]

Coded = tuple[Any, bytes]
"""Form and payload, as the core's `encode_predictive` gives them."""


def encode_predicted(
    lane: Lane, arrays_dev: Sequence[DeviceArray], plans: Sequence[PredictivePlan], threads: int
) -> list[Encoded]:
    """Encode arrays of a lane's executor, which are copied to the host for the fit and what is lost of them."""
    arrays = copies_on_host(lane, arrays_dev)
    filled = [index for index, array in enumerate(arrays) if array.size]
    sources = [_source(lane.executor, arrays_dev[i], arrays[i], plans[i]) for i in filled]
    coded = dict(zip(filled, encode_bricks(lane.executor, sources, threads), strict=True))

    def encoded(index: int) -> Encoded:
        found = coded.get(index)
        return encode_fast(PredictiveFields, lambda *_: found, arrays[index], plans[index], None, threads)

    return [encoded(index) for index in range(len(arrays))]


@contract(reads="arrays_dev", writes="copies on the host", waits=True)
def copies_on_host(lane: Lane, arrays_dev: Sequence[DeviceArray]) -> list[NDArray[Any]]:
    """The arrays in host memory."""
    return lane.download(arrays_dev)


def _source(executor: Executor, array_dev: DeviceArray, array: NDArray[Any], plan: PredictivePlan) -> PlanesSource:
    """The planes of an array; of float32 samples their indices, which the host makes."""
    layout, step = PlaneLayout.of(array.shape, plan.axes), plan.config.step
    planes = to_indices(layout.to_planes(array), step)
    if step is None:
        planes_dev = executor.contiguous(layout.plane_view(array_dev)).reshape(planes.shape)
    else:
        planes_dev = executor.upload(planes)
    return PlanesSource(planes, planes_dev, plan.colour, plan.near, plan.config.effort)


def encode_bricks(executor: Executor, sources: Sequence[PlanesSource], threads: int) -> list[Coded]:
    """Code planes of samples, each by the parameters that are fitted to it; of several efforts what is smallest."""
    if not sources:
        return []
    tried = [
        (number, replace(source, effort=effort))
        for number, source in enumerate(sources)
        for effort in range(min(source.effort, LEAST_TRIED_EFFORT), source.effort + 1)
    ]
    best: dict[int, Coded] = {}
    coded = _encode_each(executor, [source for _, source in tried], threads)
    for (number, _), (form, payload) in zip(tried, coded, strict=True):
        if number not in best or len(payload) < len(best[number][1]):
            best[number] = form, payload
    return [best[number] for number in range(len(sources))]


def _encode_each(executor: Executor, sources: Sequence[PlanesSource], threads: int) -> list[Coded]:
    fits = [fit(source, threads) for source in sources]
    batch = SourceBatch(executor, sources, fits)
    load_values(batch)
    find_residuals(batch)
    codes = [one.choose_codes(counts) for one, counts in zip(fits, count_symbols(batch), strict=True)]
    sizes, streams = write_streams(batch, codes)
    return [
        (one.form, assemble_payload(one.parameters(sets), body, own, threads))
        for one, sets, body, own in zip(fits, batch.sets_of_bricks(), streams, sizes, strict=True)
    ]


def fit(source: PlanesSource, threads: int) -> PredictiveFit:
    """What the core fits to the samples: tiles, colour form, predictor sets, weights between components."""
    planes, *volume = source.planes.shape
    return PredictiveFit(source.planes, planes, volume, source.colour, source.near, source.effort, threads)


@contract(reads="planes_dev", writes="values_dev of components", kernels=["load_bricks"])
def load_values(batch: SourceBatch) -> None:
    """Make values of components of the samples of all bricks."""
    batch.executor.launch("load_bricks", groups=batch.brick_count, **batch.params)


@contract(
    reads="values_dev; predictor sets",
    writes="residuals_dev; the set of every brick",
    kernels=["choose_sets", "brick_residuals"],
)
def find_residuals(batch: SourceBatch) -> None:
    """Choose the set of every brick, and make its residuals."""
    batch.executor.launch("choose_sets", groups=batch.brick_count * batch.components, **batch.params)
    batch.executor.launch("brick_residuals", groups=batch.brick_count, **batch.params)


@contract(reads="residuals_dev", writes="counts of symbols, by chunk", kernels=["count_residuals"], waits=True)
def count_symbols(batch: SourceBatch) -> list[NDArray[np.uint32]]:
    """Count the symbols of the components of every chunk."""
    batch.executor.launch("count_residuals", groups=batch.tile_groups, **batch.params)
    return batch.by_chunk(batch.executor.download(batch.counts_dev), batch.symbols)


@contract(
    reads="residuals_dev; codes",
    writes="sizes and bytes of the sub-streams, by chunk",
    kernels=["write_residuals", "gather_streams"],
    waits=True,
)
def write_streams(
    batch: SourceBatch, codes: Sequence[NDArray[np.uint32]]
) -> tuple[list[NDArray[np.uint32]], list[NDArray[np.uint8]]]:
    """Write the sub-streams of all chunks, and move them together."""
    executor = batch.executor
    batch.upload_codes(codes)
    executor.launch("write_residuals", groups=batch.tile_groups, **batch.params)
    sizes = executor.download(batch.sizes_dev)
    ends = np.cumsum(sizes, dtype=np.int64)
    offsets_dev, output_dev = executor.upload(ends - sizes), executor.empty(int(ends[-1]), np.uint8)
    executor.launch(
        "gather_streams",
        groups=len(sizes),
        stream_room=batch.params["stream_room"],
        streams=executor.address(batch.streams_dev),
        sizes=executor.address(batch.sizes_dev),
        offsets=executor.address(offsets_dev),
        output=executor.address(output_dev),
    )
    own = batch.by_chunk(sizes, batch.streams)
    return own, batch.by_chunk(executor.download(output_dev), [int(part.sum(dtype=np.int64)) for part in own])
