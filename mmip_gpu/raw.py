"""Coded chunks: put together from what was coded, or samples as they are (the raw kind).

Values: arrays, or stage payloads with what a header says of them, in; Encoded out, and back. Implements FORMAT.md
section 1 (kind 0) and its part of section 5.1.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.axes import PlaneLayout
from mmip_gpu.container.header import Header, LossRecord, TransformFields
from mmip_gpu.errors import CorruptData, LimitExceeded
from mmip_gpu.planning import ChunkPlan
from mmip_gpu.region import checked_region

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CodedParts", "Encoded", "assembled", "decode_raw", "encode_raw", "head_crc", "transform_header"]


@dataclass(frozen=True)
class Encoded:
    """A coded chunk: header and one payload a stage (the raw kind has one)."""

    header: Header
    payloads: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Bytes of the container."""
        return len(self.header.to_bytes()) + sum(len(p) for p in self.payloads)

    def to_bytes(self) -> bytes:
        """The container."""
        return self.header.to_bytes() + b"".join(self.payloads)


@dataclass(frozen=True)
class CodedParts:
    """What coding has made of samples: payloads (the corrections last), offset, reconstruction points by class.

    `dc_recon` are those of the DC image, None without one.
    """

    payloads: Sequence[bytes]
    offset: int
    recon: Sequence[Sequence[int]]
    dc_recon: tuple[int, int, int] | None = None


def transform_header(parts: CodedParts, plan: ChunkPlan, dtype: str, layout: PlaneLayout, loss: LossRecord) -> Header:
    """Header of a chunk of kind 1."""
    fields = TransformFields(
        depth=plan.depth,
        tile_log2=plan.tile_log2,
        offset=parts.offset,
        recon=tuple((d[0], d[1], d[2]) for d in parts.recon),
        reversible=plan.reversible,
        steps=plan.steps,
        cuts=plan.cuts,
        stage_bytes=tuple(len(p) for p in parts.payloads),
        stage_crcs=tuple(head_crc(p) for p in parts.payloads),
        correction=plan.correction,
        padding=plan.padding,
        dc_image=parts.dc_recon,
    )
    return Header(dtype, layout, plan.colour, loss, fields, step=plan.config.step)


def assembled(header: Header, parts: CodedParts, raw: Callable[[], Encoded] | None) -> Encoded:
    """The coded chunk; what `raw` makes where that is given and smaller than the samples coded."""
    encoded = Encoded(header, tuple(parts.payloads))
    if raw is not None and encoded.size > header.raw_bytes + len(header.to_bytes()):
        return raw()
    return encoded


def head_crc(payload: Buffer) -> int:
    """The crc at the end of a payload's head."""
    view = memoryview(payload)
    head = int.from_bytes(view[:4], "little")
    return int.from_bytes(view[head - 4 : head], "little")


def encode_raw(array: NDArray[Any], layout: PlaneLayout, plan: ChunkPlan) -> Encoded:
    """The array as it is, in a container of kind 0."""
    payload = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    low, high = (array.min().item(), array.max().item()) if array.size else (0, 0)
    loss = LossRecord(plan.config.mode, plan.config.value, True, low, high, 0, 0)
    header = Header(array.dtype.name, layout, plan.colour, loss, None, zlib.crc32(payload), plan.config.step)
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
