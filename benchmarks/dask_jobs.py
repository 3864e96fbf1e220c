"""`write_zarr` on a Dask cluster of this machine: scaling, cost of a task, memory of the workers, and a 10 TB model.

    python benchmarks/dask_jobs.py [--scaling-mb 256] [--most-chunks 10000] [--volume-gb 4] [--repeats 3]

Workers are processes of one thread; the scheduler and the client share the cores with them. `scaling`: a phantom in a
.npy file at quality 10, and the T1 brain, side by side in a Zarr store, at 45 dB; effort 1, chunks of 64x128x128, runs
with 1 and 2 workers in turn, medians; the seconds of the plan, which the client makes alone, are measured apart and
left out of the efficiency. Processor seconds of workers and of scheduler with client (one process) hold on a busy
machine, too: `efficiency_cpu` is what they allow. `tasks`: chunks of 32 KB of a phantom that is made as it is read,
with one in a task and with 32, against the same on one thread without a cluster; `serial_ms_chunk` is the
processor time of scheduler and client, which bounds how many chunks a second any number of workers gets. `memory`:
largest resident memory of one worker that lived for this job alone (VmHWM). `volume`: a phantom that exists only chunk
by chunk; the peaks of all workers added. `model`: 10 TB on 100 workers, from these and the assumptions that its row
names. Writes results/dask_jobs.csv. Clocks hold on a quiet machine only; `load` tells.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from distributed import Client, LocalCluster
from studies import tiled_brain, write_rows

import mmip_gpu as mmip
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.store.run import cluster_runner as tasks
from mmip_gpu.store.write import write as writing

OPTIONS: dict[str, Any] = {"quality": 10, "effort": 1}
BRAIN = "mr_uih_t1_brain, in Zarr"
SMALL = (16, 32, 32)
MODEL_BYTES, MODEL_WORKERS = 10e12, 100
MODEL_TOGETHER = tasks._SAMPLES_OF_A_TASK // (64 * 256 * 256)
LIMIT_GB = 2.0
CHUNK = (64, 128, 128)
CLOCKS = ("seconds", "plan_seconds", "worker_cpu_seconds", "serial_cpu_seconds")


@contextmanager
def workers(count: int) -> Iterator[Client]:
    """A cluster of worker processes that did nothing but import the library."""
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        client.run(_import)
        yield client


def _import() -> None:
    mmip.write_zarr("phantom3d:16x32x32", {}, quality=10)


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def timed_job(source: str, client: Client | None, chunks: tuple[int, ...], **options: Any) -> dict[str, Any]:
    """Seconds and processor seconds of one job without its plan, and of the plan; its report."""
    options = {"progress": False} | (options or OPTIONS)
    described, planned = writing.described_job, [0.0, 0.0]

    def watched(*planning: Any) -> Any:
        start, cpu = time.perf_counter(), time.process_time()
        found = described(*planning)
        planned[:] = [time.perf_counter() - start, time.process_time() - cpu]
        return found

    def worker_seconds() -> float:
        return 0.0 if client is None else sum(client.run(time.process_time).values())

    with tempfile.TemporaryDirectory() as folder:
        writing.described_job = watched
        try:
            before = worker_seconds()
            start, cpu = time.perf_counter(), time.process_time()
            report = mmip.write_zarr(source, folder, client=client, chunks=chunks, threads=1, **options)
            seconds, serial = time.perf_counter() - start, time.process_time() - cpu
        finally:
            writing.described_job = described
    return {
        "seconds": seconds - planned[0],
        "plan_seconds": planned[0],
        "serial_cpu_seconds": serial - planned[1],
        "worker_cpu_seconds": worker_seconds() - before,
        "report": report,
    }


def sources(megabytes: int, folder: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Name, path and options of the volumes that are coded; each in a file or a store of its own."""
    side = 64 * max(round((megabytes * 2**20 / 2 / 128) ** 0.5 / 64), 1)
    np.save(folder / "phantom.npy", mmip.phantom3d((128, side, side)))
    yield "phantom3d", folder / "phantom.npy", OPTIONS
    brain = tiled_brain((128, side, side))
    if brain is not None:
        stored = zarr.create_array(folder / "brain.zarr", shape=brain.shape, dtype=brain.dtype, chunks=CHUNK)
        stored[:] = brain
        yield BRAIN, folder / "brain.zarr", {"psnr": 45, "effort": 1}


def scaling(megabytes: int, repeats: int) -> list[dict[str, Any]]:
    """Rates with 1 and 2 workers, in turn, so that both meet the same neighbours."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, workers(1) as one, workers(2) as two:
        for name, path, options in sources(megabytes, Path(folder)):
            runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
            for _ in range(repeats):
                for count, client in ((1, one), (2, two)):
                    runs[count].append(timed_job(str(path), client, CHUNK, **options))
            rows += scaling_rows(name, runs)
    return rows


def scaling_rows(name: str, runs: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Medians of the runs of one volume, a row for each number of workers."""
    found = {
        count: {key: statistics.median(run[key] for run in done) for key in CLOCKS} for count, done in runs.items()
    }
    size = runs[1][0]["report"]["raw_bytes"] / 1e6
    return [
        {"study": "scaling", "source": name, "workers": count, "volume_mb": size}
        | clocks
        | {
            "mb_s_worker": size / clocks["seconds"] / count,
            "mb_s_job": size / (clocks["seconds"] + clocks["plan_seconds"]),
            "efficiency": found[1]["seconds"] / clocks["seconds"] / count,
            "efficiency_cpu": found[1]["worker_cpu_seconds"]
            / (clocks["worker_cpu_seconds"] + clocks["serial_cpu_seconds"]),
        }
        for count, clocks in found.items()
    ]


