"""The header of a container, read and written side by side.

Values: a frozen Header on one side, its bytes on the other. Implements FORMAT.md section 1; sole home of its fields.
Guarantees that `parse` accepts exactly what `to_bytes` can write and raises CorruptData, TruncatedData or
UnsupportedVersion for anything else, before anything is allocated. Payloads are transform/chunk.py's affair.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmip_gpu._core import (
    FORMAT_VERSION,
)
from mmip_gpu.config import MODES
from mmip_gpu.container.field_reader import _expect, _Reader
from mmip_gpu.container.loss_record import _FLOAT_LOSS, _LOSS, LossRecord, _read_loss
from mmip_gpu.container.transform_fields import TransformFields, _pack_fields, _read_fields
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData, UnsupportedVersion
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = [
    "DTYPES",
    "Header",
]

MAGIC = b"MMIP"
DTYPES = ("uint8", "int8", "uint16", "int16", "float32")
_KIND_RAW, _KIND_TRANSFORM = 0, 1
_PREFIX = struct.Struct("<4sHH")
_MAX_SAMPLES = 2**48


@dataclass(frozen=True)
class Header:
    """A container's header; `transform` is None for the raw kind, `step` for integer samples."""

    dtype: str
    layout: PlaneLayout
    colour: bool
    loss: LossRecord
    transform: TransformFields | None
    raw_crc: int = 0
    step: float | None = None

    @property
    def raw_bytes(self) -> int:
        """Size of the decoded array."""
        return self.layout.samples * np.dtype(self.dtype).itemsize

    @property
    def substreams(self) -> int:
        """Sub-streams of each stage; 0 for the raw kind."""
        if self.transform is None:
            return 0
        count = self.layout.planes
        cell = (self.transform.depth, 8, 8)
        for n, size, log2 in zip(self.layout.volume, cell, self.transform.tile_log2, strict=True):
            count *= -(-n // (size << log2))
        return count

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each stage; the raw kind has one part."""
        return (self.raw_bytes,) if self.transform is None else self.transform.stage_bytes

    def to_bytes(self) -> bytes:
        """The header's bytes, crc included."""
        layout, loss = self.layout, self.loss
        kind = _KIND_RAW if self.transform is None else _KIND_TRANSFORM
        rank = len(layout.shape)
        body = bytearray([kind, DTYPES.index(self.dtype), rank, int(self.colour)])
        body += layout.axes.encode("ascii") + struct.pack(f"<{rank}I", *layout.shape)
        record = _LOSS if self.step is None else _FLOAT_LOSS
        body += record.pack(
            MODES.index(loss.mode),
            loss.requested,
            loss.verified,
            loss.minimum,
            loss.maximum,
            loss.sse,
            loss.max_error,
        )
        body += b"" if self.step is None else struct.pack("<d", self.step)
        body += (
            struct.pack("<QI", self.raw_bytes, self.raw_crc) if self.transform is None else _pack_fields(self.transform)
        )
        head = _PREFIX.pack(MAGIC, FORMAT_VERSION, _PREFIX.size + len(body) + 4) + bytes(body)
        return head + struct.pack("<I", zlib.crc32(head))

    @classmethod
    def parse(cls, data: Buffer, *, check_crc: bool = True) -> tuple[Self, int]:
        """(header, its size in bytes) from the start of a container.

        Raises
        ------
        TruncatedData, CorruptData, UnsupportedVersion
        """
        view = memoryview(data).cast("B")
        if len(view) < _PREFIX.size:
            raise TruncatedData(f"container: expected at least {_PREFIX.size} bytes, found {len(view)}")
        magic, version, size = _PREFIX.unpack_from(view)
        if magic != MAGIC:
            raise CorruptData(f"container: expected the magic {MAGIC!r}, found {bytes(magic)!r}")
        if version != FORMAT_VERSION:
            raise UnsupportedVersion(f"format version: expected {FORMAT_VERSION}, found {version}")
        if size > len(view):
            raise TruncatedData(f"header: expected {size} bytes, found {len(view)}")
        if size < _PREFIX.size + 4:
            raise CorruptData(f"header: a size of {size} bytes is too small")
        (crc,) = struct.unpack_from("<I", view, size - 4)
        if check_crc and crc != zlib.crc32(view[: size - 4]):
            raise CorruptData("header: its crc differs")
        fields = _Reader(bytes(view[_PREFIX.size : size - 4]))
        header = cls._read(fields)
        if fields.left:
            raise CorruptData(f"header: {fields.left} bytes after its last field")
        return header, size

    @classmethod
    def _read(cls, fields: _Reader) -> Self:
        kind, dtype, rank, colour = fields.take("4B")
        _expect(kind in (_KIND_RAW, _KIND_TRANSFORM), "kind", kind)
        _expect(dtype < len(DTYPES), "dtype", dtype)
        _expect(1 <= rank <= 6, "ndim", rank)
        _expect(colour <= 1, "colour", colour)
        letters = bytes(fields.take(f"{rank}B"))
        shape = fields.take(f"{rank}I")
        try:
            layout = PlaneLayout.of(shape, letters.decode("latin-1"))
        except InvalidArgument as e:
            raise CorruptData(f"header: {e}") from None
        _expect(layout.samples < _MAX_SAMPLES, "shape", shape)
        _expect(
            not colour or ("c" in layout.axes and layout.channels == 3 and DTYPES[dtype] != "float32"),
            "colour without three integer channels",
            shape,
        )
        is_float = DTYPES[dtype] == "float32"
        loss = _read_loss(fields, is_float)
        step = fields.take("d")[0] if is_float else None
        _expect(step is None or 0 < step < math.inf, "value_step", step)
        if kind == _KIND_RAW:
            size, crc = fields.take("QI")
            header = cls(DTYPES[dtype], layout, bool(colour), loss, None, crc, step)
            _expect(size == header.raw_bytes, "payload_bytes", size)
            return header
        _expect(layout.samples > 0, "shape of a transformed array", shape)
        low, high = sample_range(np.dtype(DTYPES[dtype]))
        transform = _read_fields(fields, 3 if colour else 1)
        _expect(low <= transform.offset <= high, "offset", transform.offset)
        if transform.padding is not None:
            _expect(not colour, "padding with colour", transform.padding)
            _expect(not is_float, "padding of float32 samples", transform.padding)
            _expect(low <= transform.padding <= high, "padding_value", transform.padding)
        return cls(DTYPES[dtype], layout, bool(colour), loss, transform, step=step)
