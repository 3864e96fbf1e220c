"""The raw codec (container kind 0): samples as they are.

Values: arrays in, Encoded out, and back. Implements FORMAT.md
section 1 (kind 0) and its part of section 5.1.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.config import CodecConfig
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.errors import CorruptData, LimitExceeded
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "decode_raw",
    "encode_raw",
]


def encode_raw(array: NDArray[Any], layout: PlaneLayout, config: CodecConfig, colour: bool) -> Encoded:
    """The array as it is, in a container of kind 0."""
    payload = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    low, high = (array.min().item(), array.max().item()) if array.size else (0, 0)
    loss = LossRecord(config.mode, config.value, True, low, high, 0, 0)
    header = Header(array.dtype.name, layout, colour, loss, None, zlib.crc32(payload), config.step)
    return Encoded(header, (payload,))


def decode_raw(
    header: Header, payload: Buffer, scale: int, region: tuple[slice, ...] | None, max_bytes: int
) -> NDArray[Any]:
    """Decode a raw container, or a part of it; arguments as for `codec.decode_chunk`."""
    if header.raw_bytes > max_bytes:
        raise LimitExceeded(f"the array takes {header.raw_bytes} bytes, max_bytes={max_bytes}")
    if zlib.crc32(payload) != header.raw_crc:
        raise CorruptData("raw payload: its crc differs")
    dtype = np.dtype(header.dtype)
    array = np.frombuffer(payload, dtype.newbyteorder("<")).astype(dtype).reshape(header.layout.shape)
    if scale > 1:
        array = _window_means(array, header.layout, scale)
    return np.ascontiguousarray(array[checked_region(region, array.shape)])


def _window_means(array: NDArray[Any], layout: PlaneLayout, scale: int) -> NDArray[Any]:
    """Mean over windows of the spatial axes; of integers rounded half to even (FORMAT.md section 5.1)."""
    total = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    count = np.ones(array.shape, np.int64)
    for axis, letter in enumerate(layout.axes):
        if letter in "zyx":
            starts = np.arange(0, array.shape[axis], scale)
            total = np.add.reduceat(total, starts, axis)
            count = np.add.reduceat(count, starts, axis)
    mean = total / count
    return (mean if array.dtype.kind == "f" else np.rint(mean)).astype(array.dtype)
