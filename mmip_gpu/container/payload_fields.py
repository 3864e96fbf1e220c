"""The fields that kinds from 2 on share: the resource that is needed, size and crc of the one payload.

Values: frozen PayloadFields on one side, their bytes on the other (FORMAT.md section 1, kinds from 2 on).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmip_gpu.container.field_reader import FieldReader, expect

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["PayloadFields", "Resource", "head_crc", "stated_head_bytes"]

_DIGEST = 32  # bytes of a SHA-256
_MOST_RESOURCE = 2**26  # bytes
_NONE, _NAMED, _EMBEDDED = range(3)


@dataclass(frozen=True)
class Resource:
    """What a decoder needs beside the container: the SHA-256 of its bytes, and how many of them are embedded."""

    digest: bytes
    embedded_bytes: int | None = None

    @classmethod
    def of(cls, data: Buffer, *, embed: bool) -> Self:
        """The resource with these bytes."""
        return cls(hashlib.sha256(data).digest(), memoryview(data).nbytes if embed else None)


@dataclass(frozen=True)
class PayloadFields:
    """Size and crc of the one payload, and the resource that it needs, if any (FORMAT.md section 1)."""

    payload_bytes: int
    head_crc: int
    resource: Resource | None = None

    @classmethod
    def of(cls, payload: Buffer, resource: Buffer | None = None, *, embed: bool = False) -> Self:
        """Fields of a payload, in front of which nothing is embedded yet."""
        needed = None if resource is None else Resource.of(resource, embed=embed)
        embedded = 0 if needed is None else needed.embedded_bytes or 0
        return cls(embedded + memoryview(payload).nbytes, head_crc(payload), needed)

    @property
    def head_start(self) -> int:
        """Bytes of the payload before its head: those of an embedded resource."""
        return 0 if self.resource is None else self.resource.embedded_bytes or 0

    def to_bytes(self, own: bytes) -> bytes:
        """All fields of a kind as they stand in a header: the resource, the kind's own, the payload."""
        if self.resource is None:
            out = bytes([_NONE])
        elif self.resource.embedded_bytes is None:
            out = bytes([_NAMED]) + self.resource.digest
        else:
            out = bytes([_EMBEDDED]) + self.resource.digest + struct.pack("<I", self.resource.embedded_bytes)
        return out + own + struct.pack("<QI", self.payload_bytes, self.head_crc)

    @classmethod
    def read_resource(cls, reader: FieldReader) -> Resource | None:
        """Take the resource off a header; the kind's own fields come next."""
        (state,) = reader.take("B")
        expect(state <= _EMBEDDED, "resource", state)
        if state == _NONE:
            return None
        (digest,) = reader.take(f"{_DIGEST}s")
        size = reader.take("I")[0] if state == _EMBEDDED else None
        expect(size is None or 0 < size <= _MOST_RESOURCE, "resource_bytes", size)
        return Resource(digest, size)

    @classmethod
    def read(cls, reader: FieldReader, resource: Resource | None) -> Self:
        """Take size and crc of the payload off a header, after the kind's own fields."""
        size, crc = reader.take("QI")
        fields = cls(size, crc, resource)
        expect(size > fields.head_start, "payload_bytes", size)
        return fields


def stated_head_bytes(start: Buffer) -> int:
    """Size of a payload's head, as the payload's first four bytes state it."""
    return int.from_bytes(memoryview(start)[:4], "little")


def head_crc(payload: Buffer) -> int:
    """The crc at the end of a payload's head."""
    head = stated_head_bytes(payload)
    return int.from_bytes(memoryview(payload)[head - 4 : head], "little")
