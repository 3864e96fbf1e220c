"""The header of a container, read and written side by side.

Values: a frozen Header on one side, its bytes on the other. Implements FORMAT.md section 1; the fields of each kind
have a file of their own. Guarantees that `parse` accepts exactly what `to_bytes` can write and raises CorruptData,
TruncatedData or UnsupportedVersion for anything else, before anything is allocated. It leaves payloads to the codecs.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from mmip_gpu._core import FORMAT_VERSION, crc32c
from mmip_gpu.container.channel_fields import ChannelFields
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.jpegorigin_fields import JpegOriginFields
from mmip_gpu.container.label_fields import LabelFields
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.mixed_fields import MixedFields
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.container.raw_fields import RawFields
from mmip_gpu.container.soft_fields import SoftFields
from mmip_gpu.container.transform_fields import TransformFields
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData, UnsupportedVersion
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["DTYPES", "LABEL_DTYPES", "Header", "KindFields", "TransformHeader"]

MAGIC = b"MMIP"
DTYPES = ("uint8", "int8", "uint16", "int16", "float32")
LABEL_DTYPES = ("uint32", "int32", "uint64", "int64")  # of labels alone
_NUMBERED = DTYPES + LABEL_DTYPES
_PREFIX = struct.Struct("<4sHH")
_MAX_SAMPLES = 2**48


class KindFields(Protocol):
    """The fields of a header that one kind of container has."""

    kind: ClassVar[int]
    name: ClassVar[str]

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        ...

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        ...

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        ...


_KINDS: dict[int, type[KindFields]] = {
    fields.kind: fields
    for fields in (
        RawFields,
        TransformFields,
        PredictiveFields,
        MixedFields,
        SoftFields,
        JpegOriginFields,
        LabelFields,
    )
}
_F = TypeVar("_F", bound=KindFields)


@dataclass(frozen=True)
class Header(Generic[_F]):
    """A container's header: what all kinds have, and the fields of its kind; `step` is None for integer samples."""

    dtype: str
    layout: PlaneLayout
    colour: bool
    loss: LossRecord
    fields: _F
    step: float | None = None

    @property
    def raw_bytes(self) -> int:
        """Size of the decoded array."""
        return self.layout.samples * np.dtype(self.dtype).itemsize

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return self.fields.payload_sizes

    @property
    def channel_losses(self) -> list[LossRecord]:
        """The loss record of each channel, where the header has them."""
        channels: ChannelFields | None = getattr(self.fields, "channels", None)
        return [] if channels is None else channels.records(self.loss)

    def to_bytes(self) -> bytes:
        """The header's bytes, crc included."""
        shape = self.layout.shape
        body = bytes([self.fields.kind, _NUMBERED.index(self.dtype), len(shape), self.colour])
        body += self.layout.axes.encode("ascii") + struct.pack(f"<{len(shape)}I", *shape)
        body += self.loss.to_bytes(self.dtype)
        body += b"" if self.step is None else struct.pack("<d", self.step)
        body += self.fields.to_bytes()
        head = _PREFIX.pack(MAGIC, FORMAT_VERSION, _PREFIX.size + len(body) + 4) + body
        return head + struct.pack("<I", crc32c(head))

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
        if check_crc and crc != crc32c(view[: size - 4]):
            raise CorruptData("header: its crc differs: it is damaged, or of an older draft of the format")
        reader = FieldReader(bytes(view[_PREFIX.size : size - 4]))
        header = cls._read(reader)
        if reader.left:
            raise CorruptData(f"header: {reader.left} bytes after its last field")
        return header, size

    @classmethod
    def _read(cls, reader: FieldReader) -> Self:
        kind, number, rank, colour = reader.take("4B")
        if kind not in _KINDS:
            raise UnsupportedVersion(f"container kind: expected one of {', '.join(map(str, _KINDS))}, found {kind}")
        expect(number < len(_NUMBERED), "dtype", number)
        expect(colour <= 1, "colour", colour)
        dtype, layout = _NUMBERED[number], _read_layout(reader, rank)
        is_float = dtype == "float32"
        is_colour_fit = "c" in layout.axes and layout.channels == 3 and not is_float
        expect(is_colour_fit or not colour, "colour without three integer channels", layout.shape)
        loss = LossRecord.read(reader, dtype)
        _check_labels(kind, dtype, loss.is_labels, bool(colour))
        step = reader.take("d")[0] if is_float else None
        expect(step is None or 0 < step < math.inf, "value_step", step)
        fields: Any = _KINDS[kind].read(reader, dtype, layout, bool(colour))
        if isinstance(fields, TransformFields) and fields.channels is not None:
            fields.channels.check(loss)
        if isinstance(fields, TransformFields) and fields.slice_axis is not None:
            layout = replace(layout, slice_axis=fields.slice_axis)
        return cls(dtype, layout, bool(colour), loss, fields, step)


def _check_labels(kind: int, dtype: str, is_labels: bool, colour: bool) -> None:
    """Raise CorruptData for labels in another kind or colour, or for other samples where labels have to be."""
    expect(not is_labels or (kind in (RawFields.kind, LabelFields.kind) and not colour), "labels", (kind, colour))
    is_free = dtype in DTYPES and kind != LabelFields.kind
    expect(is_labels or is_free, "samples that are no labels", (kind, dtype))


TransformHeader: TypeAlias = Header[TransformFields]


def _read_layout(reader: FieldReader, rank: int) -> PlaneLayout:
    expect(1 <= rank <= 6, "ndim", rank)
    letters = bytes(reader.take(f"{rank}B"))
    shape = reader.take(f"{rank}I")
    try:
        layout = PlaneLayout.of(shape, letters.decode("latin-1"))
    except InvalidArgument as e:
        raise CorruptData(f"header: {e}") from None
    expect(layout.samples < _MAX_SAMPLES, "shape", shape)
    return layout
