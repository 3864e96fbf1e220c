"""The fields of a container of kind 8, read and written side by side (FORMAT.md section 1).

Values: frozen LabelFields on one side, their bytes on the other.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mmip_gpu._core import MAX_LABEL_TILE_LOG2
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from typing import Self

__all__ = ["LabelFields"]


@dataclass(frozen=True)
class LabelFields:
    """Fields of a container of kind 8: the tiles, in log2 of samples on z, y, x, and the payload."""

    kind: ClassVar[int] = 8
    name: ClassVar[str] = "labels"

    tile_log2: tuple[int, int, int]
    payload: PayloadFields

    @property
    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload."""
        return (self.payload.payload_bytes,)

    @property
    def tile(self) -> tuple[int, int, int]:
        """Samples of a tile on z, y, x."""
        z, y, x = self.tile_log2
        return 1 << z, 1 << y, 1 << x

    def tile_counts(self, layout: PlaneLayout) -> tuple[int, int, int, int]:
        """Planes, and tiles of each on z, y, x; their product is the number of sub-streams."""
        z, y, x = (-(-n >> log2) for n, log2 in zip(layout.volume, self.tile_log2, strict=True))
        return layout.planes, z, y, x

    def substreams(self, layout: PlaneLayout) -> int:
        """Sub-streams of the payload."""
        return math.prod(self.tile_counts(layout))

    def to_bytes(self) -> bytes:
        """The fields as they stand in a header."""
        return self.payload.to_bytes(struct.pack("<3B", *self.tile_log2))

    @classmethod
    def read(cls, reader: FieldReader, dtype: str, layout: PlaneLayout, colour: bool) -> Self:
        """Take the fields off a header of samples of this dtype and layout."""
        expect(layout.samples > 0, "shape of an array of labels", layout.shape)
        resource = PayloadFields.read_resource(reader)
        expect(resource is None, "resource of labels", resource)
        tile_log2 = reader.take("3B")
        expect(sum(tile_log2) <= MAX_LABEL_TILE_LOG2, "tile_log2", tile_log2)
        return cls((tile_log2[0], tile_log2[1], tile_log2[2]), PayloadFields.read(reader, resource))
