"""The ceilings that rates are judged by: copies within the memory of the device, and over the link from pinned memory.

Values: an executor in; bytes a second out (a copy on the device counts what it reads and what it writes). On the CPU
the same copies are made in host memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpu.rows import Rows
from gpu.run import Run
from mmip_gpu.device.run.clocks import Clock, clock_of
from mmip_gpu.device.run.cuda import open_cupy

_REPEATS = 10


def copy_rate(rows: Rows) -> float | None:
    """Bandwidth of copies on the device in bytes a second, where it was measured."""
    found = [row["gb_s"] for row in rows.read("ceilings") if row["what"].startswith("copy on the device")]
    return 1e9 * max(found) if found else None


def run_ceilings(run: Run) -> None:
    """Measure and write all ceilings."""
    clock = clock_of(run.executor)
    sizes = [2**20] if run.small else [2**24, 2**28, 2**30]
    for size in sizes:
        here, there = run.executor.zeros(size, np.uint8), run.executor.empty(size, np.uint8)
        rate = 2 * size / _seconds(clock, lambda a=there, b=here: a.__setitem__(slice(None), b))
        run.add("ceilings", what="copy on the device, read and written", megabytes=size / 1e6, gb_s=rate / 1e9)
        if run.on_gpu:
            _link(run, clock, size, here)
        print(f"copy on the device, {size / 1e6:.4g} MB: {rate / 1e9:.4g} GB/s", flush=True)


def _link(run: Run, clock: Clock, size: int, held: object) -> None:
    """Both ways between pinned host memory and the device, one after the other."""
    cupy = open_cupy()
    runtime = cupy.cuda.runtime
    pinned = cupy.cuda.alloc_pinned_memory(size)
    stream = cupy.cuda.get_current_stream().ptr
    host, device = pinned.ptr, run.executor.address(held)
    ways = {
        "host to device, pinned": (device, host, size, runtime.memcpyHostToDevice, stream),
        "device to host, pinned": (host, device, size, runtime.memcpyDeviceToHost, stream),
    }
    for what, arguments in ways.items():
        rate = size / _seconds(clock, lambda a=arguments: runtime.memcpyAsync(*a))
        run.add("ceilings", what=what, megabytes=size / 1e6, gb_s=rate / 1e9)


def _seconds(clock: Clock, copy: Callable[[], object]) -> float:
    """Of one copy: the fastest of several, after one that is not counted."""
    copy()
    clock.wait()
    runs = []
    for _ in range(_REPEATS):
        start = clock.mark()
        copy()
        runs.append(clock.seconds(start, clock.mark()))
    return min(runs)
