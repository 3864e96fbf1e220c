"""What layouts of Params are made of: fields by kind, and those that every kernel of a batch begins with.

Values: lists of (name, dtype) for aligned structured dtypes, as kernels/*.h lay them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BATCH", "SAMPLE_TYPES", "Fields", "longs", "pointers"]

Fields = list[tuple[str, Any]]
SAMPLE_TYPES = {np.dtype(t): i for i, t in enumerate(("uint8", "int8", "uint16", "int16", "int32"))}


def longs(*names: str) -> Fields:
    """Fields of int64."""
    return [(name, np.int64) for name in names]


def pointers(*names: str) -> Fields:
    """Fields of addresses."""
    return [(name, np.uint64) for name in names]


BATCH = longs("groups", "tile_count") + pointers("tiles", "chunks", "payloads", "blocks")
