"""Payloads in memory: read by parts, and held against what a header says of them.

Values: payloads, a header in; parts of payloads, or errors where they differ, out. Implements FORMAT.md sections 1 and
6 (size and crc of a payload's head). Guarantees that nothing is allocated for what a payload cannot hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmip_gpu.container.codec import ReadPart
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.container.payload_fields import head_crc, stated_head_bytes
from mmip_gpu.errors import CorruptData, TruncatedData

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["SMALLEST_HEAD", "check_payload", "head_crc", "is_head_size", "parts_of", "stated_head_bytes"]

SMALLEST_HEAD = 10  # bytes of a payload's head: its size, one code, one index entry, crcs


def parts_of(payloads: Sequence[Buffer]) -> ReadPart:
    """What reads parts of payloads in memory, without a copy."""

    def read_part(stage: int, first: int, end: int | None) -> Buffer:
        return memoryview(payloads[stage - 1]).cast("B")[first:end]

    return read_part


def is_head_size(head_bytes: int, payload_bytes: int) -> bool:
    """Whether a payload can have a head of this size."""
    return SMALLEST_HEAD <= head_bytes <= payload_bytes


def check_payload(header: TransformHeader, stage: int, size: int, head: Buffer, check_crc: bool) -> None:
    """Raise unless a payload of `size` bytes that starts with `head` (at least its whole head) is the header's.

    Raises
    ------
    TruncatedData, CorruptData
    """
    fields = header.fields
    expected, crc = fields.stage_bytes[stage - 1], fields.stage_crcs[stage - 1]
    if size != expected:
        kind = TruncatedData if size < expected else CorruptData
        raise kind(f"stage {stage}: expected {expected} bytes, found {size}")
    if check_crc and (not is_head_size(stated_head_bytes(head), expected) or head_crc(head) != crc):
        raise CorruptData(f"stage {stage}: its head is not the one that the header names")
    substreams = fields.substreams(header.layout)
    if size < substreams:
        raise CorruptData(f"stage {stage}: {size} bytes cannot hold {substreams} sub-streams")
