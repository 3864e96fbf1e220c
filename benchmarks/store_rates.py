"""Rates of writing and reading whole stores: by size from 1 MB to 4 GB, by chunk shape, by threads, flushed or not.

    python benchmarks/store_rates.py [--most-mb 4096]

The volume is a phantom of 67 MB at a known step (`qstep`, effort 1): nothing is searched. Larger volumes repeat it on
an axis before the others, so that they take no memory of their own. Every point is written and read several times, and
its store is verified (`verify_zarr`) and its PSNR measured outside of the clock. `wall` rates are those of the clock,
`cpu` rates those of processor time, which load changes less. Writes results/store_rates.csv.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from studies import write_rows
from tqdm import tqdm

import mmip_gpu as mmip
from mmip_gpu.bench.rows import checksum, psnr
from mmip_gpu.quality.metrics import format_table

SHAPE, CHUNK = (128, 512, 512), (32, 128, 128)
MEGABYTES = (1, 4, 16, 64, 256, 1024, 4096)
CHUNKS = ((1, 512, 512), (8, 256, 256), (16, 64, 64), CHUNK, (64, 64, 64), (128, 128, 128), (64, 256, 256))
OPTIONS: dict[str, Any] = {"qstep": 200.0, "effort": 1}
_REPEATS, _LONG_SECONDS = 5, 10.0
_SHOWN = (
    "study", "megabytes", "chunks", "threads", "durable", "bits_per_sample", "psnr_db",
    "write_wall_mb_s", "write_cpu_mb_s", "read_wall_mb_s", "read_cpu_mb_s", "write_spread",
)  # fmt: skip


def volume_of(megabytes: int) -> np.ndarray:
    """The phantom's first slices, or the phantom again and again along a fourth axis; no copies are made."""
    phantom = mmip.phantom3d(SHAPE)
    slices = megabytes * 2**20 // phantom[0].nbytes
    if slices >= 2 * len(phantom):
        return np.broadcast_to(phantom, (slices // len(phantom), *SHAPE))
    if slices >= 8:
        return phantom[:slices]
    side = int((megabytes * 2**20 / 2 / CHUNK[0]) ** 0.5)
    return np.ascontiguousarray(phantom[: CHUNK[0], :side, :side])


def timed(work: Callable[[], Any]) -> tuple[float, float, float]:
    """(median seconds, median processor seconds, spread of the seconds); long work runs once, short five times."""
    walls, cpus = [], []
    while len(walls) < _REPEATS and sum(walls) < _LONG_SECONDS:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    wall = statistics.median(walls)
    return wall, statistics.median(cpus), (max(walls) - min(walls)) / wall


def measured_row(
    study: str, volume: np.ndarray, chunk: tuple[int, ...], threads: int, durable: bool, folder: Path
) -> dict[str, Any]:
    """One store, written and read, then verified."""
    more = OPTIONS | {"threads": threads, "durable": durable}
    path = folder / "store.zarr"
    chunks = (1,) * (volume.ndim - len(chunk)) + tuple(map(min, chunk, volume.shape[-len(chunk) :]))

    def write() -> None:
        mmip.write_zarr(volume, path, chunks=chunks, progress=False, overwrite=True, resume=False, **more)

    def read() -> None:
        opened = mmip.open_zarr(path, threads=threads)
        for start in range(0, volume.shape[0], max(volume.shape[0] // 8, 1)) if volume.ndim == 4 else (0,):
            np.asarray(opened[start : start + max(volume.shape[0] // 8, 1)] if volume.ndim == 4 else opened[...])

    write()
    writes, reads = timed(write), timed(read)
    first = (slice(0, 1),) * (volume.ndim - 3)
    original, decoded = volume[first], np.asarray(mmip.open_zarr(path)[first or ...])
    if not mmip.verify_zarr(path, progress=False)["ok"]:
        raise RuntimeError(f"{study} {volume.shape}: the store is damaged")
    stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    megabytes = volume.nbytes / 1e6
    rates = {
        f"{name}_{clock}_mb_s": megabytes / found[index]
        for name, found in (("write", writes), ("read", reads))
        for index, clock in enumerate(("wall", "cpu"))
    }
    facts = {"study": study, "megabytes": megabytes, "shape": "x".join(map(str, volume.shape))}
    facts |= {"chunks": "x".join(map(str, chunks)), "threads": threads, "durable": durable}
    facts |= {"bits_per_sample": 8 * stored / volume.size}
    last = {"psnr_db": psnr(original, decoded), "write_spread": writes[2], "read_spread": reads[2]}
    return facts | rates | last | {"load": os.getloadavg()[0], "data": checksum(original)}


def main() -> None:
    """All points, table, rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most-mb", type=int, default=max(MEGABYTES), help="largest volume")
    options = parser.parse_args()
    sizes = [size for size in MEGABYTES if size <= options.most_mb]
    middle = min(64, options.most_mb)
    points = [("size", size, CHUNK, 1, True) for size in sizes]
    points += [("chunks", middle, chunk, 1, True) for chunk in CHUNKS]
    points += [("threads", middle, CHUNK, threads, True) for threads in range(1, (os.cpu_count() or 1) + 1)]
    points += [("flushes", middle, chunk, 1, durable) for chunk in (CHUNK, CHUNKS[2]) for durable in (True, False)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for study, size, *how in tqdm(points, unit="point"):
            rows.append(measured_row(study, volume_of(size), *how, Path(folder)))
    print(format_table(rows, _SHOWN))
    print(f"wrote {write_rows('store_rates', rows).name}")


if __name__ == "__main__":
    main()
