"""What layouts of Params are made of: fields by kind, and those that every kernel of a batch begins with.

Values: lists of (name, dtype) for aligned structured dtypes, as kernels/*.h lay them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmip_gpu.container.header import DTYPES
from mmip_gpu.volume.floats import sample_dtype

__all__ = ["BATCH", "SAMPLE_TYPES", "Fields", "longs", "pointers"]

Fields = list[tuple[str, Any]]
SAMPLE_TYPES = {sample_dtype(np.dtype(name)): i for i, name in enumerate(DTYPES)}  # SampleType of rules/format.h


def longs(*names: str) -> Fields:
    """Fields of int64."""
    return [(name, np.int64) for name in names]


def pointers(*names: str) -> Fields:
    """Fields of addresses."""
    return [(name, np.uint64) for name in names]


BATCH = longs("groups", "tile_count") + pointers("tiles", "chunks", "payloads", "blocks")
