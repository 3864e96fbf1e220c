"""Containers decoded on a device: where the bytes lie decides where the arrays go.

Values: containers as host bytes or as arrays of bytes on the device in; arrays of the device, or of the host for host
bytes, out. FORMAT.md section 1. Host bytes are decoded on the device and copied back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec import needed_stages
from ..container import Header
from ..errors import InvalidArgument
from ..inspection import open_container, stage_reader
from .decoding import DecodeJob, Decoder
from .executors import CudaExecutor, Executor
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
) -> list[NDArray[Any]]:
    """Arrays of all containers, arguments as for `mmip_gpu.decode`; launches are shared.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver or a device; the message says what works instead.
    CorruptData, TruncatedData, LimitExceeded, InvalidArgument
        The first error; in a batch with the index of its item.
    """
    executor = CudaExecutor()
    jobs = []
    for blob in blobs:
        header, read = _opened(executor, blob)
        wanted = needed_stages(header, stages, scale)
        jobs.append(DecodeJob(header, [read(stage) for stage in range(1, wanted + 1)], stages, scale, region))
    decoded = Decoder(executor).decode(jobs, max_bytes=max_bytes)
    found = decoded.results()
    return [array if is_on_device(blob) else executor.download(array) for blob, array in zip(blobs, found, strict=True)]


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
