"""The most bytes that the samples of a source may take, as a caller allows them.

Values: sizes that a header states in; LimitExceeded out, before anything of that size is read or allocated. Implements
no section of FORMAT.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from mmip_gpu.errors import LimitExceeded

__all__ = ["MOST_BYTES", "check_size", "size_limit"]

MOST_BYTES: Final = 2**50  # more than a container holds

_limit: ContextVar[int] = ContextVar("max_bytes", default=MOST_BYTES)


@contextmanager
def size_limit(max_bytes: int) -> Iterator[None]:
    """Hold every source that is opened inside against this limit, and against those around it.

    Examples
    --------
    >>> with size_limit(100):
    ...     check_size("scan.nii", (8, 8, 8), 2)
    Traceback (most recent call last):
    mmip_gpu.errors.LimitExceeded: scan.nii: 8 x 8 x 8 samples take 1024 bytes, max_bytes=100: allow more if it is right
    """
    mark = _limit.set(min(max_bytes, _limit.get()))
    try:
        yield
    finally:
        _limit.reset(mark)


def check_size(name: str, shape: Sequence[int], item_bytes: int) -> None:
    """Raise LimitExceeded where samples of this shape take more bytes than the limit in force."""
    needed, limit = math.prod(shape) * item_bytes, _limit.get()
    if needed > limit:
        sizes = " x ".join(map(str, shape))
        raise LimitExceeded(
            f"{name}: {sizes} samples take {needed} bytes, max_bytes={limit}: allow more if it is right"
        )
