"""What tests of stores share: stores in memory, a small one and some that are read stage by stage."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.progressive_stores import CHUNKS
from helpers.stores import SMALL, VOLUME
from zarr.storage import MemoryStore

import mmip_gpu as mmip


@pytest.fixture
def store() -> MemoryStore:
    found = MemoryStore()
    mmip.write_zarr(VOLUME, found, **SMALL)
    return found


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return mmip.phantom3d((40, 96, 96))


@pytest.fixture(scope="module")
def written(volume: np.ndarray) -> MemoryStore:
    store = MemoryStore()
    mmip.write_zarr(volume, store, quality=20, **CHUNKS)
    return store


@pytest.fixture(scope="module")
def one_chunk() -> tuple[MemoryStore, np.ndarray]:
    """A chunk of many tiles whose stages are larger than what is read of them at once."""
    noise = np.random.default_rng(0).integers(0, 4000, (32, 128, 192)).astype(np.uint16)
    store = MemoryStore()
    mmip.write_zarr(noise, store, quality=200, cell_depth=8, chunks=noise.shape, verify=False)
    return store, mmip.open_zarr(store)[...]
