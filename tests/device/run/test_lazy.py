"""The pipelines on a device that is late (helpers/lazy_cupy.py): no wait is missing, and no memory is read when freed.

MMIP_LAZY_ENCODINGS says how many random encodings are compared with the core; by hand 3000.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.lazy_cupy import RUBBISH, LazyCupy, lazy_machine
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.device.lanes import Lane
from mmip_gpu.device.run.cuda_executor import CudaExecutor

BATCH = 5
BATCHES = int(os.environ.get("MMIP_LAZY_ENCODINGS", "40")) // BATCH
OPTIONS: list[dict[str, Any]] = [
    {"psnr": 42, "effort": 1},
    {"quality": 20, "effort": 2},
    {"lossless": True, "stages": 2},
    {"max_error": 4, "effort": 1, "stages": 3},
    {"psnr": 38, "effort": 1, "padding": 0},
]


def batch_of(seed: int) -> tuple[list[np.ndarray[Any, Any]], dict[str, Any]]:
    """Arrays of unequal shapes, with options that all of them take."""
    chance = random.Random(seed)
    kind, dtype = chance.choice(["textured", "edges", "noise", "half"]), chance.choice(["uint8", "int16", "uint16"])
    arrays = []
    for i in range(BATCH):
        planes = chance.choice([(), (2,), (9,)])
        shape = (*planes, chance.randrange(1, 70), chance.randrange(1, 70))
        arrays.append(make(kind, shape, dtype, seed * BATCH + i))
    return arrays, chance.choice(OPTIONS)


def test_a_missing_wait_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lazy_machine(monkeypatch, tmp_path, 0)
    executor = CudaExecutor()
    array = executor.upload(np.arange(4, dtype=np.uint8))
    into = executor.pinned(4)
    executor.download_pinned(array, into)
    assert into.tolist() == [RUBBISH] * 4
    executor.wait()
    assert into.tolist() == [0, 1, 2, 3]
    other = executor.stream()
    held = executor.upload(np.arange(4, dtype=np.uint8))
    with other():
        executor.download_pinned(held, into)
    assert into.tolist() == [RUBBISH] * 4  # it waited for its own stream, not for the one of the upload


def test_freed_memory_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = lazy_machine(monkeypatch, tmp_path, 0)
    executor = CudaExecutor()
    array, into = executor.upload(np.arange(4, dtype=np.uint8)), executor.pinned(4)
    address = executor.address(array)
    executor.download_pinned(array, into)
    del array  # what follows on the stream may have it; what went before has read it
    executor.wait()
    assert into.tolist() == [0, 1, 2, 3]
    array = executor.upload(np.arange(4, dtype=np.uint8))
    address = executor.address(array)
    del array
    executor._copy(into.ctypes.data, address, 4, machine.cuda.runtime.memcpyDeviceToHost)
    executor.wait()
    assert into.tolist() == [RUBBISH] * 4


@pytest.mark.parametrize("waits", [True, False])
def test_a_staging_buffer_that_is_not_waited_for_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: bool
) -> None:
    lazy_machine(monkeypatch, tmp_path, 0)
    if not waits:
        monkeypatch.setattr(Lane, "_is_read", property(lambda lane: False, lambda lane, read: None), raising=False)
    lane, arrays = Lane(CudaExecutor()), [np.full(4, value, np.uint8) for value in (1, 2)]
    held = [lane.upload([array])[0] for array in arrays]
    found = lane.download(held)
    assert [array[0] for array in found] == ([1, 2] if waits else [2, 2])


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
def test_random_encodings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, descending: bool) -> None:
    for seed in range(BATCHES // 2):
        arrays, options = batch_of(2 * seed + descending)
        machine: LazyCupy = lazy_machine(monkeypatch, tmp_path, seed, descending=descending)
        expected = [mmip.encode(array, device="cpu", **options) for array in arrays]
        assert mmip.encode_batch(arrays, device="gpu", **options) == expected, (seed, options)
        held = [machine.asarray(np.frombuffer(blob, np.uint8)) for blob in expected]
        for found, blob in zip(mmip.decode_batch(held), expected, strict=True):
            assert np.array_equal(machine.asnumpy(found), mmip.decode(blob)), (seed, options)
