"""Batches of host data through a device, several at a time: copies of one run beside the kernels of others.

Values: items of host memory in; the results of the work on them out, in order. A lane is a stream with a staging buffer
and what the work on it keeps, such as a decoder. A thread takes a batch through a free lane. So a lane has one batch at
a time, and its buffer is never written while a copy reads it. Scratch: a batch and what coding it takes, times the
lanes. The staging buffers are page-locked memory, each as large as the largest batch, or as the largest piece of one.
Lanes are kept for the next call with their streams and staging buffers, since memory pools keep blocks by stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from queue import SimpleQueue
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.device.run.cuda import DeviceMemoryExceeded
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.errors import LimitExceeded

__all__ = ["KERNEL_LANES", "Lane", "budget", "cut_batches", "halved", "through_lanes"]

KERNEL_LANES = 3
_ALIGNMENT = 256  # of arrays in a staging buffer
_BUSY_BYTES = 2**31  # of a batch: some 80 million samples
_STAGED_BYTES = 2**28  # of a lane's page-locked memory; more is copied in pieces of it

_T = TypeVar("_T")
_R = TypeVar("_R")


class Lane:
    """What one batch at a time is worked on with; copies and launches go to the stream of the thread.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> lane = Lane(HostExecutor())
    >>> [array.tolist() for array in lane.download(lane.upload([np.arange(3), np.zeros((1, 2), "u1")]))]
    [[0, 1, 2], [[0, 0]]]
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self._staging = np.empty(0, np.uint8)
        self._is_read = False  # by a copy that may not have ended
        self._owned: dict[Callable[[Lane], Any], Any] = {}

    def own(self, make: Callable[[Lane], _T]) -> _T:
        """What `make` gives for this lane alone, such as a decoder. It is made once."""
        if make not in self._owned:
            self._owned[make] = make(self)
        owned: _T = self._owned[make]
        return owned

    def upload(self, arrays: Sequence[NDArray[Any]]) -> list[DeviceArray]:
        """Copies of host arrays of any layout and byte order, C-ordered, by one transfer, or in pieces."""
        slices, end = _placed([(a.shape, a.dtype) for a in arrays])
        if end > _STAGED_BYTES:
            held = self._upload_in_pieces(arrays, slices, end)
        else:
            staged = self._stage(end)
            for view, array in zip(slices, arrays, strict=True):
                np.copyto(staged[view].view(array.dtype.newbyteorder("=")).reshape(array.shape), array)
            held = self.executor.upload_pinned(staged)
            self._is_read = True
        return [
            held[view].view(array.dtype.newbyteorder("=")).reshape(array.shape)
            for view, array in zip(slices, arrays, strict=True)
        ]

    def download(self, arrays: Sequence[DeviceArray]) -> list[NDArray[Any]]:
        """Copies of arrays of the executor in host memory, C-ordered; waits for them."""
        own = [self.executor.contiguous(array) for array in arrays]
        slices, end = _placed([(a.shape, np.dtype(a.dtype)) for a in own])
        if end > _STAGED_BYTES:
            return [self._download_in_pieces(array) for array in own]
        staged = self._stage(end)
        for view, array in zip(slices, own, strict=True):
            if array.size:
                self.executor.download_pinned(array, staged[view])
        self.executor.wait()
        return [staged[v].view(a.dtype).reshape(a.shape).copy() for v, a in zip(slices, own, strict=True)]

    def forget(self) -> None:
        """Drop what was made for this lane alone, with the memory that it holds."""
        self._owned.clear()

    def _upload_in_pieces(self, arrays: Sequence[NDArray[Any]], slices: Sequence[slice], size: int) -> DeviceArray:
        """The arrays in one array of bytes on the device."""
        held = self.executor.empty(size, np.uint8)
        for view, array in zip(slices, arrays, strict=True):
            data = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1).view(np.uint8)
            for first in range(0, data.size, _STAGED_BYTES):
                piece = data[first : first + _STAGED_BYTES]
                staged = self._stage(piece.size)
                staged[:] = piece
                start = view.start + first
                held[start : start + piece.size] = self.executor.upload_pinned(staged)
                self._is_read = True
        return held

    def _download_in_pieces(self, array: DeviceArray) -> NDArray[Any]:
        """A copy of a C-ordered array."""
        found = np.empty(array.shape, array.dtype)
        data_dev, data = array.reshape(-1).view(np.uint8), found.reshape(-1).view(np.uint8)
        for first in range(0, data.size, _STAGED_BYTES):
            piece = data[first : first + _STAGED_BYTES]
            staged = self._stage(piece.size)
            self.executor.download_pinned(data_dev[first : first + piece.size], staged)
            self.executor.wait()
            piece[:] = staged
        return found

    def _stage(self, size: int) -> NDArray[np.uint8]:
        """So much of the staging buffer, whose last copy has ended."""
        if self._is_read:
            self.executor.wait()
            self._is_read = False
        if self._staging.size < size:
            self._staging = self.executor.pinned(size)
        return self._staging[:size]


