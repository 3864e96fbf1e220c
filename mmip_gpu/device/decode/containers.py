"""Containers decoded on a device: an array goes where the bytes of its container lie.

Values: containers as host bytes or as arrays of bytes on the device in; arrays of the device, or of the host for host
bytes, out. FORMAT.md section 1. A batch may hold both, and is parted here. Host bytes go through several lanes
(lanes.py), so that copies both ways run beside the kernels. Bytes of a device are decoded on the caller's stream. A
batch takes a part of the memory that is free.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.codec import Codec, Limits, ReadPart, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.container.reader import open_container, part_reader
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.device.decode.batch import Decoder
from mmip_gpu.device.decode.jobs import DecodedBatch, DecodeJob
from mmip_gpu.device.decode.predictive import BrickDecoder
from mmip_gpu.device.lanes import KERNEL_LANES, Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.run.placement import by_memory
from mmip_gpu.errors import InvalidArgument, MmipError
from mmip_gpu.volume.region import Region

__all__ = ["KINDS", "decode_containers"]

_FIXED_BYTES = 8  # magic, version, header_bytes


class _BatchDecoder(Protocol):
    """What decodes the chunks of one kind."""

    @classmethod
    def of_lane(cls, lane: Lane) -> _BatchDecoder: ...
    @staticmethod
    def needed_payloads(header: Any, wanted: Wanted) -> int: ...
    @staticmethod
    def decoded_bytes(job: DecodeJob) -> int: ...
    def decode(self, jobs: Sequence[DecodeJob], *, max_bytes: int) -> DecodedBatch: ...


_DECODERS: dict[int, type[_BatchDecoder]] = {TransformFields.kind: Decoder, PredictiveFields.kind: BrickDecoder}
KINDS = frozenset(_DECODERS)
"""The kinds of containers that kernels decode."""


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
    """Decode containers by launches that they share; returns the array of each, or its error.

    Arguments not listed are those of `mmip_gpu.decode`.

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
    on_device, on_host = by_memory(blobs)
    jobs: dict[int, DecodeJob] = {}
    results: dict[int, Any] = {}
    wanted, limits = Wanted(stages, scale, region), Limits(max_bytes=max_bytes)
    containers = _device_containers(executor, {i: blobs[i] for i in on_device})
    containers |= {i: _Container(partial(open_container, blobs[i]), False) for i in on_host}
    for index, container in containers.items():
        try:
            decodes = _job_or_array(executor, container, codec_of, wanted, limits)
        except MmipError as error:
            decodes = error
        if isinstance(decodes, DecodeJob):
            jobs[index] = decodes
        else:
            results[index] = decodes
    results |= _decode_to_device(executor, {i: jobs[i] for i in on_device if i in jobs}, max_bytes)
    results |= _decode_to_host(executor, {i: jobs[i] for i in on_host if i in jobs}, max_bytes)
    return [results[i] for i in range(len(blobs))]


@dataclass(frozen=True)
class _Container:
    """What opens a container: it gives the header and a function for parts of payloads, in the container's memory."""

    open: Callable[[], tuple[Header[Any], ReadPart]]
    in_device_memory: bool


def _job_or_array(
    executor: Executor, container: _Container, codec_of: Callable[[Header[Any]], Codec], wanted: Wanted, limits: Limits
) -> DecodeJob | DeviceArray:
    """The job of a container for the kernels. A kind without kernels gives the array, in the container's memory."""
    header, read_part = container.open()
    codec = codec_of(header)
    channels = getattr(header.fields, "channels", None)
    if codec.has_kernels and channels is None:
        count = _DECODERS[header.fields.kind].needed_payloads(header, wanted)
        payloads = [read_part(stage, 0, None) for stage in range(1, count + 1)]
        return DecodeJob(header, payloads, wanted, container.in_device_memory)
    if not codec.is_copy:
        name = f"{header.fields.name} containers"
        what = name if channels is None else "channels with steps of their own"
        warnings.warn(f"no kernels decode {what}: the CPU does", RuntimeWarning, stacklevel=3)
    if not container.in_device_memory:
        return codec.decode(header, read_part, wanted, limits)

    def download_part(stage: int, first: int, end: int | None) -> Any:
        return executor.download(read_part(stage, first, end)).data

    return executor.upload(codec.decode(header, download_part, wanted, limits))


