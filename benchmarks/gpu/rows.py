"""Rows of a GPU run that outlive it, the facts of the device in every row, and the time that is left.

Values: dicts in, CSV files out: one for each table, written row by row as they come. What was not done is named.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studies import HERE

from mmip_gpu.bench.machine import machine_facts
from mmip_gpu.device.run.cuda import open_cupy
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Executor, HostExecutor

Row = dict[str, Any]

COLUMNS: dict[str, tuple[str, ...]] = {
    "checks": ("check", "case", "outcome"),
    "ceilings": ("what", "megabytes", "gb_s"),
    "kernels": (
        *("data", "mode", "dtype", "megabytes", "kernel", "launches", "seconds", "mb_moved", "gb_s", "of_copy"),
        *("per_sample_ns", "operations_sample"),
    ),
    "rates": (
        *("data", "mode", "dtype", "chunk_mb", "batch", "bits_per_sample", "encode_gb_s", "decode_gb_s"),
        *("encode_host_gb_s", "decode_host_gb_s", "cpu_encode_gb_s", "cpu_decode_gb_s", "cpu_threads"),
    ),
    "host": (
        *("mode", "chunk_mb", "batch", "host_threads", "encode_ms", "encode_waits", "encode_uploads"),
        *("decode_ms", "decode_waits", "decode_uploads"),
    ),
    "rivals": ("codec", "data", "dtype", "megabytes", "bits_per_sample", "psnr_db", "encode_gb_s", "decode_gb_s"),
    "targets": ("target", "wanted", "found", "met"),
    "skipped": ("part", "what", "why"),
}


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


@dataclass
class Run:
    """One run of the script: where kernels run, where rows go, how much time there is, and what went wrong."""

    executor: Executor
    folder: Path
    seconds: float
    small: bool = False
    started: float = field(default_factory=time.monotonic)
    failures: list[str] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def __post_init__(self) -> None:
        self.facts = device_facts(self.executor)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, columns in COLUMNS.items():
            with self._path(name).open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow([*columns, *self.facts])

    @property
    def on_gpu(self) -> bool:
        """Whether numbers of this run are those of a GPU."""
        return isinstance(self.executor, CudaExecutor)

    def _path(self, table: str) -> Path:
        return self.folder / f"gpu_{table}.csv"

    def add(self, table: str, **row: Any) -> Row:
        """Write a row; values that were not measured stay empty."""
        unknown = row.keys() - set(COLUMNS[table])
        if unknown:
            raise KeyError(f"{table}: no columns {sorted(unknown)}")
        self.rows[table].append(row)
        texts = [f"{v:.6g}" if isinstance(v, float) else v for v in (row.get(c, "") for c in COLUMNS[table])]
        with self._path(table).open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([*texts, *self.facts.values()])
        return row

    def left(self, share: float = 1.0) -> float:
        """Seconds until this share of the time is spent."""
        return self.seconds * share - (time.monotonic() - self.started)

    def skip(self, part: str, what: str, why: str) -> None:
        """Name what was not done."""
        self.add("skipped", part=part, what=what, why=why)
        print(f"skipped: {part}: {what}: {why}", flush=True)

    def fail(self, check: str, case: str, text: str) -> None:
        """Name a difference; the script ends with an error."""
        self.failures.append(f"{check}: {case}: {text}")
        self.add("checks", check=check, case=case, outcome=text)
        print(f"DIFFERENT: {check}: {case}: {text}", flush=True)

    def in_time(self, part: str, items: Sequence[Any], name: Callable[[Any], str], share: float = 1.0) -> Iterator[Any]:
        """The items while there is time; those for which there is none are named."""
        for index, item in enumerate(items):
            if self.left(share) <= 0:
                for late in items[index:]:
                    self.skip(part, name(late), "no time left")
                return
            yield item
