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
from mmip_gpu.volume.samples import finite_samples

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from numcodecs_plugin.options import Options

__all__ = [
    "LARGEST_PSNR",
    "check_chunk",
    "check_header",
    "chunk_settings",
    "coded_shape",
    "decode_host",
    "encode_host",
    "filled_up",
    "inside",
    "without_outside",
]

LARGEST_PSNR = 140.0


def coded_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of what is coded for a chunk: an array without axes is a line of one sample."""
    return shape or (1,)


def check_chunk(found: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise InvalidArgument unless an array is a chunk of this shape and dtype, in any byte order."""
    if tuple(found.shape) != shape or found.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise InvalidArgument(f"mmip: expected a chunk {shape} of {dtype}, found {found.shape} of {found.dtype}")


def without_outside(array: Any, whole: tuple[int, ...] | None, fill: Any) -> Any:
    """The chunk with a finite value in place of NaN that fills it up beyond the end of the array, on host or device.

    Nobody reads samples there. NaN elsewhere stays, and is refused.

    Parameters
    ----------
    whole : tuple of int, optional
        Shape of the array, where it is known.
    fill : scalar
        The fill value of the array.

    Examples
    --------
    >>> without_outside(np.array([1, 2, np.nan], np.float32), (5,), np.nan).tolist()
    [1.0, 2.0, 2.0]
    """
    if array.dtype.kind != "f" or np.isfinite(fill) or whole is None or len(whole) != array.ndim or not array.size:
        return array
    wrong, inside = ~np.isfinite(array), [slice(None)] * array.ndim
    for axis, (size, length) in enumerate(zip(whole, array.shape, strict=True)):
        ends = size % length
        beyond = (slice(None),) * axis + (slice(ends, None),)
        if ends and bool(wrong[beyond].all()):
            inside[axis] = slice(0, ends)
    part = array[tuple(inside)]
    filled = np.full_like(array, part[(-1,) * array.ndim])
    filled[tuple(inside)] = part
    return filled


def check_finite(array: Any) -> None:
    """Raise InvalidArgument for NaN or infinity, with what helps where it is a fill value."""
    try:
        finite_samples(array, None)
    except InvalidArgument as error:
        found = str(error).partition(": pass nan=")[0]
        raise InvalidArgument(
            f"mmip: {found}: replace it before writing; where it fills up chunks (of shards, or in Zarr v2), "
            "make the array with a finite fill_value (xarray: encoding={'NAME': {'_FillValue': 0}})"
        ) from None


def check_header(
    header: Header[Any], shape: tuple[int, ...], dtype: np.dtype[Any], whole: tuple[int, ...] | None = None
) -> None:
    """Raise CorruptData unless a container holds a chunk of this shape and dtype.

    Where the shape `whole` of the array is known, it may hold less of a chunk that reaches past the end of the array:
    what lies inside.
    """
    expected, held = coded_shape(shape), header.layout.shape
    is_fit = held == expected
    if not is_fit and whole is not None and len(held) == len(whole) == len(shape):
        is_fit = all(found in (c, n % c or c) for found, c, n in zip(held, shape, whole, strict=True))
    if not is_fit or np.dtype(header.dtype) != dtype.newbyteorder("="):
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
    check_finite(array)
    settings = chunk_settings(options, array)
    if axes is not None:
        settings = replace(settings, axes=axes)
    return mmip.encode_configured(array.reshape(coded_shape(array.shape)), settings, threads=1).to_bytes()


def inside(header: Header[Any], region: Region) -> Region:
    """The part of a region of a chunk that its container holds; an array without axes has no region."""
    held = zip(region, header.layout.shape, strict=False)
    return tuple(slice(min(part.start, n), min(part.stop, n)) for part, n in held)


def filled_up(array: Any, region: Region) -> Any:
    """The samples of a region out of those that a container holds of it: zeros past their ends; on host or device."""
    missing = [(0, part.stop - part.start - n) for part, n in zip(region, array.shape, strict=True)]
    return np.pad(array, missing) if any(after for _, after in missing) else array


def decode_host(
    data: Buffer,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    region: Region | None = None,
    whole: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """Chunk of a container, or a region of it, in the byte order of `dtype`; one thread. `whole` is for its check."""
    header, read_part = open_container(data)
    check_header(header, shape, dtype, whole)
    limits = Limits(max_bytes=max(header.raw_bytes, 1))
    wanted = tuple(slice(0, n) for n in coded_shape(shape)) if region is None else region
    found = codec_of(header).decode(header, read_part, Wanted(region=inside(header, wanted)), limits)
    array: NDArray[Any] = filled_up(found.astype(dtype, copy=False), wanted)
    return array.reshape(array.shape if shape else ())
