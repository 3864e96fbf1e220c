"""The header of a container, read and written side by side.

Values: a frozen Header on one side, its bytes on the other. Implements FORMAT.md section 1; sole home of its fields.
Guarantees that `parse` accepts exactly what `to_bytes` can write and raises CorruptData, TruncatedData or
UnsupportedVersion for anything else, before anything is allocated. Payloads are codec.py's affair.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mmip_gpu._core import (
    FORMAT_VERSION,
    MAX_CLASSES,
    MAX_CORRECTION_ERROR,
    MAX_RECON,
    MAX_STAGES,
    MAX_STEP,
    MAX_TILE_SAMPLES,
    MIN_STEP,
    STEP_ONE,
)
from mmip_gpu.axes import PlaneLayout
from mmip_gpu.config import MODES
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData, UnsupportedVersion
from mmip_gpu.floats import sample_range

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["DTYPES", "UNKNOWN_ERROR", "Header", "LossRecord", "TransformFields"]

MAGIC = b"MMIP"
DTYPES = ("uint8", "int8", "uint16", "int16", "float32")
UNKNOWN_ERROR = 2**32 - 1
_KIND_RAW, _KIND_TRANSFORM = 0, 1
_PREFIX = struct.Struct("<4sHH")
_LOSS = struct.Struct("<BdBiiQI")
_FLOAT_LOSS = struct.Struct("<BdBffdf")
_MAX_SAMPLES = 2**48
_CELL_AC = {1: 63, 8: 511}


@dataclass(frozen=True)
class LossRecord:
    """What was asked for and what was reached (FORMAT.md section 1).

    `sse` is the sum of squared errors over all samples, `max_error` the largest absolute error in sample units. Of
    float32 samples `minimum`, `maximum` and `max_error` are binary32, and infinity stands for UNKNOWN_ERROR.
    """

    mode: str
    requested: float
    verified: bool
    minimum: float
    maximum: float
    sse: float
    max_error: float

    @property
    def largest(self) -> float | None:
        """Largest absolute error; None where it is not known."""
        return None if self.max_error in (UNKNOWN_ERROR, math.inf) else self.max_error

    def psnr(self, samples: int) -> float:
        """PSNR in dB on the data range; inf without error, -inf or nan where it is not defined."""
        if self.sse == 0:
            return math.inf
        peak = self.maximum - self.minimum
        return 10 * math.log10(peak * peak * samples / self.sse) if peak else -math.inf


@dataclass(frozen=True)
class TransformFields:
    """Fields of a container of kind 1 (FORMAT.md section 1); `correction` is None without corrections.

    `stage_bytes` and `stage_crcs` have an entry for each stage, the corrections last. `dc_image` holds the
    reconstruction points of the DC image, None without one.
    """

    depth: int
    tile_log2: tuple[int, int, int]
    offset: int
    recon: tuple[tuple[int, int, int], ...]
    reversible: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    cuts: tuple[int, ...]
    stage_bytes: tuple[int, ...]
    stage_crcs: tuple[int, ...]
    padding: int | None = None
    correction: int | None = None
    dc_image: tuple[int, int, int] | None = None


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


class _Reader:
    """Takes fields off the header's bytes in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + form)
        if size > self.left:
            raise CorruptData(f"header: expected {size} more bytes, found {self.left}")
        values = struct.unpack_from("<" + form, self._data, self._at)
        self._at += size
        return values


def _expect(condition: bool, field: str, found: object) -> None:
    if not condition:
        raise CorruptData(f"header: {field} out of range: {found}")


def _read_loss(fields: _Reader, is_float: bool) -> LossRecord:
    record = _FLOAT_LOSS if is_float else _LOSS
    mode, requested, verified, low, high, sse, max_error = fields.take(record.format.lstrip("<"))
    _expect(mode < len(MODES), "mode", mode)
    _expect(math.isfinite(requested), "requested", requested)
    _expect(requested == 0 or MODES[mode] != "lossless", "requested", requested)
    _expect(verified <= 1, "verified", verified)
    _expect(low <= high and math.isfinite(low) and math.isfinite(high), "minimum and maximum", (low, high))
    _expect(sse >= 0 and math.isfinite(sse), "sse", sse)
    _expect(max_error >= 0, "max_error", max_error)
    return LossRecord(MODES[mode], float(requested), bool(verified), low, high, sse, max_error)


