"""Stores that are read stage by stage: chunk lengths, and a store that counts bytes and requests by array."""

from __future__ import annotations

from collections import Counter
from typing import Any

import zarr
from zarr.storage import MemoryStore, WrapperStore

CHUNKS = {"chunks": (32, 64, 64), "threads": 2}


class CountingStore(WrapperStore[Any]):
    """Counts bytes and requests by array."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.bytes: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        found = await super().get(key, prototype, byte_range)
        if found is not None and "/c/" in key:
            self.bytes[key.split("/", maxsplit=1)[0]] += len(found)
            self.requests[key.split("/", maxsplit=1)[0]] += 1
        return found

    def take(self) -> Counter[str]:
        found, self.bytes = self.bytes, Counter()
        return found


def damaged(store: MemoryStore, name: str, at: int, cut: int | None = None) -> MemoryStore:
    changed = MemoryStore(dict(store._store_dict))
    key = f"{name}/c/0/0/0/0/0"
    data = bytearray(changed._store_dict[key].to_bytes())
    data[at] ^= 1
    changed._store_dict[key] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(bytes(data[:cut]))
    return changed
