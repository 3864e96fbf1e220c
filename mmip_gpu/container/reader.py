"""Containers opened: the header of a container, and a reader of its payloads.

Values: bytes in; the parsed Header and a function that gives parts of payloads out. Implements FORMAT.md section 1.
Parts are slices of the container's bytes: nothing is copied.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mmip_gpu.container.codec import ReadPart
from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_container", "part_reader"]


def open_container(data: Buffer) -> tuple[Header[Any], ReadPart]:
    """Header of a container, and what reads parts of its payloads.

    Raises
    ------
    InvalidArgument
        For data that is no buffer of bytes.
    TruncatedData, CorruptData, UnsupportedVersion
    """
    try:
        view = memoryview(data).cast("B")
    except TypeError as e:
        raise InvalidArgument(f"expected the bytes of a container, found {type(data).__name__}") from e
    header: Header[Any]
    header, at = Header.parse(view)
    return header, part_reader(view, header, at)


def part_reader(view: Any, header: Header[Any], at: int) -> ReadPart:
    """What reads parts of payloads as slices of a container's bytes; `at` is where the first payload begins."""
    starts = list(accumulate(header.payload_sizes, initial=at))
    if len(view) > starts[-1]:
        raise CorruptData(f"container: expected {starts[-1]} bytes, found {len(view)}")

    def read_part(stage: int, first: int, end: int | None) -> Any:
        if starts[stage] > len(view):
            raise TruncatedData(f"stage {stage} ends at byte {starts[stage]}, found {len(view)} bytes")
        last = starts[stage] if end is None else min(starts[stage - 1] + end, starts[stage])
        return view[starts[stage - 1] + first : last]

    return read_part
