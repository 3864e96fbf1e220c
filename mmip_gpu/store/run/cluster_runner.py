"""Runner of tasks on the workers of a Dask cluster.

Values: a client in; a Runner out, which is called as the one with threads is.
Guarantees tasks of a few kilobytes. For each thread of the workers at most two are under way; more wait here, as
coordinates. A task whose worker died runs on another, and a chunk that fails does not keep the others from being done.
store/job/tasks.py says what a task does.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mmip_gpu.container.header import Header
from mmip_gpu.errors import MmipError, StoreError
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.job.task_samples import SourceBoxes, TaskSamples, task_boxes
from mmip_gpu.store.job.tasks import CheckChunk, Task, WholeChunk, WriteChunk
from mmip_gpu.store.run.dask_blocks import DaskBoxes, groups_by_block
from mmip_gpu.store.run.pickling import pickled, unpickled

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["ClusterRunner", "Outcome", "Submission", "in_groups", "items_together"]

Outcome: TypeAlias = tuple[Any, Any, str | None]
"""What a task was done for, what it gave, and what went wrong."""

NOWHERE = "none"  # in place of the worker of a task that died with it, or never began
_TASKS_PER_THREAD = 2
_SAMPLES_OF_A_TASK = 2**24  # chunks of fewer samples go together: a task takes scheduler and client 2.5 ms
_MOST_CHUNKS_OF_A_TASK = 64
_TASKS_OF_A_JOB = 16  # at least, for each thread of the workers, so that all of them end together
_MOST_FAILURES = 32
_NAMED_FAILURES = 8
_RECOUNT_SECONDS = 2.0


class Submission(Protocol):
    """Sends a group of items to the cluster as one task, which gives (worker, seconds, outcomes)."""

    def groups(self, items: Iterable[Any]) -> Iterator[Sequence[Any]]:
        """Put items together that go into a task."""

    def __call__(self, group: Sequence[Any]) -> Future:
        """Send a group."""


@dataclass
class ClusterRunner:
    """Runs tasks on a cluster; `workers` holds what each of them did: chunks and seconds.

    With `on_device` every worker codes on its current CUDA device, which is the first that CUDA_VISIBLE_DEVICES shows
    it: dask-cuda sets that for each of its workers.
    """

    client: Client
    on_device: bool = False
    workers: dict[str, dict[str, float]] = field(default_factory=dict)

    def __call__(self, task: Task, items: Iterable[Coordinates], done: Callable[[Coordinates, Any], None]) -> None:
        """Run a task for all items.

        Raises
        ------
        StoreError
            Where chunks failed, with their coordinates, after all others were done (or 32 failed); or the cluster
            was lost.
        """
        if isinstance(task, WriteChunk) and task.keep and _lazy_boxes(task):
            left: list[Coordinates] = []

            def sort(at: Coordinates, header: Header[Any] | None) -> None:
                left.append(at) if header is None else done(at, header)

            # Before any block is computed: a task of a chunk that is whole would come with its block all the same.
            self._run_all(WholeChunk(task.store), items, sort)
            items = left
        self._run_all(task, items, done)

    def _run_all(self, task: Task, items: Iterable[Coordinates], done: Callable[[Coordinates, Any], None]) -> None:
        failures: list[tuple[Coordinates, str]] = []
        submit = _ChunkTasks(self.client, task, self.on_device)
        with contextlib.closing(self.results(submit, items, failures)) as results:
            for worker, seconds, outcomes in results:
                sums = self.workers.setdefault(worker, {"chunks": 0, "seconds": 0.0})
                sums["chunks"] += sum(result is not None for _, result, _ in outcomes)
                sums["seconds"] += seconds
                for at, result, problem in outcomes:
                    if problem is None:
                        done(at, result)
                    else:
                        failures.append((at, problem if worker == NOWHERE else f"{problem} (worker {worker})"))
        if failures:
            raise _failed(failures)

    def results(
        self, submit: Submission, items: Iterable[Any], failures: list[tuple[Any, str]]
    ) -> Generator[tuple[str, float, list[Outcome]], None, None]:
        """Yield what the tasks give, with a bounded number of them under way, until too many chunks failed."""
        from distributed import as_completed

        waiting = submit.groups(items)
        pending: dict[Future, Sequence[Any]] = {}
        finished: Any = as_completed(with_results=True, raise_errors=False, loop=self.client.loop)
        limit = _TaskLimit(self.client)
        try:
            while True:
                while len(pending) < limit.tasks() and len(failures) < _MOST_FAILURES:
                    group = next(waiting, None)
                    if group is None:
                        break
                    future = submit(group)
                    pending[future] = group
                    finished.add(future)
                if not pending:
                    return
                for future, result in finished.next_batch():
                    group = pending.pop(future)
                    if future.status == "finished":
                        yield result
                    elif future.status == "error":
                        problem = f"{type(result[1]).__name__}: {result[1]}"
                        yield NOWHERE, 0.0, [(at, None, problem) for at in group]
                    elif future.status == "lost" and self.client.status == "running":
                        pending[future] = group  # its worker died with the result: the scheduler has it run again
                        finished.add(future)
                    else:
                        raise ConnectionError(f"a task is {future.status}")
        except MmipError:
            raise
        except Exception as error:  # a cluster that goes away raises many things
            raise StoreError(
                f"the Dask cluster was lost ({error}); run the same job again: whole chunks are kept"
            ) from error
        finally:
            if pending and self.client.status == "running":
                self.client.cancel(list(pending))


class _TaskLimit:
    """How many tasks may be under way: by the threads of the workers, which come and go."""

    def __init__(self, client: Client) -> None:
        self._client, self._until, self._tasks = client, 0.0, 0

    def tasks(self) -> int:
        if time.monotonic() >= self._until:
            self._tasks = _TASKS_PER_THREAD * max(sum(self._client.nthreads().values()), 1)
            self._until = time.monotonic() + _RECOUNT_SECONDS
        return self._tasks


class _ChunkTasks:
    """Sends groups of chunks to workers: a task that is packed once, and the samples of Dask arrays by their keys."""

    def __init__(self, client: Client, task: Task, on_device: bool) -> None:
        self._client, self._data, self._on_device = client, pickled(task), on_device
        verb = type(task).__name__.removesuffix("Chunk").lower()
        self._name = f"mmip-{verb}-{uuid.uuid4().hex}"
        self._lazy = {kind: DaskBoxes(boxes) for kind, boxes in _lazy_boxes(task).items()}
        self._grid = task.store.description.grid

    def groups(self, items: Iterable[Coordinates]) -> Iterator[Sequence[Coordinates]]:
        """Chunks of a task each: those of a block of a Dask array, or a number that keeps tasks long enough."""
        count = self._grid.chunk_count
        if self._lazy:
            fair = -(-count // max(sum(self._client.nthreads().values()), 1))
            return groups_by_block(self._lazy, items, max(min(fair, _MOST_CHUNKS_OF_A_TASK), 1))
        together = items_together(self._client, count, prod(self._grid.chunks), _SAMPLES_OF_A_TASK)
        return in_groups(items, together)

    def __call__(self, group: Sequence[Coordinates]) -> Future:
        name: Any = f"{self._name}-{'-'.join(map(str, group[0]))}"
        if not self._lazy:
            return self._client.submit(_run, self._data, self._on_device, list(group), key=name, pure=False)
        from dask import delayed

        lazy_samples = {kind: boxes.lazy(group[0]) for kind, boxes in self._lazy.items()}
        starts = {kind: start for kind, (start, _) in lazy_samples.items()}
        samples = {kind: block for kind, (_, block) in lazy_samples.items()}
        run = delayed(_run, pure=False)
        lazy = run(self._data, self._on_device, list(group), starts, dask_key_name=name, **samples)
        found: Future = self._client.compute(lazy, optimize_graph=False)
        return found


def _lazy_boxes(task: Task) -> dict[str, SourceBoxes]:
    """Those of the task's source and mask that are Dask arrays."""
    if isinstance(task, CheckChunk | WholeChunk):
        return {}
    job = task.job if isinstance(task, WriteChunk) else task.write.job
    found = task_boxes(task.store.description.grid, job)
    return {kind: boxes for kind, boxes in found.items() if hasattr(boxes.source.origin, "__dask_graph__")}


