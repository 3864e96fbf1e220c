"""One part of a GPU run, in a process of its own: where its kernels run, its rows, and the time that it has.

Values: an executor and a folder in; rows out. The facts of the device go into a file beside the rows, for the process
that started this one and opens no device itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gpu.places import HERE
from gpu.rows import Rows
from mmip_gpu.bench.machine import machine_facts
from mmip_gpu.device.run.cuda import open_cupy
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Executor, HostExecutor

_FACTS = "gpu_facts.json"


def device_facts(executor: Executor) -> dict[str, str]:
    """What runs the kernels, and the software around it; says so where that is no GPU."""
    facts = {"device": "none: kernels run on the CPU", "driver": "", "cuda": "", "cupy": ""}
    if not isinstance(executor, HostExecutor):
        cupy = open_cupy()
        runtime = cupy.cuda.runtime
        name = runtime.getDeviceProperties(runtime.getDevice())["name"]
        facts = {
            "device": name.decode() if isinstance(name, bytes) else str(name),
            "driver": _version(runtime.driverGetVersion()),
            "cuda": _version(runtime.runtimeGetVersion()),
            "cupy": cupy.__version__,
        }
    return facts | machine_facts(HERE)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def kept_facts(folder: Path) -> dict[str, str]:
    """What a part has found of the device; what needs none where no part came so far."""
    try:
        found: dict[str, str] = json.loads((folder / _FACTS).read_text())
    except (OSError, ValueError):
        return machine_facts(HERE)
    return found


def has_facts(folder: Path) -> bool:
    """Whether a part has opened what it runs on."""
    return (folder / _FACTS).exists()


def forget_facts(folder: Path) -> None:
    """Leave none of an earlier run."""
    (folder / _FACTS).unlink(missing_ok=True)


class Run(Rows):
    """A part: where kernels run, where rows go, how much time there is."""

    def __init__(self, executor: Executor, folder: Path, seconds: float, *, small: bool = False) -> None:
        super().__init__(folder, device_facts(executor))
        self.executor, self.seconds, self.small = executor, seconds, small
        self._started = time.monotonic()
        unfinished = folder / f"{_FACTS}.{os.getpid()}"
        unfinished.write_text(json.dumps(self.facts))
        unfinished.replace(folder / _FACTS)

    @property
    def on_gpu(self) -> bool:
        """Whether numbers of this run are those of a GPU."""
        return isinstance(self.executor, CudaExecutor)

    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self._started)

    def in_time(self, part: str, items: Sequence[Any], name: Callable[[Any], str]) -> Iterator[Any]:
        """The items while there is time; those for which there is none are named."""
        for index, item in enumerate(items):
            if self.left() <= 0:
                for late in items[index:]:
                    self.skip(part, name(late), "no time left")
                return
            yield item
