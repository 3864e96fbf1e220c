"""Seconds of the hot loops of a decode, per token and per kilobyte, and how two threads compare with one.

    python benchmarks/hot_loops.py [--megabytes 64] [--repeats 7]

Volumes: phantom3d, and mr_uih_t1_brain repeated to the same size where it is at hand; both at about 0.5 and 1 bit a
sample and lossless with three stages. Processor time of this process, least of the repeats: other work on the machine
disturbs it least. The parts are those that Chunk.decode reports. benchmarks/HOT_LOOPS.md tells what was tried.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from studies import data_folder

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.bench.ours import plan_of
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.payload import parts_of
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.transform.analysis import empty_chunk
from mmip_gpu.transform.chunk import decode_chunk, encode_chunk

TARGETS = {"phantom3d": (56.5, 60.0), "mr_uih_t1_brain": (40.2, 44.5)}


def volumes(megabytes: float) -> dict[str, np.ndarray]:
    """16-bit volumes of about this size."""
    slices = max(int(megabytes * 1e6 / (512 * 512 * 2)) // 8 * 8, 8)
    found = {"phantom3d": mmip.phantom3d((slices, 512, 512))}
    folder = data_folder()
    name = "mr_uih_t1_brain"
    if folder and (folder / f"{name}.npy").exists():
        array = np.load(folder / f"{name}.npy")
        times = max(round(megabytes * 1e6 / array.nbytes), 1)
        found[name] = np.concatenate([array[:: (-1) ** i] for i in range(times)])
    return found


def decode_runs(encoded: Encoded, repeats: int) -> list[list[float]]:
    """Processor seconds of decodes into memory that was used before, and the seconds of their parts, on one thread."""
    header, fields = encoded.header, encoded.header.fields
    info = np.iinfo(header.dtype)
    out = np.zeros((header.layout.planes, *header.layout.volume), header.dtype)
    runs = []
    for _ in range(repeats):
        chunk = empty_chunk(fields, header.layout)
        start = time.process_time()
        parts = chunk.decode(encoded.payloads, True, 1, fields.offset, int(info.min), int(info.max), out, 1)
        runs.append([time.process_time() - start, *parts])
    return runs


def tokens_of(encoded: Encoded) -> tuple[int, int]:
    """(tokens, block headers) of all stages."""
    chunk = empty_chunk(encoded.header.fields, encoded.header.layout)
    headers = tokens = 0
    for stage, payload in enumerate(encoded.payloads, 1):
        chunk.unpack(stage, payload, True, False, 1)
        if stage > 1:
            counts = chunk.count_symbols(stage, 1)
            headers += sum(counts[0])
            tokens += sum(counts[1])
    return tokens, headers


def speed_up(encoded: Encoded, repeats: int) -> float:
    """Time of one thread over that of two, new memory included."""
    least = []
    for threads in (1, 2):
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            decode_chunk(encoded.header, parts_of(encoded.payloads), Wanted(), Limits(threads))
            times.append(time.perf_counter() - start)
        least.append(min(times))
    return least[0] / least[1]


def row(name: str, array: np.ndarray, options: dict[str, Any], repeats: int) -> dict[str, Any]:
    """One line of the table."""
    encoded = encode_chunk(array, plan_of(array, **options))
    tokens, headers = tokens_of(encoded)
    total, checks, first, later, synthesis = np.min(decode_runs(encoded, repeats), axis=0).tolist()
    kilobytes = array.nbytes / 1024
    return {
        "volume": name,
        "bits": 8 * encoded.size / array.size,
        "decode_mb_s": array.nbytes / 1e6 / total,
        "tokens_per_block": tokens / max(headers, 1),
        "checks_ns_kb": checks / kilobytes * 1e9,
        "stage_1_ns_kb": first / kilobytes * 1e9,
        "later_ns_kb": later / kilobytes * 1e9,
        "later_ns_token": later / max(tokens, 1) * 1e9,
        "synthesis_ns_kb": synthesis / kilobytes * 1e9,
        "two_threads": speed_up(encoded, repeats),
    }


def main() -> None:
    """All volumes, one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=64.0)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    rows = []
    for name, array in volumes(options.megabytes).items():
        for target in TARGETS[name]:
            rows.append(row(name, array, {"psnr": target}, options.repeats))
        rows.append(row(f"{name} lossless", array, {"lossless": True, "stages": 3}, options.repeats))
    print(f"kernels: {_core.selected_kernels()}")
    print(format_table(rows, list(rows[0])))


if __name__ == "__main__":
    main()
