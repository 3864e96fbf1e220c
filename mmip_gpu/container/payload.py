"""Payloads held against what the header says of them.

Values: a header and payloads in; errors out where they differ. Implements FORMAT.md sections 1 and 6 (size and crc of a
payload's head). Guarantees that nothing is allocated for what a payload cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, TruncatedData

if TYPE_CHECKING:
    from typing_extensions import Buffer
if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["StageReader", "check_payload", "head_crc"]


StageReader = Callable[[int], "Buffer"]


def _whole_payloads(header: Header, read_stage: StageReader, wanted: int, check_crc: bool) -> list[memoryview]:
    """The payloads of the first stages, refused before anything is allocated for what they cannot hold."""
    payloads = []
    for stage in range(1, wanted + 1):
        payload = memoryview(read_stage(stage)).cast("B")
        check_payload(header, stage, len(payload), payload, check_crc)
        payloads.append(payload)
    return payloads


def check_payload(header: Header, stage: int, size: int, head: Buffer, check_crc: bool) -> None:
    """A payload of `size` bytes that starts with `head` (at least its whole head) is the one that the header names.

    Raises
    ------
    TruncatedData, CorruptData
    """
    fields = header.transform
    assert fields is not None
    expected, crc = fields.stage_bytes[stage - 1], fields.stage_crcs[stage - 1]
    if size != expected:
        kind = TruncatedData if size < expected else CorruptData
        raise kind(f"stage {stage}: expected {expected} bytes, found {size}")
    if check_crc and (not 10 <= int.from_bytes(memoryview(head)[:4], "little") <= expected or head_crc(head) != crc):
        raise CorruptData(f"stage {stage}: its head is not the one that the header names")
    if size < header.substreams:
        raise CorruptData(f"stage {stage}: {size} bytes cannot hold {header.substreams} sub-streams")


def head_crc(payload: Buffer) -> int:
    """The crc at the end of a payload's head."""
    view = memoryview(payload)
    head = int.from_bytes(view[:4], "little")
    return int.from_bytes(view[head - 4 : head], "little")
