"""The fields of a container of kind 2, read and written side by side (FORMAT.md section 1).

Values: frozen PredictiveFields on one side, their bytes on the other.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmip_gpu._core import COLOUR_FORMS, MAX_BRICK_LOG2, MAX_RESIDUAL_TILE, MAX_VALUE_BITS, PALETTE_FORM
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

if TYPE_CHECKING:
    from typing import Self

__all__ = ["PredictiveFields", "check_values"]

_OWN = struct.Struct("<B3B3BiBI")
_MAX_SPAN = 2**22  # of values times their step


@dataclass(frozen=True)
class PredictiveFields:
    """Fields of a container of kind 2 (FORMAT.md section 1)."""

    kind: ClassVar[int] = 2
    name: ClassVar[str] = "predictive"

    colour_form: int
    tile_log2: tuple[int, int, int]
    brick_log2: tuple[int, int, int]
    offset: int
    bits: int
    near: int
    payload: PayloadFields

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return (self.payload.payload_bytes,)

    @property
    def brick(self) -> tuple[int, int, int]:
        """Samples of a brick on z, y, x."""
        z, y, x = self.brick_log2
        return 1 << z, 1 << y, 1 << x

    def coded_planes(self, planes: int) -> int:
        """Planes of components that stand for so many planes of samples."""
        return planes // 3 if self.colour_form == PALETTE_FORM else planes

    def substreams(self, layout: PlaneLayout) -> int:
        """Sub-streams of the payload."""
        tiles = (-(-n // (1 << log2)) for n, log2 in zip(layout.volume, self.tile_log2, strict=True))
        return self.coded_planes(layout.planes) * math.prod(tiles)

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        form = self.colour_form, *self.tile_log2, *self.brick_log2
        return self.payload.to_bytes(_OWN.pack(*form, self.offset, self.bits, self.near))

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        expect(layout.samples > 0, "shape of a predictive array", layout.shape)
        resource = PayloadFields.read_resource(reader)
        expect(resource is None, "resource", resource)
        colour_form, *logs, offset, bits, near = reader.take(_OWN.format.lstrip("<"))
        tz, ty, tx, bz, by, bx = logs
        expect(colour_form < (COLOUR_FORMS if colour else 1), "colour_form", colour_form)
        expect(1 << (tz + ty + tx) <= MAX_RESIDUAL_TILE, "tile_log2", (tz, ty, tx))
        expect(bz + by + bx <= MAX_BRICK_LOG2, "brick_log2", (bz, by, bx))
        expect(tz <= bz and ty <= by and tx <= bx, "brick_log2", (bz, by, bx))
        check_values(dtype, offset, bits, near, MAX_VALUE_BITS - (colour_form > 0))
        payload = PayloadFields.read(reader, resource)
        return cls(colour_form, (tz, ty, tx), (bz, by, bx), offset, bits, near, payload)


def check_values(dtype: str, offset: int, bits: int, near: int, most_bits: int) -> None:
    """Raise CorruptData for values that are none of samples of this dtype."""
    low, high = sample_range(np.dtype(dtype))
    expect(low <= offset <= high, "offset", offset)
    expect(1 <= bits <= most_bits, "bits", bits)
    expect((2 * near + 1) << bits <= _MAX_SPAN, "near", near)
