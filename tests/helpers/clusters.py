"""A Dask cluster of real processes on loopback, and the small job that tests hand to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mmip_gpu as mmip
from helpers.cluster_sources import Volume  # workers import it by this name, too
from helpers.phantom_stores import chunk_bytes
from helpers.places import TESTS

ROOT = Path(mmip.__file__).parents[1]
SHAPE = (40, 64, 64)
NAME = "phantom3d:40x64x64"
SMALL: dict[str, Any] = {"quality": 20, "chunks": (16, 32, 32), "progress": False}
CHUNKS = 12
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}"}


class Cluster:
    """A scheduler and workers, each a process of its own on loopback."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.file.unlink(missing_ok=True)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_for(self.file.exists)
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self) -> None:
        self.workers.append(self._start("worker", "--no-nanny", "--nthreads", "1", "--death-timeout", "20"))

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard"]
        command += ["--scheduler-file", str(self.file), *options]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=quiet, stderr=quiet)
        self.processes.append(process)
        return process

    def client(self) -> Any:
        import distributed

        return distributed.Client(scheduler_file=str(self.file), set_as_default=False)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def records(folder: Path) -> int:
    return sum(key.startswith("chunk/") for key in chunk_bytes(folder))


def met(event: str, folder: Path, at: tuple[int, int, int] = (16, 32, 0)) -> Volume:
    return Volume(SHAPE, str(folder), event, at, os.getpid())


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
