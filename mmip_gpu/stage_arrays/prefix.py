"""The prefix of a stage chunk: how much of the chunk lies inside the grid.

Values: four extents (planes, then cells on z, y, x) on one side, their varints on the other.
Implements FORMAT.md section 10. Guarantees that what is read is at least 1 and at most the chunk's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmip_gpu.errors import CorruptData, TruncatedData

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PREFIX_BOUND", "read_prefix", "write_prefix"]

_VARINT_BOUND = 5  # bytes of a number below 2^35; longer ones cannot be an extent
PREFIX_BOUND = 4 * _VARINT_BOUND


def write_prefix(extent: Sequence[int]) -> bytes:
    """Varints of the extents.

    Examples
    --------
    >>> write_prefix((1, 8, 32, 300)).hex()
    '010820ac02'
    """
    out = bytearray()
    for number in extent:
        value = int(number)
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)


def read_prefix(data: Buffer, limits: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """(extents, bytes they take) from the start of a chunk; `limits` is the chunk's shape.

    Raises
    ------
    CorruptData
        For an extent of 0, above its limit, or written with more bytes than it needs.
    TruncatedData
        Where the bytes end inside the prefix.

    Examples
    --------
    >>> read_prefix(bytes([1, 8, 32, 32, 99]), (1, 8, 32, 64))
    ((1, 8, 32, 32), 4)
    """
    view = memoryview(data).cast("B")
    extents, at = [], 0
    for name, limit in zip(("planes", "z", "y", "x"), limits, strict=True):
        value, more, first = 0, True, at
        while more:
            if at == len(view):
                raise TruncatedData(f"stage chunk: {len(view)} bytes end inside its prefix")
            if at - first == _VARINT_BOUND:
                raise CorruptData(f"stage chunk: the extent on {name} is no number")
            value |= (view[at] & 0x7F) << 7 * (at - first)
            more = view[at] > 0x7F
            at += 1
        if not 1 <= value <= limit or (at - first > 1 and view[at - 1] == 0):
            raise CorruptData(f"stage chunk: expected an extent of 1..{limit} on {name}, found {value}")
        extents.append(value)
    return tuple(extents), at
