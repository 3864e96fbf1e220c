"""The raw codec (container kind 0): samples as they are.

Values: arrays in, Encoded out, and back. Implements FORMAT.md section 1 (kind 0) and its part of section 5.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import crc32c
from mmip_gpu.container.codec import Codec, Limits, PayloadSpan, Plan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.raw_fields import RawFields
from mmip_gpu.errors import CorruptData, LimitExceeded
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region
from mmip_gpu.volume.window_means import window_means

__all__ = ["CODEC", "decode_raw", "encode_raw"]

RawHeader = Header[RawFields]


def encode_raw(array: NDArray[Any], plan: Plan, classes: NDArray[np.uint8] | None = None, threads: int = 1) -> Encoded:
    """The array as it is, in a container of kind 0; every class is kept exactly."""
    payload = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    low, high = (array.min().item(), array.max().item()) if array.size else (0, 0)
    config = plan.config
    loss = LossRecord(config.mode, config.value, True, low, high, 0, 0)
    fields = RawFields(len(payload), crc32c(payload))
    layout = PlaneLayout.of(array.shape, plan.axes)
    return Encoded(Header(array.dtype.name, layout, plan.colour, loss, fields, config.step), (payload,))


def decode_raw(header: RawHeader, read_part: ReadPart, wanted: Wanted, limits: Limits) -> NDArray[Any]:
    """Decode a container of kind 0, or a part of it; it has one stage, which every number of stages gives."""
    if header.raw_bytes > limits.max_bytes:
        raise LimitExceeded(f"the array takes {header.raw_bytes} bytes, max_bytes={limits.max_bytes}")
    payload = read_part(1, 0, None)
    if crc32c(payload) != header.fields.crc:
        raise CorruptData("raw payload: its crc differs")
    dtype = np.dtype(header.dtype)
    array = np.frombuffer(payload, dtype.newbyteorder("<")).astype(dtype).reshape(header.layout.shape)
    if wanted.scale > 1 and header.loss.is_labels:
        array = array[tuple(slice(None, None, wanted.scale if a in "zyx" else 1) for a in header.layout.axes)]
    elif wanted.scale > 1:
        array = window_means(array, header.layout, wanted.scale)
    return np.ascontiguousarray(array[checked_region(wanted.region, array.shape)])


def raw_extent(header: RawHeader, read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
    """All bytes of the payload: its crc is that of all."""
    return [(1, 0, header.fields.payload_bytes)], True


def describe_raw(header: RawHeader) -> dict[str, Any]:
    """Nothing beside what every header says."""
    return {}


CODEC = Codec(encode_raw, decode_raw, raw_extent, describe_raw, is_copy=True)
