"""Fields of a header taken off its bytes, each held against its range.

Values: the bytes between a header's prefix and its crc in; numbers out. Guarantees CorruptData for anything that is
missing or out of range, before anything is allocated.
"""

from __future__ import annotations

import struct
from typing import Any

from mmip_gpu.errors import CorruptData

__all__ = ["FieldReader", "expect"]


class FieldReader:
    """Takes fields off the header's bytes in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not taken."""
        return len(self._data) - self._at

    def take(self, form: str) -> tuple[Any, ...]:
        """The next fields, in the notation of `struct`, little endian."""
        size = struct.calcsize("<" + form)
        if size > self.left:
            raise CorruptData(f"header: expected {size} more bytes, found {self.left}")
        values = struct.unpack_from("<" + form, self._data, self._at)
        self._at += size
        return values


def expect(condition: bool, field: str, found: object) -> None:
    """Raise CorruptData, with the field and what was found, unless the condition holds."""
    if not condition:
        raise CorruptData(f"header: {field} out of range: {found}")
