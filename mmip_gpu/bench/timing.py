"""Processor time, wall time and memory of a piece of work, as records state them.

Values: a function in; seconds, and bytes, out. Processor time counts all threads, and children that were waited for.
Guarantees that a median is one of up to 5 runs after one that does not count; how many is said.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Seconds", "clocked", "median_seconds", "peak_memory", "processor_seconds"]

Seconds = tuple[float, float]  # of the processor, and of the wall
_RUNS = 5
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of what getrusage counts
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def processor_seconds() -> float:
    """Processor time of this process and of the children that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def clocked(work: Callable[[], Any]) -> tuple[Any, Seconds]:
    """Return what a function gives, and how long it took."""
    cpu, wall = processor_seconds(), time.perf_counter()
    result = work()
    wall, cpu = time.perf_counter() - wall, processor_seconds() - cpu
    return result, (max(cpu, 1e-9), max(wall, 1e-9))


def median_seconds(work: Callable[[], Any], warm: Seconds, budget: float) -> dict[str, Any]:
    """Return medians of up to 5 runs, fewer where they take longer than the budget, and (max - min) / median.

    Parameters
    ----------
    work : callable
        What is timed.
    warm : tuple of float
        Times of the run before, which counts only where one more would be over the budget.
    budget : float
        Seconds of the wall for all runs.

    Examples
    --------
    >>> median_seconds(lambda: None, (1e-6, 1e-6), 1.0)["runs"]
    5
    """
    runs = [warm] if warm[1] > budget else []
    while not runs or (len(runs) < _RUNS and (len(runs) + 1) * max(wall for _, wall in [*runs, warm]) <= budget):
        runs.append(clocked(work)[1])
    cpu, wall = (statistics.median(values) for values in zip(*runs, strict=True))
    spread = (max(runs)[0] - min(runs)[0]) / cpu
    return {"cpu": cpu, "wall": wall, "runs": len(runs), "spread": spread}


def peak_memory(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return what a function gives, and the bytes that it took at its peak beside what was there before.

    Of a child that it waited for, the bytes of the largest one so far are added.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before would be taken without being seen
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5", encoding="utf-8")  # the high-water mark begins anew
    before, children = _memory("VmRSS"), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = max(_memory("VmHWM") - before, 0)
    return result, own + (after.ru_maxrss * _UNIT if after.ru_minflt > children.ru_minflt else 0)


def _memory(field: str) -> int:
    """Bytes of this process by the system's account; where it keeps none, its largest so far."""
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    found = re.search(rf"{field}:\s+(\d+) kB", _STATUS.read_text(encoding="utf-8"))
    return int(found[1]) * 1024 if found else 0
