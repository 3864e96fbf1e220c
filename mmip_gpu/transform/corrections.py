"""Corrections on the voxel grid: the last stage of the mode max_error, which bounds the error of every sample.

Values: planes of samples (planes, Z, Y, X), host memory; payload bytes. Implements FORMAT.md sections 2 and 8.3.
Guarantees that corrected samples differ from the original by at most the error that they were made for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import Chunk, find_corrections
from mmip_gpu._core import add_corrections as core_add_corrections
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["add_corrections", "encode_corrections"]


def encode_corrections(
    chunk: Chunk, original: NDArray[Any], decoded: NDArray[Any], errors: Sequence[int], threads: int
) -> bytes:
    """Payload that brings `decoded` within the errors of `original`; `decoded` is corrected in place.

    `errors` has one for all planes, or one for each channel.
    """
    indices = np.empty(original.shape, np.int32)
    for part, error in _parts(len(original), errors, 0):
        find_corrections(original[part], decoded[part], error, indices[part])
    _apply(decoded, indices, errors, 0)
    return chunk.pack_corrections(indices, threads)


def add_corrections(
    chunk: Chunk,
    payload: Buffer,
    decoded: NDArray[Any],
    errors: Sequence[int],
    check_crc: bool,
    threads: int,
    first: int,
) -> None:
    """Correct the samples of the chunk's box, whose first plane is named, in place; `errors` as above.

    Raises
    ------
    CorruptData
        For bytes that are no payload of corrections.
    """
    indices = np.empty(decoded.shape, np.int32)
    chunk.unpack_corrections(payload, indices, check_crc, threads)
    _apply(decoded, indices, errors, first)


def _apply(samples: NDArray[Any], indices: NDArray[np.int32], errors: Sequence[int], first: int) -> None:
    low, high = sample_range(samples.dtype)
    for part, error in _parts(len(samples), errors, first):
        core_add_corrections(samples[part], indices[part], error, low, high)


def _parts(planes: int, errors: Sequence[int], first: int) -> Iterator[tuple[slice, int]]:
    """Planes of one error, from the plane on that is the first of the samples."""
    if len(errors) == 1:
        yield slice(None), errors[0]
        return
    for plane in range(planes):
        yield slice(plane, plane + 1), errors[(first + plane) % len(errors)]
