"""Containers decoded on a device: where the bytes lie decides where the arrays go.

Values: containers as host bytes or as arrays of bytes on the device in; arrays of the device, or of the host for host
bytes, out. FORMAT.md section 1. Host bytes go through several lanes (overlap.py), so that copies both ways run beside
the kernels; those of a device are decoded on the caller's stream. A batch takes a part of the memory that is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec import needed_stages
from ..container import Header
from ..errors import InvalidArgument, MmipError
from ..inspection import open_container, stage_reader
from ..region import TiledRegion
from .cuda_executor import CudaExecutor
from .decoding import DecodeJob
from .executors import Executor
from .overlap import LANES, Lane, budget, cut_batches, through_lanes
from .placement import is_on_device

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
    for index, blob in enumerate(blobs):
        try:
            header, read = _opened(executor, blob)
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
        found = lane.decoder.decode([jobs[i] for i in batch], max_bytes=max_bytes)
        return [a if error is None else error for a, error in zip(found.arrays, found.errors(), strict=True)]

    def to_host(lane: Lane, batch: Sequence[int]) -> list[Any]:
        found = on_device(lane, batch)
        whole = [i for i, item in enumerate(found) if not isinstance(item, MmipError)]
        for i, array in zip(whole, lane.download([found[i] for i in whole]), strict=True):
            found[i] = array
        return found

    for places, work, lanes in ((held, on_device, 1), (given, to_host, min(LANES, max(len(given), 1)))):
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


def _opened(executor: Executor, blob: Any) -> tuple[Header, Any]:
    """Header of a container and a function that gives the payload of a stage, in the memory where it is."""
    if not is_on_device(blob):
        return open_container(blob)
    held = executor.adopt(blob)
    if held.dtype != np.uint8 or held.ndim != 1 or not held.flags.c_contiguous:
        raise InvalidArgument(f"expected bytes (uint8, one axis), found {held.dtype} of shape {held.shape}")
    start = executor.download(held[:_FIXED_BYTES]).tobytes()
    size = max(int.from_bytes(start[6:8], "little"), _FIXED_BYTES)
    header, at = Header.parse(executor.download(held[:size]).tobytes())
    return header, stage_reader(held, header, at)
