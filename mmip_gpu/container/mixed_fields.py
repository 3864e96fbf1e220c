"""The fields of a container of kind 3, read and written side by side (FORMAT.md section 1).

Values: frozen MixedFields on one side, their bytes on the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mmip_gpu._core import COLOUR_FORMS, MAX_MIXED_TILE_LOG2, MAX_VALUE_BITS, MIXED_TILE_LOG2
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.container.predictive_fields import PredictiveFields, check_values
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

__all__ = ["MixedFields"]

_OWN = struct.Struct("<B3BiBI")


@dataclass(frozen=True)
class MixedFields(PredictiveFields):
    """Fields of a container of kind 3: those of kind 2, whose bricks are its tiles."""

    kind: ClassVar[int] = 3
    name: ClassVar[str] = "mixed"

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        return self.payload.to_bytes(_OWN.pack(self.colour_form, *self.tile_log2, self.offset, self.bits, self.near))

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        expect(layout.samples > 0, "shape of a predictive array", layout.shape)
        resource = PayloadFields.read_resource(reader)
        expect(resource is None, "resource", resource)
        form, z, y, x, offset, bits, near = reader.take(_OWN.format.lstrip("<"))
        expect(form < (COLOUR_FORMS if colour else 1), "colour_form", form)
        fits = all(log2 <= most for log2, most in zip((z, y, x), MIXED_TILE_LOG2, strict=True))
        expect(fits and z + y + x <= MAX_MIXED_TILE_LOG2, "tile_log2", (z, y, x))
        check_values(dtype, offset, bits, near, MAX_VALUE_BITS - (form > 0))
        payload = PayloadFields.read(reader, resource)
        return cls(form, (z, y, x), (z, y, x), offset, bits, near, payload)
