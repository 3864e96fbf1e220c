"""Roofline: what memory and arithmetic of this machine allow, and what each part of coding reaches on one thread.

    python benchmarks/roofline.py [--megabytes 64] [--repeats 5]

Ceilings, with one thread and with all. Memory: `copy` (np.copyto: one array read, one written) and `triad` (a = b + s c
by two calls of NumPy: three arrays read, two written), on arrays of 134 MB, which threads share. Arithmetic: `product`,
float32 matrices of 1536 x 1536 by the BLAS of NumPy (2 n^3 operations). It fuses products with additions and takes the
widest vectors of the machine; our kernels take vectors of 8 and round each product, so that every machine gives the
same bytes: for them it is a high ceiling.

Kernels are the parts of coding a chunk: `analyze` (transform, choice of blocks, quantization), `pack` (entropy coding
of all stages), and what Chunk.decode reports: `check` (CRCs), `unpack first` (DCs), `unpack later` (tokens) and
`synthesize` (dequantization, inverse transform, samples). Seconds are medians, spread = (max - min) / median; those of
`analyze` are of the whole call, its new memory included. Efforts 2 and 3 differ from effort 1 in `analyze` alone.

Bytes are those that a kernel must read and write once, whichever memory they lie in (tokens of a tile stay in a cache):
samples, payloads, 6 bytes an index that was found (position, value), 8 a token, 16 a span of tokens, and what belongs
to a cell. gpu/traffic.py counts them for the kernels of a GPU, whose structs are the same.

Operations are the additions, products, comparisons and shifts of FORMAT.md sections 2, 4 and 5: the transform (50 a
line of 8 and axis; 168 without loss), 1 a sample for the offset, 4 to quantize it, or 4 to round, shift and clip it,
and 3 to dequantize an index. `counted` says whether a kernel runs all of these, more (at least: analysis tries other
blocks, too) or fewer (at most: synthesis leaves out zeros). Entropy coding has tokens (nonzero AC, or DCs) instead.

The phantom, and the brain MR repeated to the same size where it is at hand. Takes about a minute. Writes
results/roofline.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from gpu.traffic import Work, moved, transform_operations
from hot_loops import decode_runs, tokens_of, volumes
from studies import write_rows
from tqdm import tqdm

from mmip_gpu.bench.ours import plan_of
from mmip_gpu.bench.rows import checksum, timed
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.transform.analysis import analyze, prepare
from mmip_gpu.transform.chunk import encode_chunk

ARRAY_BYTES, SIDE = 2**27, 1536
TARGETS = {"phantom3d": 58.0, "mr_uih_t1_brain": 45.0}
MODES: dict[str, dict[str, Any]] = {
    **{f"effort {effort}": {"effort": effort} for effort in (1, 2, 3)},
    "effort 1, 20 dB better": {"effort": 1},
    "lossless": {"lossless": True, "stages": 3},
}
_DECODED = ("check", "unpack first", "unpack later", "synthesize")
_CODED_AT = ("effort 1", "effort 1, 20 dB better", "lossless")
_ENTRY, _CELL = 6, 8  # bytes of an index as analysis leaves it; DC, mode, class and count of a cell
Row = dict[str, Any]


def options_of(name: str, mode: str) -> dict[str, Any]:
    """Options of a mode for this volume."""
    target = TARGETS[name] + (20 if "better" in mode else 0)
    return MODES[mode] | ({} if mode == "lossless" else {"psnr": target})


def counts(kernel: str, work: Work, payloads: Sequence[int], lossless: bool) -> Row:
    """Bytes that a kernel must move for this work, its operations (None: it has none to count), and its tokens."""
    tokens, flat = work.samples * work.nonzeros, work.depth == 1
    transform = transform_operations(work.depth, lossless)
    found: Row = {"operations": None, "counted": "", "tokens": None}
    if kernel == "analyze":
        each = 1 + transform + (0 if lossless else 4)
        found |= {"bytes": moved("analyze_planes" if flat else "analyze_volumes", work)}
        return found | {"operations": work.samples * each, "counted": "all" if lossless else "at least"}
    if kernel == "synthesize":
        found |= {"bytes": moved("synthesize_flat" if flat else "synthesize_deep", work)}
        operations = work.samples * (transform + 4) + 3 * tokens
        return found | {"operations": operations, "counted": "all" if lossless else "at most"}
    if kernel == "pack":
        return found | {"bytes": tokens * _ENTRY + work.cells * _CELL + sum(payloads), "tokens": tokens + work.cells}
    if kernel == "check":
        return found | {"bytes": moved("check_groups", work)}
    if kernel == "unpack first":
        return found | {"bytes": payloads[0] + work.cells * (4 + 1), "tokens": work.cells}
    later = replace(work, bits=8 * sum(payloads[1:]) / work.samples)
    return found | {"bytes": moved("unpack_tokens", later), "tokens": tokens}


def kernel_rows(name: str, mode: str, array: np.ndarray, repeats: int) -> Iterator[Row]:
    """The kernels of one volume in one mode."""
    plan = plan_of(array, **options_of(name, mode))
    prepared = prepare(array, plan, 1)
    analysis, *found = timed(lambda: analyze(prepared, plan, None), repeats)
    times: dict[str, Sequence[float]] = {"analyze": found}
    encoded = encode_chunk(array, plan, threads=1, allow_raw=False)
    if mode in _CODED_AT:
        stages = range(1, len(plan.cuts) + 1)
        _, *times["pack"] = timed(lambda: [analysis.chunk.pack(stage, 1) for stage in stages], repeats)
        runs = np.array(decode_runs(encoded, repeats + 1))[1:, 1:]  # the first warms up; without the whole
        middle = np.median(runs, axis=0)
        times |= dict(zip(_DECODED, zip(middle, np.ptp(runs, axis=0) / middle, strict=True), strict=True))
    sizes = [len(payload) for payload in encoded.payloads]
    work = Work(
        samples=array.size,
        itemsize=array.itemsize,
        depth=plan.depth,
        nonzeros=tokens_of(encoded)[0] / array.size,
        bits=8 * sum(sizes) / array.size,
        ac_stages=len(sizes) - 1,
    )
    facts = {"part": "kernel", "volume": name, "mode": mode, "threads": 1, "samples": array.size}
    facts |= {"bits_per_sample": work.bits, "data": checksum(array)}
    for kernel, (seconds, spread) in times.items():
        yield {"what": kernel} | facts | counts(kernel, work, sizes, plan.lossless) | _rates(seconds, spread)


def _rates(seconds: float, spread: float) -> Row:
    return {"seconds": float(seconds), "spread": float(spread)}


def memory_rows(threads: int, repeats: int) -> Iterator[Row]:
    """Copy and triad; each thread has its own part of the arrays."""
    parts = [[np.ones(ARRAY_BYTES // 4 // threads, np.float32) for _ in range(3)] for _ in range(threads)]

    def triad(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
        np.multiply(c, np.float32(3), out=a)
        np.add(a, b, out=a)

    ways: dict[str, tuple[int, Callable[..., None]]] = {
        "copy": (2, lambda a, b, _: np.copyto(a, b)),
        "triad": (5, triad),
    }
    with ThreadPoolExecutor(threads) as pool:
        for what, (arrays, work) in ways.items():
            _, *found = timed(lambda work=work: list(pool.map(lambda part: work(*part), parts)), repeats)
            facts = {"part": "ceiling", "what": what, "threads": threads, "bytes": arrays * ARRAY_BYTES}
            yield facts | _rates(*found)


def product_row(threads: int, repeats: int) -> Row:
    """The product of matrices, in a process whose BLAS has so many threads."""
    limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, "--product", "--repeats", str(repeats)]
    done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True, check=True)
    facts = {"part": "ceiling", "what": "product", "threads": threads, "operations": 2 * SIDE**3}
    return facts | json.loads(done.stdout)


def product(repeats: int) -> Row:
    """The same in this process, and whose BLAS it is."""
    matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    out = np.empty_like(matrix)
    _, *found = timed(lambda: np.matmul(matrix, matrix, out=out), repeats)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index, call-overload]
    return _rates(*found) | {"blas": f"{blas['name']} {blas['version']}"}


def main() -> None:
    """Ceilings, kernels, table, rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=64.0, help="size of a volume")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--product", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.product:
        print(json.dumps(product(options.repeats)))
        return
    rows: list[Row] = []
    for threads in sorted({1, os.cpu_count() or 1}):
        rows += [*memory_rows(threads, options.repeats), product_row(threads, options.repeats)]
    found = volumes(options.megabytes)
    for name, mode in tqdm([(name, mode) for name in found for mode in MODES], unit="mode"):
        rows += kernel_rows(name, mode, found[name], options.repeats)
    load = {"load": os.getloadavg()[0]}
    rows = [row | load for row in rows]
    print(format_table(rows, ["what", "volume", "mode", "threads", "seconds", "spread", "bytes", "operations"]))
    print(f"wrote {write_rows('roofline', rows).name}")


if __name__ == "__main__":
    main()
