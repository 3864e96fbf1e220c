"""The one payload of kinds from 2 on: its head, and which of its bytes a decode reads.

Values: the fields of a header and sub-streams that are wanted in, byte ranges out.
Implements FORMAT.md sections 1 (kinds from 2 on) and 6. Guarantees that nothing is allocated for what cannot be there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mmip_gpu._core import GROUP_SUBSTREAMS, ParameterHead, crc32c
from mmip_gpu.container.byte_ranges import Span
from mmip_gpu.container.codec import PayloadSpan, ReadHeld, ReadPart, Wanted
from mmip_gpu.container.payload import head_crc, is_head_size, stated_head_bytes
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.region import checked_region
from mmip_gpu.volume.tiled_region import TiledRegion, Tiling
from mmip_gpu.volume.window_means import windows_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from mmip_gpu.container.header import Header

__all__ = [
    "PayloadFields",
    "SinglePayload",
    "check_head",
    "check_stages",
    "embedded_resource",
    "head_of",
    "open_payload",
    "payload_groups",
    "region_at_full_size",
    "region_extent",
]

_HEAD, _HEAD_PER_SUBSTREAM = 4096, 3  # typical size of a head: parameters, then index and crcs


class SinglePayload(Protocol):
    """The fields of a kind with one payload."""

    @property
    def payload(self) -> PayloadFields:
        """Size and crc of the payload."""
        ...

    def substreams(self, layout: PlaneLayout) -> int:
        """Sub-streams of the payload."""
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
    check_head(fields.payload, payload.nbytes, payload[fields.payload.head_start :], substreams, check_crc)
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


def region_at_full_size(
    layout: PlaneLayout, wanted: Wanted, tile: tuple[int, int, int], colour: bool, item_bytes: int
) -> TiledRegion:
    """The region of the whole array, cut in such tiles, with the samples of what is wanted."""
    region = checked_region(wanted.region, layout.scaled(wanted.scale, 8).shape)
    tiling = Tiling(layout, tile, tile, layout.volume, colour, item_bytes)
    return TiledRegion.of(tiling, windows_of(region, layout, wanted.scale))


def region_extent(
    header: Header[Any],
    read_held: ReadHeld,
    wanted: Wanted,
    region_of: Callable[[Header[Any], Wanted], TiledRegion],
    substreams_of: Callable[[Header[Any], list[int]], Iterable[int]],
) -> tuple[list[PayloadSpan], bool]:
    """Byte ranges that a decode reads, and whether these are all: the head, and the sub-streams of a box of tiles.

    A region without samples needs the head, which its decode holds against the header.
    """
    check_stages(wanted)
    needed: Iterable[int] | None = None
    if wanted.region is not None:
        tiled = region_of(header, wanted)
        needed = substreams_of(header, tiled.box) if tiled.samples else ()
    return _payload_extent(header.fields, read_held, header.fields.substreams(header.layout), needed)


def _payload_extent(
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
        check_head(stated, stated.payload_bytes, head, substreams, check_crc=True)
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


def payload_groups(fields: SinglePayload, payload: Buffer, substreams: int) -> list[tuple[Span, int]]:
    """Span and crc of every group of sub-streams of a whole payload, which is held against the header.

    Raises
    ------
    TruncatedData, CorruptData
    """
    view, start = memoryview(payload).cast("B"), fields.payload.head_start
    check_head(fields.payload, view.nbytes, view[start:], substreams, check_crc=True)
    head = head_of(view[start:], view.nbytes - start, substreams)
    edges = [start + int(n) for n in (*head.offsets[:-1:GROUP_SUBSTREAMS], head.offsets[-1])]
    return [(span, int(crc)) for span, crc in zip(pairwise(edges), head.group_crcs, strict=True)]


def head_of(head: Buffer, size: int | None, substreams: int) -> ParameterHead:
    """The head of a payload of `size` bytes, read."""
    return ParameterHead(np.frombuffer(head, np.uint8), size, substreams, True)


def check_head(fields: PayloadFields, size: int, head: Buffer, substreams: int, check_crc: bool) -> None:
    """Raise unless a payload of `size` bytes, from whose head on `head` has at least the head, is the header's.

    Raises
    ------
    TruncatedData, CorruptData
    """
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
