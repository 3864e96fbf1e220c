"""Zarr arrays of the codec `mmip` in memory, and stores that count what is read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zarr
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.dtype import get_data_type_from_native_dtype
from zarr.storage import MemoryStore


def create(data: np.ndarray, chunks: Any, codec: Any, store: Any = None, **options: Any) -> zarr.Array:
    where = MemoryStore() if store is None else store
    made = zarr.create_array(
        where, shape=data.shape, dtype=data.dtype, chunks=chunks, serializer=codec, compressors=None, **options
    )
    made[...] = data
    return made


def textured(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(math.prod(shape)).reshape(shape) / 7.3) * 40
    return (waves + rng.normal(0, 6, shape) + 60).astype(dtype)


def spec_of(shape: tuple[int, ...], dtype: str) -> ArraySpec:
    zdtype = get_data_type_from_native_dtype(np.dtype(dtype))
    config = ArrayConfig.from_dict({})
    return ArraySpec(shape, zdtype, zdtype.default_scalar(), config, default_buffer_prototype())


class Counting(MemoryStore):
    """Counts the bytes and requests of chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.requests = 0

    def count(self, key: str, found: Any) -> Any:
        if found is not None and not key.endswith("zarr.json"):
            self.bytes += len(found)
            self.requests += 1
        return found

    async def get(self, key, prototype, byte_range=None):
        return self.count(key, await super().get(key, prototype, byte_range))

    def get_sync(self, key, *, prototype=None, byte_range=None):
        return self.count(key, super().get_sync(key, prototype=prototype, byte_range=byte_range))

    def taken(self) -> tuple[int, int]:
        found, self.bytes, self.requests = (self.bytes, self.requests), 0, 0
        return found


def damaged(store: MemoryStore, key: str, change: Any) -> None:
    data = bytearray(store._store_dict[key].to_bytes())
    changed = change(data)
    store._store_dict[key] = default_buffer_prototype().buffer.from_bytes(bytes(data if changed is None else changed))
