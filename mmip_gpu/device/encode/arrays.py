"""Arrays encoded on a device, wherever they lie.

Values: arrays of the host or of a device in, encodings in host memory out; planning is the caller's. A call may have
both kinds of arrays, which are parted here. Arrays of the host go through several lanes (lanes.py), those of a device
are coded on the caller's stream. The steps of the searches of a batch share launches (lockstep.py), and so do its final
encodings. A batch takes a part of the memory that is free: `SAMPLE_BYTES` for each sample, and its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

import numpy as np

from mmip_gpu.arguments import check_dtype, checked_array
from mmip_gpu.container.codec import Plan
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.device.encode.predictive import encode_predicted
from mmip_gpu.device.encode.roi_classes import device_classes, no_classes
from mmip_gpu.device.encode.trial_samples import AnalysisRequest, DeviceSamples, analyze_requests, encode_together
from mmip_gpu.device.lanes import KERNEL_LANES, Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.run.lockstep import in_lock_step
from mmip_gpu.device.run.placement import by_memory
from mmip_gpu.predictive.plan import PredictivePlan
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.analyzed import Analyzed
from mmip_gpu.transform.planning.trial import HostSamples, Samples, Trial
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["SAMPLE_BYTES", "Planner", "Sampler", "containers_on_device", "encode_arrays", "host_arrays", "own_array"]

SAMPLE_BYTES = 28  # entries, tokens, their places, colour, R2, decoded samples

Sampler = Callable[[Any, str | None], Samples]
"""From ``roi=`` and ``axes=`` to the samples of an array, with the classes of their voxels."""

Planner = Callable[[Sampler], tuple[Trial, Plan]]
"""From samples to their plan."""


def encode_arrays(
    items: Sequence[Any], planner: Planner, threads: int, executor: Executor | None = None
) -> list[Encoded]:
    """Encode arrays, each by the plan that is found for it. The default `executor` is that of the current CUDA device.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver or a device.
    InvalidArgument
        For arrays of another device, or of a dtype that is not coded.
    """
    executor = CudaExecutor() if executor is None else executor
    on_device, on_host = by_memory(items)

    def adopted(lane: Lane, batch: Sequence[int]) -> list[Encoded]:
        return _encode_batch(lane, [_adopted(executor, items[i]) for i in batch], planner, threads)

    def uploaded(lane: Lane, batch: Sequence[int]) -> list[Encoded]:
        return _encode_batch(lane, lane.upload([checked_array(items[i]) for i in batch]), planner, threads)

    encoded: dict[int, Encoded] = {}
    for indices, work, lanes in ((on_device, adopted, 1), (on_host, uploaded, min(KERNEL_LANES, max(len(on_host), 1)))):
        batches = cut_batches(indices, lambda i: _size_of(items[i]), budget(executor, lanes))
        encoded.update(zip(indices, through_lanes(executor, batches, work, lanes), strict=True))
    return [encoded[i] for i in range(len(items))]


def host_arrays(items: Sequence[Any], executor: Executor | None = None) -> list[Any]:
    """The arrays, those of the device copied to the host."""
    executor = CudaExecutor() if executor is None else executor
    on_device, _ = by_memory(items)
    return [executor.download(executor.adopt(item)) if i in on_device else item for i, item in enumerate(items)]


def own_array(item: Any) -> DeviceArray:
    """An array of the device as one of its executor; what works on it later waits for what its library did to it."""
    return CudaExecutor().adopt(item)


def containers_on_device(items: Sequence[Any], planner: Planner, threads: int) -> list[DeviceArray]:
    """Encode arrays to containers on the current CUDA device (uint8); errors are those of `encode_arrays`.

    The bytes of the containers pass the host, where heads are made. The samples do not.
    """
    executor = CudaExecutor()
    encoded = encode_arrays(items, planner, threads, executor)
    return [executor.upload(np.frombuffer(one.to_bytes(), np.uint8)) for one in encoded]


def _encode_batch(lane: Lane, arrays_dev: Sequence[DeviceArray], planner: Planner, threads: int) -> list[Encoded]:
    """Encode arrays in the memory of a lane's executor. Their plans are searched for together."""
    ended: WeakSet[Trial] = WeakSet()

    def sampler(array: DeviceArray, ask: Callable[[AnalysisRequest], Analyzed]) -> Sampler:
        def samples(roi: Any, axes: str | None) -> Samples:
            letters = PlaneLayout.of(array.shape, axes).axes
            if array.size == 0:
                empty = np.empty(array.shape, array.dtype)
                return HostSamples(empty, no_classes(roi, empty, letters))
            return DeviceSamples(lane, array, device_classes(lane.executor, roi, array, letters), threads, ask)

        return samples

    def search(array: DeviceArray, ask: Callable[[AnalysisRequest], Analyzed]) -> tuple[Trial, Plan]:
        trial, plan = planner(sampler(array, ask))
        ended.add(trial)
        return trial, plan

    def answer(requests: list[AnalysisRequest]) -> list[Analyzed]:
        for trial in ended:  # what it holds, others go on without; it would keep all that shared launches with it
            trial.forget()
        return analyze_requests(requests)

    planned = in_lock_step([partial(search, array) for array in arrays_dev], answer, lane.executor.here())
    predicted = [plan for _, plan in planned if isinstance(plan, PredictivePlan)]
    if predicted:  # the settings are those of all
        return encode_predicted(lane, arrays_dev, predicted, threads)
    return encode_together(
        [trial for trial, _ in planned], [plan for _, plan in planned if isinstance(plan, ChunkPlan)]
    )


def _adopted(executor: Executor, data: Any) -> DeviceArray:
    array = executor.adopt(data)
    check_dtype(np.dtype(array.dtype))
    return array


def _size_of(item: Any) -> int:
    """About how much device memory coding an array takes."""
    shape, dtype = getattr(item, "shape", None), getattr(item, "dtype", None)
    if shape is None or dtype is None:
        shape, dtype = np.shape(item), np.asarray(item).dtype
    samples = int(np.prod([int(n) for n in shape], dtype=np.int64))
    return samples * (SAMPLE_BYTES + int(getattr(dtype, "itemsize", 4)))