def task_cost(chunk_count: int) -> list[dict[str, Any]]:
    """What a chunk and a task cost beyond the coding."""
    source = f"phantom3d:{16 * chunk_count}x32x32"
    alone = timed_job(source, None, SMALL)["seconds"]
    rows = []
    before = tasks._MOST_CHUNKS_OF_A_TASK
    with workers(1) as client:
        for together in (1, 32):
            tasks._MOST_CHUNKS_OF_A_TASK = together
            found = timed_job(source, client, SMALL)
            rows.append(
                {
                    "study": "tasks",
                    "workers": 1,
                    "chunks": chunk_count,
                    "chunks_a_task": together,
                    "seconds": found["seconds"],
                    "coding_seconds": alone,
                    "overhead_ms_chunk": (found["seconds"] - alone) / chunk_count * 1e3,
                    "serial_ms_chunk": found["serial_cpu_seconds"] / chunk_count * 1e3,
                }
            )
    tasks._MOST_CHUNKS_OF_A_TASK = before
    return rows


def memory(counts: list[int]) -> list[dict[str, Any]]:
    """Largest memory of one worker against the number of chunks."""
    rows = []
    for count in counts:
        with workers(1) as client:
            idle = client.run(_peak_bytes)
            seconds = timed_job(f"phantom3d:{16 * count}x32x32", client, SMALL)["seconds"]
            peak = client.run(_peak_bytes)
        rows.append(
            {
                "study": "memory",
                "workers": 1,
                "chunks": count,
                "seconds": seconds,
                "idle_mb": max(idle.values()) / 1e6,
                "peak_mb": max(peak.values()) / 1e6,
            }
        )
    return rows


def large_volume(gigabytes: float) -> dict[str, Any]:
    """Peak memory of all workers together on a volume that no process ever holds."""
    slices = 64 * max(round(gigabytes * 1e9 / 2 / 256**2 / 64), 1)
    with workers(2) as client:
        found = timed_job(f"phantom3d:{slices}x256x256", client, (64, 256, 256))
        peaks = client.run(_peak_bytes)
    total, report, seconds = sum(peaks.values()) / 1e9, found["report"], found["seconds"]
    return {
        "study": "volume",
        "workers": 2,
        "volume_mb": report["raw_bytes"] / 1e6,
        "chunks": report["chunk_count"],
        "seconds": seconds,
        "mb_s_worker": report["raw_bytes"] / 1e6 / seconds / 2,
        "peak_mb": total * 1e3,
        "within": "yes" if total < LIMIT_GB else "no",
    }


def model(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """10 TB on 100 workers: the longer of coding, and of handing out tasks, which one process does."""
    rate = next(r["mb_s_worker"] for r in rows if r["study"] == "scaling" and r["workers"] == 1) * 1e6
    cost = next(r["serial_ms_chunk"] for r in rows if r["study"] == "tasks" and r["chunks_a_task"] == 1) / 1e3
    chunks = MODEL_BYTES / (64 * 256 * 256 * 2)
    coding, handing = MODEL_BYTES / (MODEL_WORKERS * rate), chunks / MODEL_TOGETHER * cost
    return {
        "study": "model",
        "workers": MODEL_WORKERS,
        "volume_mb": MODEL_BYTES / 1e6,
        "chunks": round(chunks),
        "seconds": max(coding, handing),
        "coding_seconds": coding,
        "handing_out_seconds": handing,
        "assumes": "workers of one thread at the rate of one worker here; scheduler and client on one core together; "
        f"chunks of 8 MB, {MODEL_TOGETHER} in a task; a source and a store that keep up with "
        f"{MODEL_WORKERS * rate / 1e9:.1f} GB/s; no plan that reads the whole array (psnr without data_range, otsu)",
    }


def main() -> None:
    """All studies, table, rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scaling-mb", type=int, default=256)
    parser.add_argument("--most-chunks", type=int, default=10_000)
    parser.add_argument("--volume-gb", type=float, default=4.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = scaling(options.scaling_mb, options.repeats)
    rows += task_cost(min(1000, options.most_chunks))
    rows += memory([n for n in (100, 1000, 10_000) if n <= options.most_chunks])
    rows += [large_volume(options.volume_gb), model(rows)]
    for row in rows:
        row["load"] = os.getloadavg()[0]
    columns = [c for c in dict.fromkeys(key for row in rows for key in row) if c != "assumes"]
    print(format_table(rows, columns))
    print(f"wrote {write_rows('dask_jobs', rows).name}")


if __name__ == "__main__":
    main()
