"""Runner that codes the chunks of a store in batches on a device, by the plan of the job.

Values: a task and chunk coordinates in; what the task gives for each chunk out. It stands beside threads and clusters
(store/run/runners.py). Guarantees the chunks that they write, byte for byte. Several batches are under way, each on
its own stream, at most as large as the device's memory allows. Where that is short a batch is halved, down to a chunk,
which then is coded on the CPU, with a warning. Chunks of a plan that the kernels do not encode are coded on threads.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmip_gpu.codecs import codec_for
from mmip_gpu.container.header import Header
from mmip_gpu.device.encode.arrays import SAMPLE_BYTES
from mmip_gpu.device.encode.batch import refusal
from mmip_gpu.device.encode.predictive import encode_predicted
from mmip_gpu.device.encode.trial_samples import DeviceSamples, encode_together
from mmip_gpu.device.lanes import KERNEL_LANES, Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.store.group.chunk_header import with_origin
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.staged_form import StagedForm
from mmip_gpu.store.job.tasks import Runner, Task, WriteChunk
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["DeviceRunner"]


@dataclass(frozen=True)
class DeviceRunner:
    """Runs the writing of chunks on a device, and other tasks on threads.

    Parameters
    ----------
    threads : Runner
        What runs tasks on the CPU.
    executor : Executor
        Where the batches are coded.
    """

    threads: Runner
    executor: Executor

    @classmethod
    def of_current_device(cls, threads: Runner) -> DeviceRunner:
        """Runner on the current CUDA device.

        Raises
        ------
        BackendUnavailable
            Without CuPy, a driver or a device.
        """
        return cls(threads, CudaExecutor())

    def __call__(self, task: Task, items: Iterable[Coordinates], done: Callable[[Coordinates, Any], None]) -> None:
        """Call the task for all coordinates, in batches."""
        if not isinstance(task, WriteChunk) or _is_refused(task.store.description):
            self.threads(task, items, done)
            return

        def needed() -> Iterator[Coordinates]:
            for at in items:
                header = task.kept(at)
                if header is None:
                    yield at
                else:
                    done(at, header)

        def coded(lane: Lane, batch: Sequence[Coordinates]) -> list[tuple[Coordinates, Header[Any]]]:
            return _write_batch(task, lane, batch)

        def on_cpu(at: Coordinates) -> tuple[Coordinates, Header[Any]]:
            found = f"the device is out of memory ({self.executor.room()} bytes free)"
            warnings.warn(f"chunk {at}: {found}: coded on the CPU", RuntimeWarning, stacklevel=2)
            return at, task.write(at, task.encoded(at))

        itemsize, grid = task.job.source.dtype.itemsize, task.store.description.grid

        def size(at: Coordinates) -> int:
            samples = math.prod(int(s.stop - s.start) for s in grid.region(at))
            return samples * (SAMPLE_BYTES + int(itemsize))

        batches = cut_batches(needed(), size, budget(self.executor, KERNEL_LANES))
        for at, header in through_lanes(self.executor, batches, coded, alone=on_cpu):
            done(at, header)


def _is_refused(description: StoreDescription) -> bool:
    """Whether no kernels encode the chunks of a store; warns of it."""
    config = description.plan.config
    if isinstance(description.form, StagedForm):
        what = refusal(description.of_chunk((0, 0, 0, 0)).plan, description.dtype)
    else:
        what = None if codec_for(config).has_encoding_kernels else f"method {config.method!r}"
    if what is not None:
        warnings.warn(f"no kernels encode {what}: the CPU does", RuntimeWarning, stacklevel=3)
    return what is not None


def _write_batch(task: WriteChunk, lane: Lane, batch: Sequence[Coordinates]) -> list[tuple[Coordinates, Header[Any]]]:
    """Read chunks, code them together and write them."""
    description = task.store.description
    originals = [task.job.read(description.grid.region(at)) for at in batch]
    held = iter(lane.upload([array for pair in originals for array in pair if array is not None]))
    samples = [DeviceSamples(lane, next(held), None if classes is None else next(held)) for _, classes in originals]
    if isinstance(description.form, StagedForm):
        encoded = encode_together(
            [Trial.of(s) for s in samples], [description.of_chunk(at).plan for at in batch], allow_raw=False
        )
    else:
        plans = [replace(description.form.plan, allow_raw=False)] * len(batch)
        encoded = encode_predicted(lane, [s.array for s in samples], plans, 1)
    return [
        (at, task.write(at, with_origin(chunk, *origin)))
        for at, chunk, origin in zip(batch, encoded, originals, strict=True)
    ]
