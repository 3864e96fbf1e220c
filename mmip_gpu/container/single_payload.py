"""The one payload of kinds from 2 on: its fields in a header, its head, and which of its bytes a decode reads.

Values: frozen PayloadFields on one side, their bytes on the other; sub-streams that are wanted in, byte ranges out.
Implements FORMAT.md sections 1 (kinds from 2 on) and 6. Guarantees that nothing is allocated for what cannot be there.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mmip_gpu._core import GROUP_SUBSTREAMS, ParameterHead, crc32c
from mmip_gpu.container.codec import PayloadSpan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.field_reader import FieldReader, expect
from mmip_gpu.container.payload import head_crc, is_head_size, stated_head_bytes
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = [
    "PayloadFields",
    "Resource",
    "SinglePayload",
    "check_stages",
    "embedded_resource",
    "head_of",
    "open_payload",
    "payload_extent",
]

_DIGEST = 32  # bytes of a SHA-256
_MOST_RESOURCE = 2**26  # bytes
_HEAD, _HEAD_PER_SUBSTREAM = 4096, 3  # typical size of a head: parameters, then index and crcs
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


class SinglePayload(Protocol):
    """The fields of a kind with one payload."""

    @property
    def payload(self) -> PayloadFields:
        """Size and crc of the payload."""
        ...


def check_stages(wanted: Wanted) -> None:
    """Raise InvalidArgument for more than one stage."""
    if wanted.stages not in (None, 1):
        raise InvalidArgument(f"stages={wanted.stages}: expected at most 1, the stages of this data")


def open_payload(fields: SinglePayload, read_part: ReadPart, substreams: int, check_crc: bool) -> memoryview:
    """The payload from its head on, held against the header.

    Raises
    ------
    TruncatedData, CorruptData
    """
    payload = memoryview(read_part(1, 0, None)).cast("B")
    _check(fields.payload, payload.nbytes, payload[fields.payload.head_start :], substreams, check_crc)
    return payload[fields.payload.head_start :]


def embedded_resource(fields: SinglePayload, read_part: ReadPart) -> bytes:
    """The resource that is embedded in the payload.

    Raises
    ------
    TruncatedData, CorruptData
        Also where its SHA-256 differs.
    """
    resource = fields.payload.resource
    size = fields.payload.head_start
    data = bytes(memoryview(read_part(1, 0, size)).cast("B"))
    if len(data) < size:
        raise TruncatedData(f"embedded resource: expected {size} bytes, found {len(data)}")
    if resource is None or hashlib.sha256(data).digest() != resource.digest:
        raise CorruptData("embedded resource: its SHA-256 is not the one that the header names")
    return data


def payload_extent(
    fields: SinglePayload, read_held: ReadHeld, substreams: int, needed: Iterable[int] | None
) -> tuple[list[PayloadSpan], bool]:
    """Byte ranges that a decode of the `needed` sub-streams reads (None: all), and whether these are all.

    Raises
    ------
    TruncatedData, CorruptData
        For a head that is not the one that the header names.
    """
    stated, start = fields.payload, fields.payload.head_start
    guess = min(start + _HEAD + _HEAD_PER_SUBSTREAM * substreams, stated.payload_bytes)
    size = read_held(1, start, min(start + 4, stated.payload_bytes))
    end = guess if size is None else min(start + max(stated_head_bytes(size), 4), stated.payload_bytes)
    head = read_held(1, start, end)
    if size is not None and head is not None:
        _check(stated, stated.payload_bytes, head, substreams, check_crc=True)
    if needed is None:
        return [(1, 0, stated.payload_bytes)], True
    if size is None or head is None:
        return [(1, 0, end)], False
    offsets = head_of(head, stated.payload_bytes - start, substreams).offsets
    groups = sorted({number // GROUP_SUBSTREAMS for number in needed})
    ends = (min((group + 1) * GROUP_SUBSTREAMS, substreams) for group in groups)
    spans = [
        (1, start + int(offsets[g * GROUP_SUBSTREAMS]), start + int(offsets[e]))
        for g, e in zip(groups, ends, strict=True)
    ]
    return [(1, 0, end), *spans], True


def head_of(head: Buffer, size: int | None, substreams: int) -> ParameterHead:
    """The head of a payload of `size` bytes, read."""
    return ParameterHead(np.frombuffer(head, np.uint8), size, substreams, True)


def _check(fields: PayloadFields, size: int, head: Buffer, substreams: int, check_crc: bool) -> None:
    """Raise unless a payload of `size` bytes, from whose head on `head` has at least the head, is the header's."""
    expected, rest = fields.payload_bytes, fields.payload_bytes - fields.head_start
    if size != expected:
        kind: Any = TruncatedData if size < expected else CorruptData
        raise kind(f"payload: expected {expected} bytes, found {size}")
    if not is_head_size(stated_head_bytes(head), rest) or (check_crc and head_crc(head) != fields.head_crc):
        raise CorruptData("payload: its head is not the one that the header names")
    if check_crc and crc32c(memoryview(head)[: stated_head_bytes(head) - 4]) != fields.head_crc:
        raise CorruptData("payload: the crc of its head differs")
    if rest < substreams:
        raise CorruptData(f"payload: {rest} bytes cannot hold {substreams} sub-streams")
