"""The part of a store whose chunks have finer steps than the others, by which the whole array reaches its PSNR.

Values: a frozen FinerPart on one side, its JSON form on the other. Implements `finer` of FORMAT.md section 10.
Guarantees that whether a chunk belongs to the part depends on its coordinates alone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmip_gpu._core import MAX_STEP, MIN_STEP, crc32c
from mmip_gpu.store.group.checks import check_field
from mmip_gpu.store.group.grid import Coordinates

__all__ = ["PARTS", "FinerPart", "part_of"]

PARTS = 256
_AT = struct.Struct("<4Q")


def part_of(at: Coordinates) -> int:
    """Which of `PARTS` parts a chunk belongs to: the top byte of the crc of its coordinates.

    Examples
    --------
    >>> part_of((0, 0, 0, 0)), part_of((0, 0, 0, 1))
    (138, 195)
    """
    return crc32c(_AT.pack(*at)) >> 24


@dataclass(frozen=True)
class FinerPart:
    """Chunks of the first `parts` parts are coded with these steps."""

    steps: tuple[tuple[int, ...], ...]
    parts: int

    def holds(self, at: Coordinates) -> bool:
        """Whether a chunk is coded with these steps."""
        return part_of(at) < self.parts

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `parse` undoes it."""
        return {"steps": [list(row) for row in self.steps], "parts": self.parts}

    @classmethod
    def parse(cls, data: Mapping[str, Any], steps: tuple[tuple[int, ...], ...]) -> FinerPart:
        """The part that attributes tell of, beside the steps of the other chunks; ValueError for what cannot be."""
        found, parts = tuple(tuple(row) for row in data["steps"]), data["parts"]
        check_field("parts", parts, isinstance(parts, int) and 1 <= parts <= PARTS)
        alike = [len(row) for row in found] == [len(row) for row in steps] and len(steps) == 1
        fits = alike and all(isinstance(s, int) and MIN_STEP <= s <= MAX_STEP for row in found for s in row)
        check_field("steps of the finer part", found, fits)
        return cls(found, parts)
