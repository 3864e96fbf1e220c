"""Containers decoded on a device: where the bytes lie decides where the arrays go.

Values: containers as host bytes or as arrays of bytes on the device in; arrays of the device, or of the host for host
bytes, out. FORMAT.md section 1. Host bytes go through several lanes (lanes.py), so that copies both ways run beside
the kernels; those of a device are decoded on the caller's stream. A batch takes a part of the memory that is free.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.codec import Codec, Limits, ReadPart, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.reader import open_container, part_reader
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.lanes import KERNEL_LANES, Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.run.placement import is_on_device
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.transform.extent import needed_stages
from mmip_gpu.transform.tiled_region import TiledRegion
from mmip_gpu.volume.region import Region

__all__ = ["decode_containers"]

_FIXED_BYTES = 8  # magic, version, header_bytes


def decode_containers(
    blobs: Sequence[Any],
    codec_of: Callable[[Header[Any]], Codec],
    *,
    stages: int | None = None,
    scale: int = 1,
    region: Region | None = None,
    max_bytes: int = Limits.max_bytes,
    executor: Executor | None = None,
) -> list[NDArray[Any] | MmipError]:
    """Array of each container, or its error; arguments as for `mmip_gpu.decode`, launches are shared.

    Parameters
    ----------
    codec_of : callable
        The codec of a container with this header; one without kernels decodes on the host.
    executor : Executor, optional
        That of the current CUDA device by default.

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
            header, read_part = opened()
            wanted, codec = Wanted(stages, scale, region), codec_of(header)
            if codec.has_kernels:
                payloads = [read_part(stage, 0, None) for stage in range(1, needed_stages(header, wanted) + 1)]
                jobs[index] = DecodeJob(header, payloads, wanted)
            else:
                found = _on_host(executor, codec, header, read_part, wanted, Limits(max_bytes=max_bytes))
                results[index] = executor.upload(found) if is_on_device(blobs[index]) else found
        except MmipError as error:
            results[index] = error
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


def _on_host(
    executor: Executor, codec: Codec, header: Header[Any], read_part: ReadPart, wanted: Wanted, limits: Limits
) -> NDArray[Any]:
    """The array of a container whose kind has no kernels, made by the CPU."""
    if not codec.is_copy:
        warnings.warn(f"no kernels decode {header.fields.name} containers: the CPU does", RuntimeWarning, stacklevel=3)

    def read(stage: int, first: int, end: int | None) -> Any:
        part: Any = read_part(stage, first, end)
        return executor.download(part).data if is_on_device(part) else part

    return codec.decode(header, read, wanted, limits)


def _size_of(job: DecodeJob) -> int:
    """Device memory that a job takes, about, beside the scratch that the decoder limits."""
    try:
        decoded = TiledRegion.of(job.header, job.wanted.scale, job.wanted.region).decoded_bytes
    except MmipError:  # the decoder tells
        decoded = 0
    return decoded + sum(job.header.payload_sizes[: len(job.payloads)])


def _opened(executor: Executor, blobs: Sequence[Any]) -> list[Callable[[], tuple[Header[Any], Any]]]:
    """For each container, what opens it: gives its header and a function for parts of payloads, where they lie.

    Waits for the device twice where there are containers.
    """
    held = {i: array for i, blob in enumerate(blobs) if (array := _adopted(executor, blob)) is not None}
    starts = executor.download_all([array[:_FIXED_BYTES] for array in held.values()])
    sizes = [max(int.from_bytes(start.tobytes()[6:8], "little"), _FIXED_BYTES) for start in starts]
    parts = executor.download_all([array[:size] for array, size in zip(held.values(), sizes, strict=True)])
    headers = dict(zip(held, parts, strict=True))

    def opened(index: int) -> tuple[Header[Any], Any]:
        if index in held:
            header: Header[Any]
            header, at = Header.parse(headers[index].tobytes())
            return header, part_reader(held[index], header, at)
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