def in_groups(items: Iterable[Any], count: int) -> Iterator[Sequence[Any]]:
    """Items, so many at a time."""
    waiting = iter(items)
    while group := list(islice(waiting, count)):
        yield group


def items_together(client: Client, count: int, samples: int, most_samples: int) -> int:
    """How many of `count` items of so many samples go into a task: few enough for all threads to have some."""
    threads: int = sum(client.nthreads().values())
    fair = count // (max(threads, 1) * _TASKS_OF_A_JOB)
    return max(min(most_samples // max(samples, 1), fair, _MOST_CHUNKS_OF_A_TASK), 1)


def _run(
    data: bytes,
    on_device: bool,
    group: Sequence[Coordinates],
    starts: Mapping[str, tuple[int, ...]] | None = None,
    **samples: Any,
) -> tuple[str, float, list[Outcome]]:
    """Run a task on a worker, of samples that begin at `starts`: (address, seconds, what came of each chunk)."""
    from distributed import get_worker

    started = time.perf_counter()
    task: Any = unpickled(data)
    if starts:
        task = task.with_samples(**{kind: TaskSamples(starts[kind], found) for kind, found in samples.items()})
    results = _on_device(task, group) if on_device else {}
    outcomes: list[Outcome] = [(at, result, None) for at, result in results.items()]
    for at in group:
        if at in results:
            continue
        try:
            outcomes.append((at, task(at), None))
        except Exception as error:  # the job names the chunk and goes on with the others
            outcomes.append((at, None, f"{type(error).__name__}: {error}"))
    return get_worker().address, time.perf_counter() - started, outcomes


def _on_device(task: Task, group: Sequence[Coordinates]) -> dict[Coordinates, Any]:
    """Results of the chunks of a group that the device of this worker gave; a failure there is left to the CPU to name.

    Raises
    ------
    BackendUnavailable
        On a worker without a GPU.
    """
    from mmip_gpu.store.run.device_runner import DeviceRunner
    from mmip_gpu.store.run.threads import Threads

    results: dict[Coordinates, Any] = {}
    runner = DeviceRunner.of_current_device(Threads(1))
    with contextlib.suppress(MmipError):
        runner(task, group, results.__setitem__)
    return results


def _failed(failures: Sequence[tuple[Coordinates, str]]) -> StoreError:
    named = "; ".join(f"chunk {at}: {' '.join(problem.split())}" for at, problem in sorted(failures)[:_NAMED_FAILURES])
    more = len(failures) - _NAMED_FAILURES
    rest = f"; and {more} more" if more > 0 else ""
    return StoreError(f"{len(failures)} chunks failed, the others are kept; run the same job again: {named}{rest}")
