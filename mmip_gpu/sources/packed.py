"""Samples in files that gzip packs, or that have to be as long as their header says.

Values in: a path, and the place, shape and type of its samples. Values out: an array in host memory. Implements no
section of FORMAT.md. Guarantees that memory is taken only for what a file can hold, and that a compressed file is read
to its end, where its checksum is.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import StoreError
from mmip_gpu.sources.source import Array

DEFLATE_LIMIT: Final = 1032  # no deflate stream grows more than this, so that a header cannot ask for more memory
_PIECE_BYTES: Final = 1 << 24


def check_length(path: Path, needed: int) -> None:
    """Refuse a file that cannot hold so many bytes, before memory is taken for them."""
    found = path.stat().st_size
    limit = found * DEFLATE_LIMIT if path.suffix.lower() == ".gz" else found
    if limit < needed:
        raise StoreError(f"{path.name} is truncated: expected {needed} bytes, found {found}; copy the file again")


def read_packed(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Read an array out of a .gz file, then the rest of it: the checksum stands at the end."""
    samples = np.empty(shape, dtype)
    target = memoryview(samples.reshape(-1).view(np.uint8))
    with gzip.open(path) as file:
        file.seek(offset)
        for start in range(0, len(target), _PIECE_BYTES):
            part = target[start : start + _PIECE_BYTES]
            if file.readinto(part) < len(part):
                raise StoreError(f"{path.name} is truncated: expected {len(target)} bytes of samples; copy it again")
        while file.read(_PIECE_BYTES):
            pass
    return samples
