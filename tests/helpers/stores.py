"""A small volume, stores of it in memory, and stores that count or run full."""

from __future__ import annotations

import errno
from collections import Counter
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore, WrapperStore

SMALL = {"quality": 20, "chunks": (16, 32, 32), "threads": 2}


def textured(shape: tuple[int, ...], dtype: str = "int16", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(scale=4, size=shape), axis=-1)
    info = np.iinfo(dtype)
    return np.clip(walk * 3 + (info.max + info.min) // 2 % 1000, info.min, info.max).astype(dtype)


VOLUME = textured((20, 50, 70))


class CountingStore(WrapperStore[Any]):
    """Counts the bytes that are read under each key."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.counts: Counter[str] = Counter()

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        found = await super().get(key, prototype, byte_range)
        if found is not None and "/c/" in key:
            self.counts[key] += len(found)
        return found


class FullStore(WrapperStore[Any]):
    """A disk that is full after some chunks."""

    left = 5

    async def set(self, key: str, value: Any) -> None:
        if "/c/" in key:
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left -= 1
        await super().set(key, value)


def keys_of(store: MemoryStore, name: str) -> list[str]:
    return sorted(k for k in store._store_dict if k.startswith(f"{name}/c/"))


def chunk_bytes(store: MemoryStore) -> dict[str, bytes]:
    return {k: v.to_bytes() for k, v in store._store_dict.items() if "/c/" in k}


def buffer(data: bytes) -> Any:
    return zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(data)
