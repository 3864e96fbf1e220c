"""Containers decoded on a device: where the bytes lie decides where the arrays go.

Values: containers as host bytes or as arrays of bytes on the device in; arrays of the device, or of the host for host
bytes, out. FORMAT.md section 1. Host bytes go through several lanes (lanes.py), so that copies both ways run beside
the kernels; those of a device are decoded on the caller's stream. A batch takes a part of the memory that is free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.header import Header
from mmip_gpu.container.reader import open_container, stage_reader
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.lanes import KERNEL_LANES, Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.run.placement import is_on_device
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.transform.chunk import needed_stages
from mmip_gpu.transform.tiled_region import TiledRegion

__all__ = ["decode_containers"]

_FIXED_BYTES = 8  # magic, version, header_bytes


def decode_containers(
    blobs: Sequence[Any],
    *,
    stages: int | None = None,
    scale: int = 1,
    region: tuple[slice, ...] | None = None,
    max_bytes: int = 2**34,
    executor: Executor | None = None,
) -> list[NDArray[Any] | MmipError]:
    """Array of each container, or its error; arguments as for `mmip_gpu.decode`, launches are shared.

    `executor` is that of the current CUDA device.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver or a device; the message says what works instead.
    """
    executor = CudaExecutor() if executor is None else executor
    jobs: dict[int, DecodeJob] = {}
    results: dict[int, Any] = {}
    for index, opened in enumerate(_opened(executor, blobs)):
        try:
            header, read = opened()
            wanted = needed_stages(header, stages, scale)
            payloads = [read(stage) for stage in range(1, wanted + 1)]
        except MmipError as error:
            results[index] = error
        else:
            jobs[index] = DecodeJob(header, payloads, stages, scale, region)
    held = [i for i in jobs if is_on_device(blobs[i])]
    given = [i for i in jobs if not is_on_device(blobs[i])]

    def on_device(lane: Lane, batch: Sequence[int]) -> list[Any]:
        """The array of each item, or its error."""
        found = lane.own(Decoder.of_lane).decode([jobs[i] for i in batch], max_bytes=max_bytes)
        return [a if error is None else error for a, error in zip(found.arrays, found.errors(), strict=True)]

    def to_host(lane: Lane, batch: Sequence[int]) -> list[Any]:
        found = on_device(lane, batch)
        whole = [i for i, item in enumerate(found) if not isinstance(item, MmipError)]
        for i, array in zip(whole, lane.download([found[i] for i in whole]), strict=True):
            found[i] = array
        return found

    for places, work, lanes in ((held, on_device, 1), (given, to_host, min(KERNEL_LANES, max(len(given), 1)))):
        batches = cut_batches(places, lambda i: _size_of(jobs[i]), budget(executor, lanes))
        results.update(zip(places, through_lanes(executor, batches, work, lanes), strict=True))
    return [results[i] for i in range(len(blobs))]


def _size_of(job: DecodeJob) -> int:
    """Device memory that a job takes, about, beside the scratch that the decoder limits."""
    if job.header.transform is None:
        return 2 * job.header.raw_bytes
    try:
        decoded = TiledRegion.of(job.header, job.scale, job.region).decoded_bytes
    except MmipError:  # the decoder tells
        decoded = 0
    return decoded + sum(job.header.payload_sizes[: len(job.payloads)])


def _opened(executor: Executor, blobs: Sequence[Any]) -> list[Callable[[], tuple[Header, Any]]]:
    """For each container, what opens it: gives its header and a function for the payload of a stage, where it lies.

    Waits for the device twice where there are containers.
    """
    held = {i: array for i, blob in enumerate(blobs) if (array := _adopted(executor, blob)) is not None}
    starts = executor.download_all([array[:_FIXED_BYTES] for array in held.values()])
    sizes = [max(int.from_bytes(start.tobytes()[6:8], "little"), _FIXED_BYTES) for start in starts]
    parts = executor.download_all([array[:size] for array, size in zip(held.values(), sizes, strict=True)])
    headers = dict(zip(held, parts, strict=True))

    def opened(index: int) -> tuple[Header, Any]:
        if index in held:
            header, at = Header.parse(headers[index].tobytes())
            return header, stage_reader(held[index], header, at)
        if is_on_device(blobs[index]):
            found = executor.adopt(blobs[index])
            raise InvalidArgument(f"expected bytes (uint8, one axis), found {found.dtype} of shape {found.shape}")
        return open_container(blobs[index])

    return [partial(opened, index) for index in range(len(blobs))]


def _adopted(executor: Executor, blob: Any) -> Array | None:
    """The bytes of a container that lies on the device; None of all else."""
    if not is_on_device(blob):
        return None
    array = executor.adopt(blob)
    return array if array.dtype == np.uint8 and array.ndim == 1 and array.flags.c_contiguous else None
