"""Time per voxel and peak memory of one chunk, from 1 MB to 1 GB, with one and two threads.

    python benchmarks/scaling.py [--most-mb 1024]

The chunk is a phantom, or the T1 brain side by side, at quality 10 in one `encode` (default options, verification
included) and one `decode`; 8-bit chunks are the upper byte of the phantom's samples. Chunks of 1 MB are also coded with
`psnr=50` at effort 2, of the brain its middle. Every size runs in a process of its own, so that the peak is its own:
RssAnon, sampled every 5 ms. `peak_chunks` is the peak of the whole call over the chunk's bytes, input and result
included, less what the process held before the chunk was read; the design allows 6 at 16 bit and 12 at 8 bit. Writes
results/scaling.csv. Processor time holds on a busy machine; the clock, and what a second thread gains, do not: `load`
tells how many processes wanted a core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from studies import tiled_brain, write_rows
from volumes import own_memory

import mmip_gpu as mmip
from mmip_gpu.bench.rows import checksum
from mmip_gpu.quality.metrics import format_table

LIMIT_CHUNKS = {"uint16": 6.0, "uint8": 12.0}
BRAIN = "mr_uih_t1_brain"
QUALITY: dict[str, Any] = {"quality": 10}
SMALL: dict[str, Any] = {"psnr": 50, "effort": 2}  # of chunks of 1 MB
MEGABYTES = {
    ("phantom3d", "uint16"): (1, 4, 16, 64, 256, 1024),
    ("phantom3d", "uint8"): (16, 128),
    (BRAIN, "uint16"): (1, 4, 16, 64, 256),
}
_LEAST_SECONDS = 0.5  # small chunks are coded again until this has passed


def peak_of(work: Callable[[], Any]) -> tuple[Any, int]:
    """(result, largest memory of this process while it was made)."""
    done, peak = threading.Event(), [own_memory()]

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return result, max(peak[0], own_memory())


def fastest(work: Callable[[], Any]) -> tuple[float, float]:
    """(seconds, processor seconds) of the fastest run."""
    runs: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while not runs or time.perf_counter() - begin < _LEAST_SECONDS:
        start, cpu = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - start, time.process_time() - cpu))
    return min(runs)


def child(source: str, threads: int, target: dict[str, Any]) -> None:
    """Code the array of this file and print what it took. Memory first: later runs reuse pages."""
    mmip.decode(mmip.encode(np.zeros((8, 8, 8), np.uint16), **target))
    before = own_memory()
    array = np.load(source)
    blob, encode_peak = peak_of(lambda: mmip.encode(array, threads=threads, **target))
    decoded, decode_peak = peak_of(lambda: mmip.decode(blob, threads=threads))
    same = decoded.shape == array.shape
    del decoded
    encode = fastest(lambda: mmip.encode(array, threads=threads, **target))
    decode = fastest(lambda: mmip.decode(blob, threads=threads))
    voxels = array.size / 1e9
    print(
        json.dumps(
            {
                "bits_per_sample": 8 * len(blob) / array.size,
                "encode_ns_voxel": encode[0] / voxels,
                "encode_cpu_ns_voxel": encode[1] / voxels,
                "decode_ns_voxel": decode[0] / voxels,
                "decode_cpu_ns_voxel": decode[1] / voxels,
                "encode_peak_chunks": (encode_peak - before) / array.nbytes,
                "decode_peak_chunks": (decode_peak - before) / array.nbytes,
                "shape_kept": same,
            }
        )
    )


def make_chunk(source: str, megabytes: int, dtype: str) -> np.ndarray | None:
    """A chunk of about this size, slices of 1:4 to their sides; None where the source is not at hand."""
    samples = megabytes * 2**20 // np.dtype(dtype).itemsize
    side = 64 * max(round((samples * 4) ** (1 / 3) / 64), 1)
    shape = (max(samples // (side * side), 1), side, side)
    if source == BRAIN:
        return tiled_brain(shape)
    volume = mmip.phantom3d(shape)
    return volume if dtype == "uint16" else (volume >> 8).astype(dtype)


def measured_rows(source: str, dtype: str, megabytes: int, folder: Path) -> list[dict[str, Any]]:
    """One size with one and two threads, and a chunk of 1 MB by a second target."""
    volume = make_chunk(source, megabytes, dtype)
    if volume is None:
        return []
    path = folder / "chunk.npy"
    np.save(path, volume)
    rows = []
    for target in [QUALITY, SMALL] if megabytes == 1 else [QUALITY]:
        for threads in (1, 2):
            command = [sys.executable, __file__, "--child", str(path), str(threads), json.dumps(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            if not found.pop("shape_kept"):
                raise RuntimeError(f"{source}, {megabytes} MB: the decoded shape differs")
            facts = {
                "source": source,
                "target": ", ".join(f"{name} {value}" for name, value in target.items()),
                "dtype": dtype,
                "mb": volume.nbytes / 1e6,
                "shape": "x".join(map(str, volume.shape)),
                "threads": threads,
            }
            largest = max(found["encode_peak_chunks"], found["decode_peak_chunks"])
            verdict = {
                "load": os.getloadavg()[0],
                "limit_chunks": LIMIT_CHUNKS[dtype],
                "within": "yes" if largest <= LIMIT_CHUNKS[dtype] else "no",
            }
            rows.append(facts | found | verdict | {"data": checksum(volume)})
            print(" ".join(map(str, facts.values())), f"{found['encode_cpu_ns_voxel']:.2f} ns/voxel", flush=True)
    return rows


def main() -> None:
    """All sizes, table, rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most-mb", type=int, default=1024, help="largest chunk")
    parser.add_argument("--child", nargs=3, metavar=("FILE", "THREADS", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]), json.loads(options.child[2]))
        return
    os.nice(5)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for (source, dtype), sizes in MEGABYTES.items():
            for megabytes in sizes:
                if megabytes <= options.most_mb:
                    rows += measured_rows(source, dtype, megabytes, Path(folder))
    print(format_table(rows, [c for c in rows[0] if c != "data"]))
    print(f"wrote {write_rows('scaling', rows).name}")


if __name__ == "__main__":
    main()
