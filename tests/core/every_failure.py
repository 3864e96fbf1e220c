"""Lets every allocation and every thread of the core fail, one after the other; run with failing.cpp preloaded.

Each failure must end in an error of ours, with nothing left held, or in the result that there is without it.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

import numpy as np

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header

FAILING = ctypes.CDLL(None)
FAILING.fail_at.argtypes = (ctypes.c_long, ctypes.c_int)
FAILING.happened.restype = FAILING.held.restype = ctypes.c_long
MOST = 40  # of the allocations of an operation fail, spread over all


def works() -> dict[str, Callable[[int], Any]]:
    """Operations by name, each a function of the number of threads."""
    random = np.random.default_rng(1)
    noise = (random.normal(0, 40, (8, 40, 70)).cumsum(axis=2) + 900).astype(np.int16)
    image = np.round(random.normal(0, 9, (70, 90, 3)).cumsum(axis=1) + 128).clip(0, 255).astype(np.uint8)
    padded = np.where(random.random((60, 70)) < 0.3, -2000, noise[0, 0, 0] + random.integers(0, 9, (60, 70)))
    options: dict[str, tuple[Any, dict[str, Any]]] = {
        "quality": (noise, {"quality": 30}),
        "large": (np.tile(noise, (2, 12, 8)), {"quality": 30, "effort": 1}),
        "deep": (noise, {"quality": 30, "cell_depth": 8, "effort": 3}),
        "colour": (image, {"quality": 30, "axes": "yxc"}),
        "bound": (noise, {"max_error": 3, "stages": 3}),
        "predicted": (noise, {"max_error": 3, "effort": 1}),
        "padding": (padded.astype(np.int16), {"quality": 10, "padding": -2000}),
        "palette": ((noise[0] // 400 * 50).astype(np.uint8), {"lossless": True, "stages": 3}),
        "region": (noise, {"qstep": 900, "roi": noise > 900, "roi_quality": "lossless"}),
    }
    found: dict[str, Callable[[int], Any]] = {}
    for name, (array, given) in options.items():
        blob = mmip.encode(array, threads=1, **given)
        found[f"encode {name}"] = lambda threads, a=array, g=given: mmip.encode(a, threads=threads, **g)
        found[f"decode {name}"] = lambda threads, b=blob: mmip.decode(b, threads=threads).tobytes()
    return found | of_device_batches(mmip.encode(noise, threads=1, quality=30))


def of_device_batches(blob: bytes) -> dict[str, Callable[[int], Any]]:
    """What the host does for the payloads of a batch on a device."""
    header, at = Header.parse(blob)
    size, stages = header.payload_sizes[0], 12
    payload = np.frombuffer(blob[at : at + size], np.uint8)
    ones, sizes = np.ones(stages, np.uint8), np.full(stages, size, np.int64)
    sides = [cell << log2 for cell, log2 in zip((header.fields.depth, 8, 8), header.fields.tile_log2, strict=True)]
    tiles = int(np.prod([-(-n // side) for n, side in zip(header.layout.volume, sides, strict=True)]))
    places = np.tile(np.array([0, 2, 0, 1, 0, 5], np.int64), stages)

    def heads(threads: int) -> bytes:
        of_all = [payload] * stages
        found = _core.PayloadHeads(of_all, sizes, np.full(stages, tiles), ones, 0 * ones, True, threads)
        return found.tables(list(range(stages)), threads)[0].tobytes()

    def joined(threads: int) -> list[bytes]:
        numbers = np.array([2, 3], np.uint32)
        return _core.join_payloads([bytes(40)] * stages, places, numbers, numbers[:1], ones[:5], threads)

    return {"device heads": heads, "device payloads": joined}


def each_fails(name: str, work: Callable[[int], Any], *, of_threads: bool) -> int:
    """Let one after the other fail; how many did."""
    threads = 3 if of_threads else 1
    expected = work(threads)
    FAILING.fail_at(0, of_threads)
    assert work(threads) == expected
    count = FAILING.happened()
    refused = 0
    for at in range(1, count + 1, max(1, count // MOST)):
        gc.collect(0)
        before = FAILING.held()
        FAILING.fail_at(at, of_threads)
        try:
            assert work(threads) == expected, (name, at)
        except (mmip.MmipError, MemoryError):
            refused += 1
            assert not of_threads, (name, at)
        FAILING.fail_at(0, of_threads)
        assert FAILING.held() <= before, (name, at, FAILING.held() - before)
    assert of_threads or refused > 5, (name, refused)
    return count


if __name__ == "__main__":
    for title, operation in works().items():
        allocations = each_fails(title, operation, of_threads=False)
        made = each_fails(title, operation, of_threads=True)
        print(f"{title}: {allocations} allocations, {made} threads")
