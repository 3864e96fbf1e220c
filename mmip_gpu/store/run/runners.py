"""Choice of a runner: threads of this process, a device or a cluster; and a bar that shows how far it is.

Values: a number of threads, a device, or what leads to a cluster in; a Runner out. Guarantees that all call the same
tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mmip_gpu.device.run.placement import wants_device
from mmip_gpu.store.job.tasks import Runner
from mmip_gpu.store.run.cluster_runner import ClusterRunner
from mmip_gpu.store.run.threads import Threads
from mmip_gpu.store.run.workers import ClientLike, connected

__all__ = ["progress_bar", "running"]


@contextmanager
def running(client: ClientLike | None, threads: int, device: str | None = None) -> Iterator[Runner]:
    """Give what runs tasks: threads of this process, its device, or a cluster (arguments of `workers.connected`).

    Raises
    ------
    InvalidArgument
        For another device than "cpu" or "gpu".
    BackendUnavailable
        Without CuPy, a driver or a GPU, where one is asked for here.
    """
    gpu = wants_device(device, [])
    if client is not None:
        with connected(client) as found:
            yield ClusterRunner(found, gpu)
    elif gpu:
        from mmip_gpu.store.run.device_runner import DeviceRunner

        yield DeviceRunner.of_current_device(Threads(threads))
    else:
        yield Threads(threads)


@contextmanager
def progress_bar(name: str, chunk_count: int | None, run: Runner, progress: bool | None) -> Iterator[Callable[[], Any]]:
    """Show a bar on stderr, or nothing (None: where it is a terminal); gives what moves it by one chunk.

    Without a number of chunks it counts and shows the time; of a plan, the blocks that were looked through.
    """
    shown = sys.stderr.isatty() if progress is None else progress
    if not shown:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=chunk_count, unit="chunk", desc=name, leave=chunk_count is not None) as bar:
        if chunk_count is not None and isinstance(run, ClusterRunner):
            bar.write(f"dashboard: {run.client.dashboard_link}", file=sys.stderr)
        yield bar.update
