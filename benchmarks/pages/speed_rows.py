"""What the tables and the figures of throughput.md are both made from: costs, rates and rows of a GPU.

Values: the rows of the studies in; nanoseconds a sample, MB/s, and points of curves out. Guarantees that a row counts
as one of a GPU only where a GPU has run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from studies import read_rows

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from pages.sections import rows_of

GPU_COMMAND = "python benchmarks/gpu.py"
NO_GPU = f"No GPU has run this: run `{GPU_COMMAND}` on a machine with one."
# What the chunk's coding is called, in the rows of the CPU and in those of a GPU (None: never run there).
CALLS = {
    "effort 1": ("mmip effort 1", "lossy, middle rate"),
    "effort 2": ("mmip effort 2", None),
    "effort 3": ("mmip effort 3", "lossy, effort 3"),
    "lossless, 3 stages": ("mmip lossless", "lossless"),
}
WAYS = ("encode", "decode")


def gpu_rows(table: str) -> list[Row]:
    """Rows that a run on a GPU has left; none of a rehearsal on a CPU."""
    return [row for row in read_rows(f"gpu_{table}") if row["device"] and not row["device"].startswith("none")]


def numbers(rows: Iterable[Row], column: str) -> list[float]:
    """What was measured of a column."""
    return [float(row[column]) for row in rows if row.get(column)]


def cpu_rates(codec: str, threads: int) -> dict[str, float]:
    """MB/s of a chunk whose plan is known: geometric means over the volumes and their PSNRs."""
    rows = [row for row in rows_of("speed") if row["codec"].startswith(codec)]
    part = "" if threads == 1 else f"{threads}_threads_"
    return {way: geometric_mean(numbers(rows, f"{way}_{part}mb_s")) for way in WAYS}


def gpu_rates(mode: str | None, places: str = "") -> dict[str, float | None]:
    """MB/s of the fastest batch of 16-bit volumes in a mode, or of the CPU beside it; None: not measured."""
    rows = [r for r in gpu_rows("rates") if r["mode"] == mode and (r["data"], r["dtype"]) == ("volume", "uint16")]
    column = "cpu_{}_gb_s" if places == "cpu" else "{}_host_gb_s" if places == "host" else "{}_gb_s"
    return {way: 1000 * max(found) if (found := numbers(rows, column.format(way))) else None for way in WAYS}


def rate_bars() -> list[dict[str, Any]]:
    """Rates of every call on the CPU, and on a GPU where one was measured."""
    bars: list[dict[str, Any]] = []
    for call, (codec, mode) in CALLS.items():
        bars += [{"name": f"{call}, CPU, {n} core{'s' * (n > 1)}", **cpu_rates(codec, n)} for n in (1, 2)]
        bars.append({"name": f"{call}, GPU", **gpu_rates(mode)})
    return bars


def samples_of(row: Row) -> int:
    """Samples of a row with a shape."""
    return math.prod(map(int, row["shape"].split("x")))


def nominal(megabytes: float) -> int:
    """The power of two that a size in MB is nearest to: sizes of different studies stand in one line."""
    return int(2 ** round(math.log2(megabytes)))


def store_cost(row: Row, way: str, clock: str = "cpu") -> float:
    """Nanoseconds a sample of writing or reading a store."""
    return float(1e3 * float(row["megabytes"]) * 1e6 / samples_of(row) / row[f"{way}_{clock}_mb_s"])


def study(name: str) -> list[Row]:
    """Points of one of the studies of whole stores."""
    return [row for row in rows_of("store_rates") if row["study"] == name]


def cost_curves() -> dict[str, dict[int, float]]:
    """Nanoseconds a 16-bit sample by the size of the array in MB: whole calls on a chunk by the clock, then stores."""
    rows = (row for row in rows_of("scaling") if row["source"] == "phantom3d" and row["target"] == "quality 10")
    chunks = [row for row in rows if row["dtype"] == "uint16"]
    curves = {
        f"{way}, {threads} thread{'s' * (threads > 1)}": {
            nominal(float(r["mb"])): float(r[f"{way}_ns_voxel"]) for r in chunks if r["threads"] == str(threads)
        }
        for way in WAYS
        for threads in (1, 2)
    }
    for way in ("write", "read"):
        curves[f"{way} a store"] = {nominal(float(row["megabytes"])): store_cost(row, way) for row in study("size")}
    return curves


def chunk_bars() -> list[dict[str, Any]]:
    """MB/s of processor time by chunk shape, smallest chunks first."""
    rows = sorted(study("chunks"), key=chunk_bytes)
    return [
        {"name": row["chunks"].replace("x", " x "), "encode": row["write_cpu_mb_s"], "decode": row["read_cpu_mb_s"]}
        for row in rows
    ]


def chunk_bytes(row: Row) -> float:
    """Bytes of a chunk of a store."""
    return math.prod(map(int, row["chunks"].split("x"))) * float(row["megabytes"]) * 1e6 / samples_of(row)


def loads(rows: Sequence[Row]) -> list[float]:
    """How many processes wanted a core while rows were measured."""
    return numbers(rows, "load")
