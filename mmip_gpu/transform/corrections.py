"""Corrections on the voxel grid: the last stage of the mode max_error, which bounds the error of every sample.

Values: planes of samples (planes, Z, Y, X), host memory; payload bytes. Implements FORMAT.md sections 2 and 8.3.
Guarantees that corrected samples differ from the original by at most the error that they were made for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import Chunk, find_corrections
from mmip_gpu._core import add_corrections as core_add_corrections
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["add_corrections", "encode_corrections"]


def encode_corrections(chunk: Chunk, original: NDArray[Any], decoded: NDArray[Any], error: int, threads: int) -> bytes:
    """Payload that brings `decoded` within `error` of `original`; `decoded` is corrected in place."""
    indices = np.empty(original.shape, np.int32)
    find_corrections(original, decoded, error, indices)
    _apply(decoded, indices, error)
    return chunk.pack_corrections(indices, threads)


def add_corrections(
    chunk: Chunk, payload: Buffer, decoded: NDArray[Any], error: int, check_crc: bool, threads: int
) -> None:
    """Correct the samples of the chunk's box in place.

    Raises
    ------
    CorruptData
        For bytes that are no payload of corrections.
    """
    indices = np.empty(decoded.shape, np.int32)
    chunk.unpack_corrections(payload, indices, check_crc, threads)
    _apply(decoded, indices, error)


def _apply(samples: NDArray[Any], indices: NDArray[np.int32], error: int) -> None:
    low, high = sample_range(samples.dtype)
    core_add_corrections(samples, indices, error, low, high)
