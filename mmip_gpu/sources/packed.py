"""Samples in files that gzip packs, or that have to be as long as their header says.

Values in: a path, and the place, shape and type of its samples. Values out: an array in host memory. Implements no
section of FORMAT.md. Guarantees that memory is taken only for what a file can hold, and that a compressed file is read
to its end, where its checksum is.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import StoreError
from mmip_gpu.sources.source import Array

DEFLATE_LIMIT: Final = 1032  # no deflate stream grows more than this, so that a header cannot ask for more memory
_PIECE_BYTES: Final = 1 << 24


def check_length(path: Path, needed: int, packing: str | None = None) -> None:
    """Refuse a file that cannot hold so many bytes, before memory is taken for them."""
    found = path.stat().st_size
    limit = found * DEFLATE_LIMIT if packing or path.suffix.lower() == ".gz" else found
    if limit < needed:
        raise StoreError(f"{path.name} is truncated: expected {needed} bytes, found {found}; copy the file again")


def mapped(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Map an array that lies in a file as it is."""
    return np.memmap(path, dtype, "r", offset, shape) if math.prod(shape) else np.empty(shape, dtype)


def read_zlib(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Read an array whose bytes, from `offset` of the file on, are a zlib or gzip stream with its checksum."""
    needed = math.prod(shape) * dtype.itemsize
    stream = zlib.decompressobj(wbits=47)  # either, by its first bytes
    with path.open("rb") as file:
        file.seek(offset)
        data = stream.decompress(file.read(), needed + 1)
    if len(data) != needed or not stream.eof:
        raise StoreError(f"{path.name} is truncated or damaged: expected {needed} bytes of samples, found {len(data)}")
    return np.frombuffer(data, dtype).reshape(shape)


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
