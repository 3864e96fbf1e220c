"""The last steps of decoding: from what the synthesis leaves to the arrays that were asked for.

Values: checked jobs with their planes in the executor's memory in; their planes changed, and at last the arrays of the
DecodedBatch, out. Implements the last steps of FORMAT.md section 2, in its order: colour, corrections, floats. Nothing
waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import FINISH_SAMPLES
from mmip_gpu.device.decode.jobs import CheckedJob, DecodedBatch, DecodeSetup
from mmip_gpu.device.decode.substreams import ChunkSubstreams, SubstreamBatch
from mmip_gpu.device.decode.wave import correct_wave
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.tiles import CodingOrders, cut_into_waves, frame_bytes, tile_records
from mmip_gpu.volume.floats import sample_range

__all__ = [
    "add_corrections",
    "crop_planes",
    "floats_of",
    "groups_of_samples",
    "restore_floats",
    "undo_colour",
    "undo_colours",
]


@contract(reads="planes_dev of colour components", writes="planes_dev of samples in their place")
def undo_colours(setup: DecodeSetup, chunks: dict[int, CheckedJob]) -> None:
    """Put samples in the place of the components of chunks with colour."""
    coloured = [chunk for chunk in chunks.values() if chunk.job.header.colour]
    dtypes = [np.dtype(chunk.job.header.dtype) for chunk in coloured]
    offsets = [chunk.job.header.fields.offset for chunk in coloured]
    samples_dev = undo_colour(setup.executor, [chunk.planes_dev for chunk in coloured], dtypes, offsets)
    for chunk, planes_dev in zip(coloured, samples_dev, strict=True):
        chunk.planes_dev = planes_dev


@contract(reads="components_dev", writes="planes_dev of these dtypes", kernels=["undo_colour"])
def undo_colour(
    executor: Executor, components_dev: Sequence[DeviceArray], dtypes: Sequence[np.dtype[Any]], offsets: Sequence[int]
) -> list[DeviceArray]:
    """Make planes of samples of planes of colour components, by one launch."""
    items = np.zeros(len(components_dev), struct_dtype("FinishItem"))
    planes_dev = []
    for item, array, dtype, offset in zip(items, components_dev, dtypes, offsets, strict=True):
        planes_dev.append(executor.empty(array.shape, dtype))
        item["count"], item["plane"] = array.size // 3, array[0].size
        item["type"], item["offset"] = SAMPLE_TYPES[dtype], offset
        item["minimum"], item["maximum"] = sample_range(dtype)
    _launch(executor, "undo_colour", items, components_dev, planes_dev)
    return planes_dev


@contract(reads="payloads_dev of corrections; planes_dev", writes="planes_dev, corrected; what `decoded` watches")
def add_corrections(setup: DecodeSetup, chunks: dict[int, CheckedJob], decoded: DecodedBatch) -> None:
    """Correct the samples of chunks of which the last stage is decoded, wave after wave."""
    corrected = {index: c for index, c in chunks.items() if len(c.heads) > c.coefficient_stages}
    if not corrected:
        return
    batch = SubstreamBatch(setup.executor, setup.tables, CodingOrders(), setup.check_crc)
    for chunk in corrected.values():
        batch.chunks.append(_correction_substreams(setup.executor, chunk, len(batch.chunks), batch.orders))
    batch.join()
    numbers = np.array(list(corrected), np.int64)
    for wave in cut_into_waves(batch.scratch_bytes(), setup.scratch_bytes):
        states_dev = correct_wave(batch, wave)
        decoded.watch(states_dev, numbers[batch.tiles["item"][wave]], batch.substreams[wave])


def _correction_substreams(executor: Executor, chunk: CheckedJob, index: int, orders: CodingOrders) -> ChunkSubstreams:
    header, fields = chunk.job.header, chunk.job.header.fields
    assert fields.correction is not None
    tiles, substreams = tile_records(chunk.box, 1, orders)
    tiles["item"] = index
    item = np.zeros(1, struct_dtype("DecodeItem"))
    item["shape"] = chunk.box.shape
    item["origin"], item["size"], item["scaled"] = chunk.box.window(1)
    item["samples"], item["type"] = executor.address(chunk.planes_dev), SAMPLE_TYPES[chunk.planes_dev.dtype]
    item["depth"], item["scale"], item["stages"] = fields.depth, 1, chunk.coefficient_stages
    item["minimum"], item["maximum"] = sample_range(np.dtype(header.dtype))
    item["corrected"], item["error"] = 1, fields.correction
    frames = frame_bytes(tiles, np.full(len(tiles), fields.depth, np.int64), corrections=True)
    return ChunkSubstreams(item, tiles, substreams, {0: chunk.heads[-1]}, {0: chunk.addresses[-1]}, frames)


@contract(reads="planes_dev of indices", writes="planes_dev of float32 samples")
def restore_floats(setup: DecodeSetup, chunks: dict[int, CheckedJob]) -> None:
    """Put float32 samples in the place of their indices."""
    of_floats = [chunk for chunk in chunks.values() if chunk.job.header.step is not None]
    steps = [step for chunk in of_floats if (step := chunk.job.header.step) is not None]
    samples_dev = floats_of(setup.executor, [chunk.planes_dev for chunk in of_floats], steps)
    for chunk, planes_dev in zip(of_floats, samples_dev, strict=True):
        chunk.planes_dev = planes_dev


@contract(reads="indices_dev", writes="planes_dev of float32 samples", kernels=["indices_to_floats"])
def floats_of(executor: Executor, indices_dev: Sequence[DeviceArray], steps: Sequence[float]) -> list[DeviceArray]:
    """Make float32 samples of indices, by one launch."""
    items = np.zeros(len(indices_dev), struct_dtype("FinishItem"))
    samples_dev = []
    for item, array, step in zip(items, indices_dev, steps, strict=True):
        samples_dev.append(executor.empty(array.shape, np.float32))
        item["count"], item["step"] = array.size, step
    _launch(executor, "indices_to_floats", items, indices_dev, samples_dev)
    return samples_dev


@contract(reads="planes_dev", writes="arrays of `decoded`, C-ordered, in the executor's memory")
def crop_planes(setup: DecodeSetup, chunks: dict[int, CheckedJob], decoded: DecodedBatch) -> None:
    """Cut the regions that were asked for out of the planes of their boxes."""
    for index, chunk in chunks.items():
        origin = chunk.box.window(chunk.job.wanted.scale)[0]
        decoded.arrays[index] = chunk.region.crop(chunk.planes_dev, origin, setup.executor.contiguous)


def _launch(
    executor: Executor, kernel: str, items: NDArray[Any], from_dev: Sequence[DeviceArray], to_dev: Sequence[DeviceArray]
) -> None:
    """Launch a kernel from arrays to others of as many samples, if there are any."""
    if not from_dev:
        return
    for item, source, target in zip(items, from_dev, to_dev, strict=True):
        item["from"], item["to"] = executor.address(source), executor.address(target)
    items["first_group"], group_items = groups_of_samples(items["count"], FINISH_SAMPLES)
    items_dev, groups_dev = executor.upload(items), executor.upload(group_items)
    executor.launch(
        kernel, groups=len(group_items), items=executor.address(items_dev), group_items=executor.address(groups_dev)
    )


def groups_of_samples(counts: NDArray[np.int64], each: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(first group of every array, array of every group) where a group takes `each` samples of one array.

    Examples
    --------
    >>> groups_of_samples(np.array([5, 0, 3]), 4)[1].tolist()
    [0, 0, 2]
    """
    groups = -(-counts // each)
    return np.cumsum(groups) - groups, np.repeat(np.arange(len(counts), dtype=np.int32), groups)
