"""The fields of a container of kind 4, read and written side by side (FORMAT.md section 1).

Values: frozen SoftFields on one side, their bytes on the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmip_gpu._core import SOFT_TILE_LOG2
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

__all__ = ["SoftFields"]

_MOST_TILE_LOG2 = 18  # of the samples of a tile


@dataclass(frozen=True)
class SoftFields:
    """Fields of a container of kind 4: its codebook and payload, the size of a tile, whether three channels are mixed.

    `tile_log2` has the logarithms of the samples of a tile on y and x.
    """

    kind: ClassVar[int] = 4
    name: ClassVar[str] = "soft"

    payload: PayloadFields
    tile_log2: tuple[int, int]
    is_mixed: bool

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return (self.payload.payload_bytes,)

    @property
    def tile(self) -> tuple[int, int, int]:
        """Samples of a tile on z, y, x."""
        return 1, 1 << self.tile_log2[0], 1 << self.tile_log2[1]

    def tiles(self, layout: PlaneLayout) -> tuple[int, int, int]:
        """Tiles of a plane on z, y, x."""
        z, y, x = (-(-n // size) for n, size in zip(layout.volume, self.tile, strict=True))
        return z, y, x

    def substreams(self, layout: PlaneLayout) -> int:
        """Sub-streams of an array."""
        return layout.planes * math.prod(self.tiles(layout))

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        return self.payload.to_bytes(bytes([*self.tile_log2, self.is_mixed]))

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        samples = np.dtype(dtype)
        expect(
            samples.kind in "iu" and samples.itemsize <= 2 and not colour,
            "dtype or colour of soft compression",
            (dtype, colour),
        )
        expect(layout.samples > 0, "shape", layout.shape)
        resource = PayloadFields.read_resource(reader)
        expect(resource is not None, "resource", "none")
        y, x, mixed = reader.take("3B")
        low, high = SOFT_TILE_LOG2
        expect(low <= min(y, x) and max(y, x) <= high and y + x <= _MOST_TILE_LOG2, "tile_log2", (y, x))
        expect(mixed <= 1 and (not mixed or layout.channels == 3), "mixed", mixed)
        fields = cls(PayloadFields.read(reader, resource), (y, x), bool(mixed))
        expect(fields.substreams(layout) <= fields.payload.payload_bytes, "payload_bytes", fields.payload.payload_bytes)
        return fields
