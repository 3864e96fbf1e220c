"""The header of a chunk in a store: that of a container, and what the chunk was made of.

Values: a frozen ChunkHeader and the coordinates of its chunk on one side, the bytes of a record on the other.
Implements the records of FORMAT.md section 10. Guarantees that `parse_record` accepts exactly what `to_record` writes
for that chunk.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import crc32c
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, TruncatedData
from mmip_gpu.store.group.grid import Coordinates

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["ORIGIN_BYTES", "ChunkHeader", "crc_of", "with_origin"]

_ORIGIN = struct.Struct("<QI")
ORIGIN_BYTES = _ORIGIN.size + 4


@dataclass(frozen=True)
class ChunkHeader(Header[Any]):
    """Header of a chunk; `roi_voxels` are those in classes above 0, `source_crc` is that of the original samples."""

    roi_voxels: int = 0
    source_crc: int = 0

    @property
    def voxels(self) -> int:
        """Samples, those of all channels counted once."""
        return self.layout.samples // self.layout.channels

    def to_record(self, at: Coordinates, size: int) -> bytes:
        """Bytes of the record of the chunk at these coordinates, filled up to a size by zeros."""
        origin = _ORIGIN.pack(self.roi_voxels, self.source_crc)
        return (self.to_bytes() + origin + struct.pack("<I", _placed_crc(origin, at))).ljust(size, b"\0")

    @classmethod
    def parse_record(cls, record: Buffer, at: Coordinates, record_bytes: int) -> Self:
        """Header from the bytes of the record of the chunk at these coordinates, in a store of so long records.

        Raises
        ------
        TruncatedData, CorruptData, UnsupportedVersion
        """
        header, size = cls.parse(record)
        origin, found_bytes = memoryview(record)[size:], memoryview(record).nbytes
        expected = max(record_bytes, size + ORIGIN_BYTES)
        if found_bytes != expected:
            kind = TruncatedData if found_bytes < expected else CorruptData
            raise kind(f"record: expected {expected} bytes, found {found_bytes}")
        if any(origin[ORIGIN_BYTES:]):
            raise CorruptData("record: it does not end with zeros")
        roi, source_crc = _ORIGIN.unpack_from(origin)
        if int.from_bytes(origin[_ORIGIN.size : ORIGIN_BYTES], "little") != _placed_crc(origin[: _ORIGIN.size], at):
            raise CorruptData("record: the crc of what the chunk was made of differs, or it is that of another chunk")
        found = replace(header, roi_voxels=roi, source_crc=source_crc)
        if roi > found.voxels:
            raise CorruptData(f"record: {roi} voxels of interest among {found.voxels}")
        return found


def _placed_crc(origin: Buffer, at: Coordinates) -> int:
    return crc32c(struct.pack("<4Q", *at), crc32c(origin))


def with_origin(encoded: Encoded, samples: NDArray[Any], classes: NDArray[np.uint8] | None) -> Encoded:
    """Give a coded chunk the header of a store: with what it was coded from."""
    roi = 0 if classes is None else int(np.count_nonzero(classes))
    known = {field.name: getattr(encoded.header, field.name) for field in fields(Header)}
    return replace(encoded, header=ChunkHeader(**known, roi_voxels=roi, source_crc=crc_of(samples)))


def crc_of(samples: NDArray[Any]) -> int:
    """Checksum of original samples: C order, little endian."""
    return crc32c(np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")))
