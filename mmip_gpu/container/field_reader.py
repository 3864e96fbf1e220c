"""Fields of a header taken off its bytes, each held against its range.

Values: the bytes between a header's prefix and its crc in; numbers out. Guarantees CorruptData for anything that is
missing or out of range, before anything is allocated.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
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
        fields = _little_endian(form)
        end = self._at + fields.size
        if end > len(self._data):
            raise CorruptData(f"header: expected {fields.size} more bytes, found {self.left}")
        values = fields.unpack_from(self._data, self._at)
        self._at = end
        return values


@lru_cache(maxsize=256)
def _little_endian(form: str) -> Struct:
    return Struct("<" + form)


def expect(condition: bool, field: str, found: object) -> None:
    """Raise CorruptData, with the field and what was found, unless the condition holds."""
    if not condition:
        raise CorruptData(f"header: {field} out of range: {found}")
