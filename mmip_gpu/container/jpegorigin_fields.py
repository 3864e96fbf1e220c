"""The fields of a container of kind 5, read and written side by side (FORMAT.md section 1).

Values: frozen JpegOriginFields on one side, their bytes on the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mmip_gpu._core import JPEG_BAND_UNIT, JPEG_MOST_BAND_ROWS
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

__all__ = ["JpegOriginFields"]

_MOST_LENGTH, _MOST_BAND = 2**20, 2**24  # samples of a row or a column, and of a band of a component


@dataclass(frozen=True)
class JpegOriginFields:
    """Fields of a container of kind 5 (FORMAT.md section 1)."""

    kind: ClassVar[int] = 5
    name: ClassVar[str] = "jpeg origin"

    band_rows: int
    components: int
    payload: PayloadFields

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return (self.payload.payload_bytes,)

    def images(self, layout: PlaneLayout) -> int:
        """Images of the array."""
        return layout.planes // self.components * layout.volume[0]

    def bands(self, layout: PlaneLayout) -> int:
        """Bands of an image."""
        return -(-layout.volume[1] // self.band_rows)

    def substreams(self, layout: PlaneLayout) -> int:
        """Sub-streams of the payload."""
        return self.images(layout) * self.bands(layout)

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        return self.payload.to_bytes(struct.pack("<H", self.band_rows))

    @classmethod
    def fits(cls, dtype: str, layout: PlaneLayout) -> bool:
        """Whether such an array may be of this kind."""
        return dtype == "uint8" and layout.samples > 0 and max(layout.volume[1:]) <= _MOST_LENGTH

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        expect(cls.fits(dtype, layout), "dtype and shape of JPEG images", (dtype, layout.shape))
        resource = PayloadFields.read_resource(reader)
        expect(resource is None, "resource", resource)
        (rows,) = reader.take("H")
        expect(0 < rows <= JPEG_MOST_BAND_ROWS and rows % JPEG_BAND_UNIT == 0, "band_rows", rows)
        expect(rows == JPEG_BAND_UNIT or rows * layout.volume[2] <= _MOST_BAND, "band_rows", rows)
        return cls(rows, 3 if colour else 1, PayloadFields.read(reader, resource))
