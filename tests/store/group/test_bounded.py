"""Bounded work: few chunks in memory, a window over the tasks, an end at the first error."""

from __future__ import annotations

import gc
import pathlib
import threading
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from helpers.stores import textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.sources import Source
from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.grid import ChunkGrid
from mmip_gpu.store.group.records import Totals
from mmip_gpu.volume.axes import PlaneLayout

CHUNK = (16, 32, 32)


class Slow:
    """A source that counts how many of its chunks are alive."""

    shape, dtype = (16, 32, 32 * 12), np.dtype("int16")

    def __init__(self) -> None:
        self.alive = self.most = self.reads = 0
        self.lock = threading.Lock()

    def __getitem__(self, key: Any) -> Any:
        outer = self

        class Counted(np.ndarray):
            def __del__(self) -> None:
                if getattr(self, "counted", False):
                    with outer.lock:
                        outer.alive -= 1

        shape = tuple(s.stop - s.start for s in key)
        with self.lock:
            self.alive += shape == CHUNK
            self.reads += 1
            self.most = max(self.most, self.alive)
        made = np.zeros(shape, np.int16).view(Counted)
        made.counted = shape == CHUNK  # type: ignore[attr-defined]
        return made


@pytest.mark.parametrize("threads", [1, 3])
def test_few_chunks_are_in_memory(threads, monkeypatch):
    slow = Slow()
    source = Source(Slow.shape, Slow.dtype, "zyx", {}, "slow", "slow", lambda region: slow[region])
    monkeypatch.setattr(Source, "read", lambda self, region=None: self.reader(region))
    mmip.write_zarr(source, MemoryStore(), quality=10, chunks=CHUNK, threads=threads, cell_depth=8)
    assert slow.reads >= 12
    assert 0 < slow.most <= threads + 1
    assert slow.alive == 0


def test_memory_does_not_grow_with_the_chunks(tmp_path, monkeypatch):
    held: dict[int, list[int]] = {300: [], 900: []}
    done = 0
    add = Totals.add

    def added(*args: Any) -> None:
        nonlocal done
        add(*args)
        done += 1
        for start, sizes in held.items():
            if start <= done < start + 50 and done % 10 == 0:
                gc.collect()
                names = tracemalloc.Filter(False, pathlib.__file__)  # the table of interned names doubles at times
                taken = tracemalloc.take_snapshot().filter_traces([names])
                sizes.append(sum(entry.size for entry in taken.statistics("filename")))

    monkeypatch.setattr(Totals, "add", added)
    image, options = textured((992, 992), "uint8"), {"quality": 10, "effort": 1, "chunks": (32, 32), "threads": 1}
    tracemalloc.start()
    try:
        mmip.write_zarr(image, tmp_path / "a", verify=False, **options)
    finally:
        tracemalloc.stop()
    # The least of five: threads and tasks that are just running come and go by 30 KB.
    assert min(held[900]) - min(held[300]) < 100 * 600  # bytes in 600 chunks; it is 10,000 to 23,000, of caches


def test_the_coordinates_of_a_declared_array_take_no_memory():
    grid = ChunkGrid(PlaneLayout.of((2**16, 2**25)), 1, (32, 32))
    tracemalloc.start()
    assert next(iter(grid.coordinates())) == (0, 0, 0, 0)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_the_window_takes_items_as_they_are_needed():
    taken, started = [], []

    def items() -> Any:
        for i in range(20):
            taken.append(i)
            yield i

    def work(i: int) -> int:
        started.append(i)
        time.sleep(0.002)
        assert len(taken) - len(finished) <= 3 + 2
        return i

    finished: list[int] = []
    run_bounded(work, items(), 3, finished.append)
    assert sorted(finished) == list(range(20))


def test_the_window_stops_at_the_first_error():
    started = []

    def work(i: int) -> None:
        started.append(i)
        if i == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bounded(work, range(1000), 2, lambda _: None)
    assert len(started) < 20
