"""A decoded image that measures take: its stages, opened one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Decoded"]


@dataclass(frozen=True)
class Decoded:
    """A decoded image.

    `open_stage` gives stage 1, 2, .. as something with shape, dtype and slicing; `bytes_to_here` has the
    coded bytes up to each stage, None where unknown; `axes` is None where the file does not say;
    `chunk_rows` is the number of rows of the first axis that are best read together; `labels` tells of labels of 32 or
    64 bits.
    """

    name: str
    axes: str | None
    bytes_to_here: list[int | None]
    open_stage: Callable[[int], Any]
    chunk_rows: int = 1
    labels: bool = False
