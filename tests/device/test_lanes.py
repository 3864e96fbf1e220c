"""Batches through lanes, run on the CPU: order, staging buffers that no copy reads any more, memory that is short."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.codecs import Codec, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.device.decode import containers
from mmip_gpu.device.lanes import Lane, cut_batches, halved, through_lanes
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import CorruptData


class Recorder(HostExecutor):
    """Copies end when they are waited for; until then their pinned bytes cannot be written, or are not there yet."""

    def __init__(self) -> None:
        super().__init__()
        self._mine = threading.local()
        self.pinned_sizes: list[int] = []
        self.streams = 0
        self.under_way: set[int] = set()
        self.most = 0

    def _copies(self) -> list[Callable[[], None]]:
        if not hasattr(self._mine, "copies"):
            self._mine.copies = []
        copies: list[Callable[[], None]] = self._mine.copies
        return copies

    def pinned(self, size: int) -> NDArray[np.uint8]:
        self.pinned_sizes.append(size)
        return super().pinned(size)

    def upload_pinned(self, staged: NDArray[np.uint8]) -> NDArray[np.uint8]:
        base = staged.base
        assert isinstance(base, np.ndarray)
        base.flags.writeable = False
        self._copies().append(lambda: base.setflags(write=True))
        return super().upload_pinned(staged)

    def download_pinned(self, array: NDArray[Any], into: NDArray[np.uint8]) -> None:
        held = array.copy()
        into.fill(0xCD)
        self._copies().append(lambda: HostExecutor.download_pinned(self, held, into))

    def wait(self) -> None:
        while self._copies():
            self._copies().pop(0)()

    def stream(self) -> Callable[[], AbstractContextManager[None]]:
        self.streams += 1
        number = self.streams

        @contextmanager
        def entered() -> Iterator[None]:
            assert number not in self.under_way  # one batch at a time
            self.under_way.add(number)
            self.most = max(self.most, len(self.under_way))
            yield
            self.wait()
            self.under_way.remove(number)

        return entered


def test_results_come_in_order_while_lanes_work_at_once() -> None:
    executor, barrier = Recorder(), threading.Barrier(3)

    def work(lane: Lane, batch: Sequence[int]) -> list[int]:
        barrier.wait(20)  # passes where three batches are under way
        (array,) = lane.upload([np.array(batch)])
        (other,) = lane.upload([np.arange(4.0)])  # the staging buffer again
        assert other.tolist() == [0, 1, 2, 3]
        return [int(n) for n in lane.download([array * 2])[0]]

    batches = list(cut_batches(range(18), lambda _: 1, 2))
    assert list(through_lanes(executor, batches, work)) == [2 * n for n in range(18)]
    assert (executor.streams, executor.most) == (3, 3)


def test_an_early_write_is_what_the_recorder_sees() -> None:
    executor = Recorder()
    staged = executor.pinned(8)
    executor.upload_pinned(staged[:4])
    with pytest.raises(ValueError, match="read-only"):
        staged[:4] = 1
    executor.wait()
    staged[:4] = 1


def test_no_more_batches_are_taken_than_there_are_lanes() -> None:
    taken: list[int] = []

    def batches() -> Iterator[list[int]]:
        for n in range(9):
            taken.append(n)
            yield [n]

    results = through_lanes(Recorder(), batches(), lambda _, batch: batch, lanes=2)
    assert next(results) == 0
    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]
    assert len(taken) <= 4


def test_an_error_stops_the_lanes() -> None:
    def work(lane: Lane, batch: Sequence[int]) -> list[int]:
        if batch[0] == 3:
            raise CorruptData("the third")
        return list(batch)

    before = threading.active_count()
    found = []
    with pytest.raises(CorruptData, match="the third"):
        found.extend(through_lanes(HostExecutor(), [[n] for n in range(20)], work))
    assert threading.active_count() == before


def test_arrays_of_any_layout_are_staged() -> None:
    lane = Lane(Recorder())
    arrays = [
        make("noise", (5, 7), "uint16", 1).T,
        np.zeros((0, 3), np.int8),
        np.arange(6, dtype=">i2").reshape(2, 3)[:, ::-1],
        np.array(7.5, np.float32).reshape(1),
    ]
    held = lane.upload(arrays)
    assert all(a.flags.c_contiguous and a.dtype.isnative for a in held)
    for a, b, c in zip(arrays, held, lane.download(held), strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)


@pytest.mark.parametrize("room", [2**30, 2**20, 1])
def test_batches_of_the_host_pass_through_lanes(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Recorder()
    monkeypatch.setattr(executor, "room", lambda: room)
    chunks = [make("textured", (20 + 9 * n, 50), "uint8", n) for n in range(8)]
    blobs = mmip.encode_batch(chunks, psnr=40, effort=1)
    monkeypatch.setattr("mmip_gpu.device.encode.arrays.CudaExecutor", lambda: executor)
    assert mmip.encode_batch(chunks, psnr=40, effort=1, device="gpu") == blobs
    for options in ({}, {"scale": 2, "region": (slice(2, 9), slice(0, 20))}):
        expected = mmip.decode_batch(blobs, **options)  # type: ignore[arg-type]
        found = containers.decode_containers(blobs, codec_of, executor=executor, **options)  # type: ignore[arg-type]
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert executor.most > 1 if room == 1 else executor.streams > 0
    damaged = [*blobs[:5], blobs[5][:-9] + bytes(9), *blobs[6:]]
    found = containers.decode_containers(damaged, codec_of, executor=executor)
    assert isinstance(found[5], CorruptData)
    assert "stage 3, sub-stream" in str(found[5])
    whole = mmip.decode_batch(blobs)
    assert all(np.array_equal(found[i], whole[i]) for i in range(8) if i != 5)


class Small(HostExecutor):
    """Has memory for arrays of so many bytes."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest, self.released = largest, 0

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
        if int(np.prod(shape)) * np.dtype(dtype).itemsize > self.largest:
            raise MemoryError("no memory of the device")
        return super().empty(shape, dtype)

    def release(self) -> None:
        self.released += 1


def test_where_memory_is_short_halves_are_tried() -> None:
    executor, tried = Small(5), []

    def work(items: Sequence[int]) -> list[int]:
        tried.append(list(items))
        executor.empty(sum(items), np.uint8)
        return [-n for n in items]

    assert halved(executor, [1, 2, 9, 2, 3], work, lambda n: n) == [-1, -2, 9, -2, -3]
    assert tried == [[1, 2, 9, 2, 3], [1, 2], [9, 2, 3], [9], [2, 3]]
    assert executor.released == 3


def test_kinds_without_kernels_are_decoded_by_the_host() -> None:
    kept = np.arange(6, dtype=np.uint8).reshape(2, 3)  # smaller as it is
    blobs = mmip.encode_batch([make("textured", (40, 50), "uint8", 1), kept], psnr=40)
    assert [mmip.inspect(blob)["kind"] for blob in blobs] == ["transform", "raw"]
    found = containers.decode_containers(blobs, codec_of, executor=HostExecutor(), region=(slice(0, 2), slice(1, 3)))
    assert np.array_equal(found[1], kept[:, 1:])
    assert np.array_equal(found[0], mmip.decode(blobs[0])[:2, 1:3])

    def no_kernels(header: Header[Any]) -> Codec:
        return replace(codec_of(header), has_kernels=False)

    with pytest.warns(RuntimeWarning, match="no kernels decode transform containers"):
        found = containers.decode_containers(blobs[:1], no_kernels, executor=HostExecutor())
    assert np.array_equal(found[0], mmip.decode(blobs[0]))
