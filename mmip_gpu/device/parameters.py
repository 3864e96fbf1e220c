"""The Params of every kernel, field by field, as the C++ structs of kernels/*.h lay them out.

Values: aligned structured dtypes; pointers are addresses in the executor's memory. A test compares the sizes with the
compiled ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["SUM_ITEM", "layout_of"]

_POINTER, _LONG, _INT = np.uint64, np.int64, np.int32

SUM_ITEM = np.dtype([("samples", _POINTER), ("count", _LONG), ("type", _INT), ("reserved", _INT)], align=True)

_PARAMETERS: dict[str, list[tuple[str, Any]]] = {
    "sum_samples": [("groups", _LONG), ("items", _POINTER), ("sums", _POINTER)],
}


@cache
def layout_of(kernel: str) -> np.dtype[np.void]:
    """Layout of a kernel's Params."""
    return np.dtype(_PARAMETERS[kernel], align=True)