def _decode_to_device(executor: Executor, jobs: dict[int, DecodeJob], max_bytes: int) -> dict[int, Any]:
    """Decode containers that lie on the device, on the caller's stream; returns arrays there, or errors."""

    def decode(lane: Lane, batch: Sequence[int]) -> list[Any]:
        return _decode_batch(lane, [jobs[i] for i in batch], max_bytes)

    return _through_lanes(executor, jobs, decode, 1)


def _decode_to_host(executor: Executor, jobs: dict[int, DecodeJob], max_bytes: int) -> dict[int, Any]:
    """Decode containers that lie on the host, through several lanes; returns arrays there, or errors."""

    def decode(lane: Lane, batch: Sequence[int]) -> list[Any]:
        decoded = _decode_batch(lane, [jobs[i] for i in batch], max_bytes)
        sound = [i for i, item in enumerate(decoded) if not isinstance(item, MmipError)]
        for i, array in zip(sound, lane.download([decoded[i] for i in sound]), strict=True):
            decoded[i] = array
        return decoded

    return _through_lanes(executor, jobs, decode, min(KERNEL_LANES, max(len(jobs), 1)))


def _decode_batch(lane: Lane, jobs: Sequence[DecodeJob], max_bytes: int) -> list[Any]:
    """Decode jobs; returns the array of each in the executor's memory, or its error."""
    by_kind: dict[int, list[int]] = {}
    for index, job in enumerate(jobs):
        by_kind.setdefault(job.header.fields.kind, []).append(index)
    decoded = {
        kind: lane.own(_DECODERS[kind].of_lane).decode([jobs[i] for i in indices], max_bytes=max_bytes)
        for kind, indices in by_kind.items()
    }
    found: dict[int, Any] = {}
    for kind, batch in decoded.items():
        results = zip(batch.arrays, batch.errors(), strict=True)
        found |= zip(by_kind[kind], [array if error is None else error for array, error in results], strict=True)
    return [found[index] for index in range(len(jobs))]


def _through_lanes(
    executor: Executor, jobs: dict[int, DecodeJob], decode: Callable[[Lane, Sequence[int]], list[Any]], lanes: int
) -> dict[int, Any]:
    """Decode jobs in batches that fit into memory; `decode` takes their indices."""
    batches = cut_batches(jobs, lambda i: _size_of(jobs[i]), budget(executor, lanes))
    return dict(zip(jobs, through_lanes(executor, batches, decode, lanes), strict=True))


def _size_of(job: DecodeJob) -> int:
    """About how much device memory a job takes beside the scratch that the decoder limits."""
    try:
        decoded = _DECODERS[job.header.fields.kind].decoded_bytes(job)
    except MmipError:  # the decoder tells
        decoded = 0
    return decoded + sum(job.header.payload_sizes[: len(job.payloads)])


@contract(reads="containers_dev", writes="headers; payloads_dev, as slices", waits=True)
def _device_containers(executor: Executor, blobs: dict[int, Any]) -> dict[int, _Container]:
    """What opens containers that lie on the device. It waits for the device twice, if there are any."""
    arrays = {index: executor.adopt(blob) for index, blob in blobs.items()}
    sound = {index: array for index, array in arrays.items() if _holds_bytes(array)}
    starts = executor.download_all([array[:_FIXED_BYTES] for array in sound.values()])
    sizes = [max(int.from_bytes(start.tobytes()[6:8], "little"), _FIXED_BYTES) for start in starts]
    heads = executor.download_all([array[:size] for array, size in zip(sound.values(), sizes, strict=True)])
    head_of = dict(zip(sound, heads, strict=True))

    def opened(index: int) -> tuple[Header[Any], ReadPart]:
        array = arrays[index]
        if index not in head_of:
            raise InvalidArgument(f"expected bytes (uint8, one axis), found {array.dtype} of shape {array.shape}")
        header: Header[Any]
        header, at = Header.parse(head_of[index].tobytes())
        return header, part_reader(array, header, at)

    return {index: _Container(partial(opened, index), True) for index in arrays}


def _holds_bytes(array: DeviceArray) -> bool:
    return bool(array.dtype == np.uint8 and array.ndim == 1 and array.flags.c_contiguous)