def _placed(kinds: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> tuple[list[slice], int]:
    """Where arrays of these shapes and dtypes stand in one array of bytes, and its size."""
    slices, end = [], 0
    for shape, dtype in kinds:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        slices.append(slice(end, end + size))
        end += -(-size // _ALIGNMENT) * _ALIGNMENT
    return slices, end


def through_lanes(
    executor: Executor,
    batches: Iterable[Sequence[_T]],
    work: Callable[[Lane, Sequence[_T]], Sequence[_R]],
    lanes: int = KERNEL_LANES,
    *,
    alone: Callable[[_T], _R] | None = None,
) -> Iterator[_R]:
    """Results of ``work(lane, batch)``, in the order of the items; at most `lanes` batches are under way.

    With one lane the work is done on the caller's thread and stream, which data on the device asks for. Where memory is
    short, halves of a batch are tried. After an error, or where the caller stops, no work goes on when it returns.

    Parameters
    ----------
    alone : callable, optional
        Gives the result of an item that takes too much memory by itself.

    Raises
    ------
    LimitExceeded
        For such an item, without `alone`.
    """
    in_halves = partial(halved, executor, alone=alone or partial(_too_large, executor))

    def on_lane(lane: Lane, batch: Sequence[_T]) -> Sequence[_R]:
        return in_halves(batch, partial(work, lane))

    if lanes > 1:
        yield from _through_streams(executor, batches, on_lane, lanes)
        return
    lane = Lane(executor)
    for batch in batches:
        with executor.shared():
            found = on_lane(lane, batch)
        yield from found


def _too_large(executor: Executor, _: Any) -> NoReturn:
    found = f"the device is out of memory ({executor.room()} bytes free) for one item"
    raise LimitExceeded(f"{found}; pass smaller chunks, a region or device='cpu'")


def _through_streams(
    executor: Executor,
    batches: Iterable[Sequence[_T]],
    work: Callable[[Lane, Sequence[_T]], Sequence[_R]],
    lanes: int,
) -> Iterator[_R]:
    """Results of several lanes, each with its own stream and a thread for the time of a batch."""
    executor.wait()  # for what the caller's stream was given, such as a mask
    free: SimpleQueue[tuple[Lane, Callable[[], AbstractContextManager[None]]]] = SimpleQueue()
    kept = executor.kept
    for _ in range(lanes):
        free.put(_kept_lane(executor, kept) or (Lane(executor), executor.stream()))

    def through_a_lane(batch: Sequence[_T]) -> Sequence[_R]:
        lane, entered = free.get()
        try:
            with entered():
                return work(lane, batch)
        finally:
            free.put((lane, entered))

    pending: deque[Future[Sequence[_R]]] = deque()
    pool = ThreadPoolExecutor(lanes, thread_name_prefix="mmip-lane")
    try:
        for batch in batches:
            if len(pending) == lanes:
                yield from pending.popleft().result()
            pending.append(pool.submit(through_a_lane, batch))
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        while not free.empty():
            lane, entered = free.get()
            lane.forget()
            kept.append((lane, entered))


def _kept_lane(
    executor: Executor, kept: MutableSequence[Any]
) -> tuple[Lane, Callable[[], AbstractContextManager[None]]] | None:
    """A lane that an earlier call left with its stream, if there is one."""
    try:
        lane, entered = kept.pop()
    except IndexError:
        return None
    lane.executor = executor
    return lane, entered


def budget(executor: Executor, lanes: int = 1) -> int:
    """Bytes that a batch may take where so many are under way: half of what is free, since tables come on top.

    Of several lanes no more than keeps a device busy, so that there is something to overlap with.
    """
    share = executor.room() // (2 * lanes)
    return share if lanes == 1 else min(share, _BUSY_BYTES)


def cut_batches(items: Iterable[_T], size: Callable[[_T], int], budget: int) -> Iterator[list[_T]]:
    """Runs of items whose sizes add up to at most the budget; an item that is larger stands alone.

    Examples
    --------
    >>> list(cut_batches([3, 4, 9, 1, 1], int, 8))
    [[3, 4], [9], [1, 1]]
    """
    batch: list[_T] = []
    used = 0
    for item in items:
        more = size(item)
        if batch and used + more > budget:
            yield batch
            batch, used = [], 0
        batch.append(item)
        used += more
    if batch:
        yield batch


def halved(
    executor: Executor, items: Sequence[_T], work: Callable[[Sequence[_T]], Sequence[_R]], alone: Callable[[_T], _R]
) -> list[_R]:
    """``work(items)``; where memory is short, that of each half; `alone` of an item for which there is too little.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> def short(items):
    ...     if sum(items) > 4:
    ...         raise MemoryError
    ...     return items
    >>> halved(HostExecutor(), [1, 3, 9, 4], short, lambda item: -item)
    [1, 3, -9, 4]
    """
    try:
        with executor.errors():
            return list(work(items))
    except (MemoryError, DeviceMemoryExceeded):
        pass  # out of the handler, the arrays of the attempt are gone
    executor.release()
    if len(items) == 1:
        return [alone(items[0])]
    middle = len(items) // 2
    return [found for half in (items[:middle], items[middle:]) for found in halved(executor, half, work, alone)]
