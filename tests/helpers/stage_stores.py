"""Stores of write_zarr whose stage arrays have every form, for tests of the codec `mmip.stage`.

Values out: a store in memory that counts what is read of its chunks, and its stage arrays as NumPy arrays.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from helpers.standin_buffers import OnDevice


class Counting(MemoryStore):
    """Counts the bytes and requests of chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.requests = 0

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        found = await super().get(key, prototype, byte_range)
        if found is not None and "/c/" in key:
            self.bytes += len(found)
            self.requests += 1
        return found

    def taken(self) -> tuple[int, int]:
        found, self.bytes, self.requests = (self.bytes, self.requests), 0, 0
        return found


def textured(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.normal(scale=30, size=shape), axis=-1)
    return (smooth + rng.normal(scale=9, size=shape)).astype(np.int16)


def padded() -> np.ndarray:
    volume = textured((20, 50, 130))
    volume[:, :, 70:] = volume[:5, :20] = -1000
    return volume


def soft(shape: tuple[int, int]) -> np.ndarray:
    """A smooth field with fine noise, as of a radiograph: DC images save bytes."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / 512
    waves = sum(np.cos(2 * np.pi * (rng.uniform(0, 6) * x + rng.uniform(0, 6) * y + rng.uniform())) for _ in range(12))
    return np.clip(30000 + 2500 * waves + rng.normal(0, 300, shape), 0, 65535).astype(np.uint16)


def few_values(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Boxes of three values over each other: palette cells save bytes."""
    rng = np.random.default_rng(seed)
    volume = np.full(shape, 200, np.uint16)
    for _ in range(volume.size // 400):
        starts = [int(rng.integers(0, n)) for n in shape]
        volume[tuple(slice(a, a + int(rng.integers(1, 12))) for a in starts)] = rng.choice([200, 4100, 60000])
    return volume


# Chunks that are cut off at the volume's end, tiles at the chunk's; every form of stage arrays.
KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "flat": (textured((4, 100, 90)), {"quality": 40, "cell_depth": 1, "chunks": (3, 64, 96)}),
    "deep": (textured((40, 50, 130)), {"quality": 60, "cell_depth": 8, "chunks": (32, 64, 96)}),
    "classes": (
        textured((20, 60, 130)),
        {"quality": 20, "roi": "threshold:40", "roi_quality": "lossless", "cell_depth": 8, "stages": 5},
    ),
    "padding": (padded(), {"quality": 40, "cell_depth": 8, "padding": -1000}),
    "flat padding": (padded(), {"quality": 40, "cell_depth": 1, "padding": -1000}),
    "corrections": (textured((20, 50, 130)), {"max_error": 1, "cell_depth": 8, "chunks": (16, 32, 96)}),
    "flat corrections": (textured((2, 150, 70)), {"max_error": 2, "cell_depth": 1}),
    "DC image": (soft((500, 450)), {"psnr": 34, "effort": 2, "chunks": (320, 512)}),
    "palettes": (few_values((20, 40, 60), 1), {"quality": 3, "cell_depth": 8, "effort": 2, "padding": None}),
    "flat palettes": (few_values((150, 100), 2), {"quality": 2, "effort": 3, "padding": None}),
    "merged": (soft((200, 330)), {"quality": 3, "effort": 3, "chunks": (200, 192)}),
    "merged volume": (
        np.repeat(soft((64, 90))[None], 40, 0) // 8,
        {"quality": 9, "effort": 3, "cell_depth": 8, "chunks": (32, 64, 64)},
    ),
    "colour": (
        textured((300, 200, 3)).clip(0, 255).astype(np.uint8),
        {"quality": 30, "axes": "yxc", "chunks": (192, 128, 3)},
    ),
}


@cache
def arrays(kind: str) -> tuple[Counting, dict[str, np.ndarray]]:
    """A store of this kind, and its stage arrays as decoding all of each chunk gives them."""
    store = Counting()
    volume, options = KINDS[kind]
    mmip.write_zarr(volume, store, threads=1, **({"effort": 1, "verify": False} | options))
    assert mmip.open_zarr(store).report["plan"]["dc_image"] == (kind == "DC image")
    found = {}
    for name in [*(f"stage_{k}" for k in range(1, 6)), "corrections"]:
        if f"{name}/zarr.json" in store._store_dict:
            array = zarr.open_array(store, path=name, mode="r+")
            whole = np.full(array.shape, array.fill_value, np.int32)
            for place in np.ndindex(*array.cdata_shape):
                key = f"{name}/c/{'/'.join(map(str, place))}"
                chunk = array.serializer.decode_bytes(store._store_dict[key].to_bytes(), array.chunks)
                target = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, array.chunks, strict=True))
                inside = tuple(slice(0, len(range(*t.indices(n)))) for t, n in zip(target, array.shape, strict=True))
                whole[target] = chunk[inside]
            found[name] = whole
    return store, found


def chunks_of(store: MemoryStore, name: str) -> dict[str, bytes]:
    return {key: data.to_bytes() for key, data in store._store_dict.items() if key.startswith(f"{name}/c/")}


def bare(array: Any) -> np.ndarray:
    assert isinstance(array, OnDevice)
    return array.view(np.ndarray)
