"""A coded chunk: its header and its payloads.

Values: what a codec made, in; the bytes of the container out (FORMAT.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmip_gpu.container.header import Header

__all__ = ["Encoded"]


@dataclass(frozen=True)
class Encoded:
    """A coded chunk: header and one payload a stage (the raw kind has one)."""

    header: Header[Any]
    payloads: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Bytes of the container."""
        return len(self.header.to_bytes()) + sum(len(p) for p in self.payloads)

    def to_bytes(self) -> bytes:
        """The container."""
        return b"".join((self.header.to_bytes(), *self.payloads))
