"""How long kernels and pipelines take where they run: by events of the device, or by the clock of the host.

Values: an executor in; seconds out. Guarantees that a measured executor launches what the one inside it would, in the
same order, and that a measured run has ended when its time is taken.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

from mmip_gpu.device.run.cuda import open_cupy, our_errors
from mmip_gpu.device.run.executors import Executor, HostExecutor

__all__ = ["Clock", "MeasuredExecutor", "clock_of", "median_seconds"]

_FILLED_BYTES = 2**29  # about 0.1 ms of an H200, longer than the host takes for a launch

_T = TypeVar("_T")


class HostClock:
    """Marks by the clock of the host."""

    def mark(self) -> float:
        """The time now."""
        return time.perf_counter()

    def seconds(self, start: float, end: float) -> float:
        """The time from one mark to another."""
        return end - start

    def fill_queue(self) -> None:
        """Do nothing: there is no queue here."""

    def wait(self) -> None:
        """Do nothing: all has run."""


class CudaClock:
    """Marks by events on CuPy's current stream: what is between them is the device's own time."""

    def __init__(self) -> None:
        self._cupy = open_cupy()
        self._filled: Any = None

    def mark(self) -> Any:
        """An event on the stream."""
        event = self._cupy.cuda.Event()
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        """Wait for the later mark; returns the time from the first."""
        with our_errors(self._cupy):
            end.synchronize()
            return float(self._cupy.cuda.get_elapsed_time(start, end)) / 1e3

    def fill_queue(self) -> None:
        """Give the device work, so that what follows is queued behind it: no gap between marks waits for the host.

        It also leaves nothing in the cache.
        """
        if self._filled is None:
            self._filled = self._cupy.empty(_FILLED_BYTES, "uint8")
        self._filled.data.memset_async(0, _FILLED_BYTES)

    def wait(self) -> None:
        """Wait for all streams of the device."""
        with our_errors(self._cupy):
            self._cupy.cuda.Device().synchronize()


Clock = HostClock | CudaClock


def clock_of(executor: Executor) -> Clock:
    """The clock of the place where an executor runs."""
    return HostClock() if isinstance(executor, HostExecutor) else CudaClock()


def median_seconds(clock: Clock, work: Callable[[], _T], repeats: int = 3) -> tuple[_T, float]:
    """(result, median seconds from the call until all that it launched has run) after a run that is not counted.

    Examples
    --------
    >>> median_seconds(HostClock(), lambda: 7)[0]
    7
    """
    result, seconds = work(), []
    for _ in range(repeats):
        clock.wait()
        start = time.perf_counter()
        result = work()
        clock.wait()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


class MeasuredExecutor:
    """An executor that remembers how long each launch took.

    Examples
    --------
    >>> MeasuredExecutor(HostExecutor()).times()
    {}
    """

    def __init__(self, executor: Executor) -> None:
        self._executor, self._clock = executor, clock_of(executor)
        self._marks: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    def launch(self, kernel: str, **values: int) -> None:
        """Launch between two marks."""
        self._clock.fill_queue()
        start = self._clock.mark()
        self._executor.launch(kernel, **values)
        self._marks.append((kernel, start, self._clock.mark()))

    def times(self) -> dict[str, tuple[int, float]]:
        """(launches, seconds) of every kernel since the last call."""
        found: dict[str, tuple[int, float]] = {}
        for kernel, start, end in self._marks:
            launches, seconds = found.get(kernel, (0, 0.0))
            found[kernel] = launches + 1, seconds + self._clock.seconds(start, end)
        self._marks.clear()
        return found
