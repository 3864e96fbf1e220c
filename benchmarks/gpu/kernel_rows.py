"""The time of every kernel of a batch, and what it had to move over its time, against copies on the device.

Values: a batch's work on an executor in; rows out. A kernel's time is the median of three batches; before each launch
the cache is filled with other data.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from gpu.data import nonzero_share
from gpu.run import Run
from gpu.traffic import Work, cost_of, moved
from mmip_gpu.device.run.clocks import MeasuredExecutor
from mmip_gpu.transform.plan import ChunkPlan

_REPEATS = 3


class KernelRows:
    """The rows of one point: `row` says which, `copies` is the bandwidth of copies where it was measured."""

    def __init__(
        self, run: Run, row: dict[str, Any], array: np.ndarray, plan: ChunkPlan, batch: int, copies: float | None
    ) -> None:
        self._run, self._plan, self._copies = run, plan, copies
        self._fields = {name: row[name] for name in ("data", "mode", "dtype")}
        self._fields["megabytes"] = array.nbytes * batch / 1e6
        z, y, x = plan.tile_log2
        self._work = Work(
            samples=array.size * batch,
            itemsize=array.itemsize,
            depth=plan.depth,
            nonzeros=nonzero_share(array, plan),
            bits=row["bits_per_sample"],
            ac_stages=len(plan.cuts) - 1,
            tile=1 << (z + y + x),
        )

    def measure(self, code: Callable[[Any], Any], whole: float) -> None:
        """Rows of the kernels; `whole` is what the batch takes without marks: what is not in kernels is a row, too."""
        measured = MeasuredExecutor(self._run.executor)
        batches = []
        for _ in range(1 if self._run.small else _REPEATS):
            code(measured)
            batches.append(measured.times())
        inside = 0.0
        for kernel, (launches, _) in batches[0].items():
            seconds = statistics.median(times[kernel][1] for times in batches)
            inside += seconds
            self._add(kernel, launches, seconds)
        self._add("outside kernels", 0, whole - inside)

    def _add(self, kernel: str, launches: int, seconds: float) -> None:
        needed, more = moved(kernel, self._work), {}
        if needed is not None:
            cost = cost_of(kernel, self._work, self._plan.lossless)
            more = {"mb_moved": needed / 1e6, "gb_s": needed / seconds / 1e9, "operations_sample": cost.operations}
            if self._copies:
                more["of_copy"] = needed / seconds / self._copies
        per_sample = 1e9 * seconds / self._work.samples
        launched = {"kernel": kernel, "launches": launches, "seconds": seconds, "per_sample_ns": per_sample}
        self._run.add("kernels", **self._fields, **launched, **more)
