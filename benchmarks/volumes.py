"""`mmip compress` on real volumes and a 1 GB phantom: time, ratio, peak memory, PSNR per stage; rivals at equal PSNR.

    python benchmarks/volumes.py [--phantom-gb 1.0] [--threads 1]

Each compression runs in a process of its own, so that its peak memory is its own (RssAnon, sampled every 20 ms; the
interpreter and its libraries take about 50 MB of it). JPEG 2000 and HTJ2K (slice by slice, one thread, in the same run)
are brought to the PSNR that we reached; on the phantom they code every 16th slice, and their bytes and times are scaled
up. Writes results/volumes.csv.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from studies import data_folder, write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.rows import RIVALS, checksum, psnr, rival_at_psnr, timed, unsigned_slices
from mmip_gpu.quality.metrics import format_table

CASES = {"ct_ge_head_4mm": 55.0, "mr_uih_t1_brain": 45.0}
RIVAL_STRIDE = 16


def child(source: str, store: str, db: float, threads: int) -> None:
    """Compress in this process and print what it took; the measured part of one case."""
    done = threading.Event()
    peak = [0]

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    report = mmip.write_zarr(source, store, psnr=db, threads=threads, progress=False)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    print(json.dumps({"seconds": seconds, "peak_bytes": peak[0], "report": report}))


def own_memory() -> int:
    """Bytes of this process's own memory now (RssAnon: the pages of the mapped source file are not in it)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def compress(source: str, store: Path, db: float, threads: int) -> dict[str, Any]:
    """Run `child` in a fresh process."""
    command = [sys.executable, __file__, "--child", source, str(store), str(db), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def stage_rows(name: str, array: Any, store: Path, result: dict[str, Any], raw: int) -> list[dict[str, Any]]:
    """One row a stage: bytes as stored, PSNR over a sample of slices, read time."""
    rows = []
    picked = np.arange(0, array.shape[0], max(array.shape[0] // 64, 1))
    original = np.stack([array[int(z)] for z in picked])
    stages = len(mmip.open_zarr(str(store)).report["stages"])
    for stage in range(1, stages + 1):
        volume = mmip.open_zarr(str(store), stages=stage)
        start = time.perf_counter()
        decoded = np.empty(original.shape, original.dtype)
        for i, z in enumerate(picked):
            decoded[i] = volume[int(z)]
        rows.append(
            {
                "image": name,
                "codec": f"mmip stage {stage}",
                "bytes": volume.bytes_needed,
                "ratio": raw / volume.bytes_needed,
                "psnr_db": psnr(original, decoded),
                "seconds": result["seconds"] if stage == stages else None,
                "encode_mb_s": raw / 1e6 / result["seconds"] if stage == stages else None,
                "peak_memory_mb": result["peak_bytes"] / 1e6 if stage == stages else None,
                "slice_reads_seconds": time.perf_counter() - start,
            }
        )
    return rows


def rival_rows(name: str, array: np.ndarray, target: float, raw: int) -> list[dict[str, Any]]:
    """JPEG 2000 and HTJ2K at the PSNR that we reached."""
    rows = []
    for rival in RIVALS:
        level, size, found, streams = rival_at_psnr(rival, array, target)
        planes = unsigned_slices(array)
        _, encode, _ = timed(lambda r=rival, p=planes, v=level: [r.encode(x, v) for x in p], 3)
        _, decode, _ = timed(lambda r=rival, s=streams: [r.decode(x) for x in s], 3)
        scale = raw / array.nbytes
        rows.append(
            {
                "image": name,
                "codec": rival.name,
                "bytes": int(size * scale),
                "ratio": array.nbytes / size,
                "psnr_db": found,
                "seconds": encode * scale,
                "encode_mb_s": array.nbytes / 1e6 / encode,
                "decode_mb_s": array.nbytes / 1e6 / decode,
            }
        )
    return rows


def run_case(name: str, source: str, array: Any, db: float, threads: int, folder: Path) -> list[dict[str, Any]]:
    """All rows of one volume."""
    store = folder / f"{name}.zarr"
    result = compress(source, store, db, threads)
    raw = int(np.prod(array.shape, dtype=np.int64)) * np.dtype(array.dtype).itemsize
    rows = stage_rows(name, array, store, result, raw)
    big = raw > 2**28
    sample = (
        np.stack([array[z] for z in range(RIVAL_STRIDE // 2, array.shape[0], RIVAL_STRIDE)])
        if big
        else np.asarray(array)
    )
    rows += rival_rows(name, sample, rows[-1]["psnr_db"], raw)
    shutil.rmtree(store)
    return [
        row | {"shape": "x".join(map(str, array.shape)), "dtype": str(array.dtype), "data": checksum(sample)}
        for row in rows
    ]


def main() -> None:
    """All cases, table, rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phantom-gb", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--child", nargs=3, metavar=("SOURCE", "STORE", "DB"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], options.child[1], float(options.child[2]), options.threads)
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        images = data_folder()
        for name, db in CASES.items() if images else ():
            array = np.load(images / f"{name}.npy", mmap_mode="r")
            rows += run_case(name, str(images / f"{name}.npy"), array, db, options.threads, Path(folder))
        slices = max(int(options.phantom_gb * 1e9 / (1024 * 1024 * 2)) // 16 * 16, 16)
        shape = (slices, 1024, 1024)
        source = Path(folder) / "phantom3d.npy"  # making the noise takes longer than coding it: outside the clock
        volume = np.lib.format.open_memmap(source, "w+", np.uint16, shape)
        for z in range(slices):
            volume[z] = mmip.Phantom3D(shape)[z]
        volume.flush()
        rows += run_case("phantom3d", str(source), np.load(source, mmap_mode="r"), 55.0, options.threads, Path(folder))
    columns = (
        "image",
        "codec",
        "bytes",
        "ratio",
        "psnr_db",
        "seconds",
        "encode_mb_s",
        "decode_mb_s",
        "peak_memory_mb",
    )
    print(format_table(rows, columns))
    print(f"wrote {write_rows('volumes', rows).name}")


if __name__ == "__main__":
    main()
