"""The fields of a container of kind 0, read and written side by side (FORMAT.md section 1).

Values: frozen RawFields on one side, their bytes on the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

__all__ = ["RawFields"]


@dataclass(frozen=True)
class RawFields:
    """Fields of a container of kind 0: size and crc of its one payload, the samples as they are."""

    kind: ClassVar[int] = 0
    name: ClassVar[str] = "raw"

    payload_bytes: int
    crc: int

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return (self.payload_bytes,)

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        return struct.pack("<QI", self.payload_bytes, self.crc)

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        size, crc = reader.take("QI")
        expect(size == layout.samples * np.dtype(dtype).itemsize, "payload_bytes", size)
        return cls(size, crc)
