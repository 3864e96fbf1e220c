"""Chunks of an array to containers and back, on the host: what both versions of the codec share.

Values: NumPy arrays of a chunk in, containers out, and back; the shape and dtype that metadata declare for it.
FORMAT.md section 1. Guarantees that a container of another shape or dtype is refused before it is decoded.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import CorruptData, EncodeSettings, InvalidArgument
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.container.reader import open_container
from mmip_gpu.volume.region import Region

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from numcodecs_plugin.options import Options

__all__ = ["LARGEST_PSNR", "check_chunk", "check_header", "chunk_settings", "coded_shape", "decode_host", "encode_host"]

LARGEST_PSNR = 140.0


def coded_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of what is coded for a chunk: an array without axes is a line of one sample."""
    return shape or (1,)


def check_chunk(found: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise InvalidArgument unless an array is a chunk of this shape and dtype, in any byte order."""
    if tuple(found.shape) != shape or found.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise InvalidArgument(f"mmip: expected a chunk {shape} of {dtype}, found {found.shape} of {found.dtype}")


def check_header(header: Header[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise CorruptData unless a container holds a chunk of this shape and dtype."""
    expected, held = coded_shape(shape), header.layout.shape
    if held != expected or np.dtype(header.dtype) != dtype.newbyteorder("="):
        raise CorruptData(f"mmip: expected a chunk {expected} of {dtype}, found {held} of {header.dtype}")


def chunk_settings(options: Options, array: Any) -> EncodeSettings:
    """How a chunk is coded, on the host or on a device.

    Chunks at the edge of an array arrive filled up with one value, which costs no error: their PSNR is asked for
    so much higher that their other samples have what was asked for.

    Examples
    --------
    >>> from numcodecs_plugin.options import Options
    >>> edge = np.pad(np.arange(16).reshape(4, 4), (0, 4))
    >>> round(chunk_settings(Options(psnr=50, data_range=15), edge).config.value, 2)
    56.02
    """
    settings = replace(options.settings, is_part=True)
    if options.psnr is None or not array.size:
        return settings
    psnr = min(options.psnr + 10 * math.log10(array.size / _inside_samples(array)), LARGEST_PSNR)
    return replace(settings, config=replace(settings.config, value=psnr))


def _inside_samples(array: Any) -> int:
    """Samples of the box that ends with the last sample on each axis that differs from the very last one."""
    corner = array[(-1,) * array.ndim]
    faces = [(slice(None),) * axis + (-1,) for axis in range(array.ndim)]
    if all(bool((array[face] != corner).any()) for face in faces):
        return int(array.size)
    differs, lengths = array != corner, []
    for axis in range(array.ndim):
        others = tuple(other for other in range(array.ndim) if other != axis)
        along = differs.any(axis=others) if others else differs
        lengths.append(array.shape[axis] - int(along[::-1].argmax()) if bool(along.any()) else 0)
    return math.prod(lengths) or int(array.size)


def encode_host(options: Options, array: NDArray[Any], axes: str | None = None) -> bytes:
    """Container of a chunk, made by one thread; `axes` instead of those of the options."""
    settings = chunk_settings(options, array)
    if axes is not None:
        settings = replace(settings, axes=axes)
    return mmip.encode_configured(array.reshape(coded_shape(array.shape)), settings, threads=1).to_bytes()


def decode_host(
    data: Buffer, shape: tuple[int, ...], dtype: np.dtype[Any], region: Region | None = None
) -> NDArray[Any]:
    """Chunk of a container, or a region of it, in the byte order of `dtype`; one thread."""
    header, read_part = open_container(data)
    check_header(header, shape, dtype)
    limits = Limits(max_bytes=max(header.raw_bytes, 1))
    array = codec_of(header).decode(header, read_part, Wanted(region=region), limits)
    return array.astype(dtype, copy=False).reshape(array.shape if shape else ())