def _pack_fields(t: TransformFields) -> bytes:
    out = struct.pack("<4BiB", t.depth, *t.tile_log2, t.offset, t.padding is not None)
    out += b"" if t.padding is None else struct.pack("<i", t.padding)
    out += b"\0" if t.dc_image is None else struct.pack("<B3b", 1, *t.dc_image)
    out += struct.pack("<B", len(t.steps))
    for reversible, recon, steps in zip(t.reversible, t.recon, t.steps, strict=True):
        out += struct.pack(f"<B3b{len(steps)}I", reversible, *recon, *steps)
    out += struct.pack(f"<B{len(t.cuts) - 2}H", len(t.cuts), *t.cuts[1:-1])
    out += b"\0" if t.correction is None else struct.pack("<BI", 1, t.correction)
    for size, crc in zip(t.stage_bytes, t.stage_crcs, strict=True):
        out += struct.pack("<QI", size, crc)
    return out


def _read_fields(fields: _Reader, components: int) -> TransformFields:
    depth, tz, ty, tx = fields.take("4B")
    _expect(depth in _CELL_AC, "cell_depth", depth)
    smallest = (1, 1, 1) if depth == 8 else (0, 2, 2)
    _expect(all(a >= b for a, b in zip((tz, ty, tx), smallest, strict=True)), "tile_log2", (tz, ty, tx))
    _expect(tz + ty + tx <= 12, "tile_log2", (tz, ty, tx))
    _expect(depth * 64 << (tz + ty + tx) <= MAX_TILE_SAMPLES, "tile_log2", (tz, ty, tx))
    offset, padded = fields.take("iB")
    _expect(padded <= 1, "padding", padded)
    padding = fields.take("i")[0] if padded else None
    (has_image,) = fields.take("B")
    _expect(has_image <= 1, "dc_image", has_image)
    fits = depth == 1 and min(ty, tx) >= 3 and not padded
    _expect(fits or not has_image, "dc_image with such cells or padding", (depth, ty, tx, padded))
    dc_image = fields.take("3b") if has_image else None
    _expect(dc_image is None or all(abs(d) <= MAX_RECON for d in dc_image), "dc_image", dc_image)
    (classes,) = fields.take("B")
    _expect(1 <= classes <= MAX_CLASSES, "classes", classes)
    reversible, recon, steps = [], [], []
    for _ in range(classes):
        flag, d1, d2, d3, *row = fields.take(f"B3b{components}I")
        _expect(flag <= 1, "class kind", flag)
        bound = 0 if flag else MAX_RECON
        _expect(all(abs(d) <= bound for d in (d1, d2, d3)), "reconstruction points", (d1, d2, d3))
        _expect(all(MIN_STEP <= s <= MAX_STEP for s in row), "step size", row)
        _expect(not flag or all(s == STEP_ONE for s in row), "step size of a reversible class", row)
        reversible.append(flag)
        recon.append((d1, d2, d3))
        steps.append(tuple(row))
    _expect(dc_image is None or reversible == [0], "classes with a DC image", reversible)
    (stages,) = fields.take("B")
    _expect(2 <= stages <= MAX_STAGES, "stages", stages)
    cuts = (0, *fields.take(f"{stages - 2}H"), _CELL_AC[depth])
    _expect(all(a < b for a, b in pairwise(cuts)), "cuts", cuts)
    (has_corrections,) = fields.take("B")
    _expect(has_corrections <= 1, "corrections", has_corrections)
    correction = fields.take("I")[0] if has_corrections else None
    _expect(correction is None or correction <= MAX_CORRECTION_ERROR, "correction_error", correction)
    parts = [fields.take("QI") for _ in range(stages + has_corrections)]
    return TransformFields(
        depth,
        (tz, ty, tx),
        offset,
        tuple(recon),
        tuple(reversible),
        tuple(steps),
        cuts,
        tuple(p[0] for p in parts),
        tuple(p[1] for p in parts),
        padding,
        correction,
        dc_image,
    )
