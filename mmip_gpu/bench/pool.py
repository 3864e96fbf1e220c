"""Several jobs at a time, their results in the order in which they were asked for.

Values: pairs of a `BenchImage` and a `Job` in; each with its results out. With one worker results come at once, with
several when those before are there. Processor times hold for any number; times of the wall are those of a busy machine.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType

from mmip_gpu.bench.child import Worker
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.job import Job, Measured

__all__ = ["Pool"]

_AHEAD = 3  # jobs of each worker that may be done before the one that is waited for


class Pool:
    """So many workers."""

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._stack = ExitStack()
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()

    def __enter__(self) -> Pool:
        if self._count > 1:
            self._threads = self._stack.enter_context(ThreadPoolExecutor(self._count))
        self._workers = [self._stack.enter_context(Worker()) for _ in range(self._count)]
        for worker in self._workers:
            self._free.put(worker)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._stack.close()

    def results(self, work: Iterable[tuple[BenchImage, Job]]) -> Iterator[tuple[BenchImage, Job, Iterable[Measured]]]:
        """Yield each job with its results."""
        if self._count == 1:
            yield from ((image, job, self._workers[0].measured(image, job)) for image, job in work)
            return
        running: deque[tuple[BenchImage, Job, Future[list[Measured]]]] = deque()
        for image, job in work:
            running.append((image, job, self._threads.submit(self._measured, image, job)))
            if len(running) > _AHEAD * self._count:
                yield _done(*running.popleft())
        while running:
            yield _done(*running.popleft())

    def _measured(self, image: BenchImage, job: Job) -> list[Measured]:
        worker = self._free.get()
        try:
            return list(worker.measured(image, job))
        finally:
            self._free.put(worker)


def _done(image: BenchImage, job: Job, results: Future[list[Measured]]) -> tuple[BenchImage, Job, list[Measured]]:
    return image, job, results.result()
