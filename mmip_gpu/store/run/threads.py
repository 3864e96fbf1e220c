"""Runner of tasks on threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.job.tasks import Task

__all__ = ["Threads"]


@dataclass(frozen=True)
class Threads:
    """Runs tasks on threads; the first that fails ends the job."""

    count: int

    def __call__(self, task: Task, items: Iterable[Coordinates], done: Callable[[Coordinates, Any], None]) -> None:
        """Run a task for all items; what they wrote is there when it returns."""
        run_bounded(lambda at: (at, task(at)), items, self.count, lambda result: done(*result))
        task.store.group.wait()
