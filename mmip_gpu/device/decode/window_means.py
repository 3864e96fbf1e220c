"""The last steps of decoding chunks of kind 2: floats, the region that was asked for, and its scale.

Values: chunks with their planes in the executor's memory in; the arrays of the DecodedBatch out. Implements the last
steps of FORMAT.md section 2, and section 5.1 for kinds that code samples. Nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmip_gpu._core import MEAN_SAMPLES
from mmip_gpu.device.decode.brick_chunks import PlacedChunk
from mmip_gpu.device.decode.finishing import floats_of, groups_of_samples
from mmip_gpu.device.decode.jobs import DecodedBatch
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor

__all__ = ["crop_samples", "mean_windows", "restore_samples"]

_FLOATS = -1


@contract(reads="planes_dev of indices", writes="planes_dev of float32 samples")
def restore_samples(executor: Executor, chunks: dict[int, PlacedChunk]) -> None:
    """Put float32 samples in the place of their indices."""
    of_floats = [chunk for chunk in chunks.values() if chunk.job.header.step is not None]
    steps = [step for chunk in of_floats if (step := chunk.job.header.step) is not None]
    samples_dev = floats_of(executor, [chunk.planes_dev for chunk in of_floats], steps)
    for chunk, planes_dev in zip(of_floats, samples_dev, strict=True):
        chunk.planes_dev = planes_dev


@contract(reads="planes_dev", writes="arrays of `decoded`, C-ordered, in the executor's memory")
def crop_samples(executor: Executor, chunks: dict[int, PlacedChunk], decoded: DecodedBatch) -> None:
    """Cut the regions that were asked for out of the planes of their boxes, at their scales."""
    cropped_dev = {
        index: chunk.region.cropped_planes(chunk.planes_dev, chunk.box.origin, executor.contiguous)
        for index, chunk in chunks.items()
    }
    scaled = [index for index, chunk in chunks.items() if chunk.job.wanted.scale > 1]
    scales = [chunks[index].job.wanted.scale for index in scaled]
    means_dev = mean_windows(executor, [cropped_dev[index] for index in scaled], scales)
    cropped_dev |= dict(zip(scaled, means_dev, strict=True))
    for index, chunk in chunks.items():
        layout = chunk.region.layout.scaled(chunk.job.wanted.scale, 8)
        decoded.arrays[index] = layout.from_planes(cropped_dev[index], executor.contiguous)


@contract(reads="planes_dev", writes="planes_dev of means", kernels=["mean_windows"])
def mean_windows(executor: Executor, planes_dev: Sequence[DeviceArray], scales: Sequence[int]) -> list[DeviceArray]:
    """Make the means over windows of planes of samples, by one launch."""
    items = np.zeros(len(planes_dev), struct_dtype("MeanItem"))
    means_dev = []
    for item, array, scale in zip(items, planes_dev, scales, strict=True):
        planes, *size = array.shape
        means_dev.append(executor.empty((planes, *(-(-n // scale) for n in size)), array.dtype))
        item["from"], item["to"] = executor.address(array), executor.address(means_dev[-1])
        item["size"], item["scaled"], item["scale"] = size, means_dev[-1].shape[1:], scale
        item["count"] = means_dev[-1].size
        item["type"] = _FLOATS if array.dtype == np.float32 else SAMPLE_TYPES[np.dtype(array.dtype)]
    if not means_dev:
        return means_dev
    items["first_group"], group_items = groups_of_samples(items["count"], MEAN_SAMPLES)
    items_dev, groups_dev = executor.upload(items), executor.upload(group_items)
    executor.launch(
        "mean_windows",
        groups=len(group_items),
        items=executor.address(items_dev),
        group_items=executor.address(groups_dev),
    )
    return means_dev
