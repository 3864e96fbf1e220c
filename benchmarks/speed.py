"""Encode and decode speed of one core against HTJ2K and JPEG 2000 at equal PSNR, and where our time goes.

    python benchmarks/speed.py [--megabytes 64]
    python benchmarks/speed.py --against PYTHON [--megabytes 4] [--rounds 7] [--cases TEXT]

Our rate is that of a chunk whose plan is known (what a store does for every chunk), without verification. All codecs
run one thread in this process, one after the other (ours once more with two); medians of 5, the spread is
(max - min) / median. Rivals are set to the PSNR of our effort 2. Then what a target costs: whole calls of `encode`, in
turns (whole_calls.py; with --calls nothing else). Writes results/speed.csv, profile.csv and whole_calls.csv.

With `--against` the mmip_gpu of this interpreter is the new build and that of another environment's PYTHON the old one
(install both in the same way, with equal versions of other packages). Whole calls of the public face are made in turns,
old, new, old again, in processes that are new in each round. Figures are processor time and medians of the rounds. The
spread is that of the old build against itself. Status 1 where a case is slower by more than 2 % and than the spread, or
where a result differs by a byte. Writes results/against.csv; a selection by `--cases` writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import against
import numpy as np
import whole_calls
from hot_loops import decode_runs
from studies import data_folder, write_rows

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.bench.ours import plan_of
from mmip_gpu.bench.rows import RIVALS, checksum, psnr, rival_at_psnr, timed, unsigned_slices
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.payload import parts_of
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.transform.analysis import analyze, prepare
from mmip_gpu.transform.chunk import decode_chunk, encode_chunk
from mmip_gpu.transform.plan import ChunkPlan

LARGE = "mr_uih_t1_brain, 22 times"  # 253 MB of real data, 16 bit
TARGETS = {
    "mr_uih_t1_brain": (40.0, 45.0),
    LARGE: (42.0,),
    "ct_ge_head_4mm": (52.0,),
    "niivue_chris_t1": (42.0,),
    "phantom3d": (55.0,),
}

_DECODE_PARTS = (
    *("checks of sub-streams", "unpack stage 1", "unpack later stages"),
    "synthesize (dequantize, inverse, store)",
)


def images(megabytes: float) -> dict[str, np.ndarray]:
    """The test volumes that are at hand, and a phantom of this size."""
    found = {}
    folder = data_folder()
    for name in TARGETS:
        if folder and (folder / f"{name}.npy").exists():
            found[name] = np.load(folder / f"{name}.npy")
    if "mr_uih_t1_brain" in found:
        found[LARGE] = np.tile(found["mr_uih_t1_brain"], (22, 1, 1))
    slices = max(int(megabytes * 1e6 / (512 * 512 * 2)) // 8 * 8, 8)
    found["phantom3d"] = mmip.phantom3d((slices, 512, 512))
    return found


def our_row(name: str, array: np.ndarray, plan: ChunkPlan, label: str) -> tuple[dict[str, Any], float]:
    """Rate and size of one plan; the round trip is checked outside the clock."""
    encoded, encode, spread = timed(lambda: encode_chunk(array, plan, threads=1))
    _, encode_2, _ = timed(lambda: encode_chunk(array, plan, threads=2))
    payloads = encoded.payloads
    decoded, decode, _ = timed(lambda: decode_chunk(encoded.header, parts_of(payloads), Wanted(), Limits(1)))
    _, decode_2, _ = timed(lambda: decode_chunk(encoded.header, parts_of(payloads), Wanted(), Limits(2)))
    found = psnr(array, decoded)
    if plan.lossless and not np.array_equal(array, decoded):
        raise RuntimeError("lossless round trip differs")
    ours = row(name, label, array, encoded.size, found, encode, decode, spread)
    megabytes = array.nbytes / 1e6
    return ours | {"encode_2_threads_mb_s": megabytes / encode_2, "decode_2_threads_mb_s": megabytes / decode_2}, found


def row(
    name: str,
    codec: str,
    array: np.ndarray,
    size: int,
    found: float,
    encode: float,
    decode: float,
    spread: float,
) -> dict[str, Any]:
    """One line of the table."""
    megabytes = array.nbytes / 1e6
    return {
        "image": name,
        "codec": codec,
        "bits_per_sample": 8 * size / array.size,
        "psnr_db": found,
        "encode_mb_s": megabytes / encode,
        "decode_mb_s": megabytes / decode,
        "encode_2_threads_mb_s": "",
        "decode_2_threads_mb_s": "",
        "encode_spread": spread,
    }


def rivals(name: str, array: np.ndarray, target: float) -> list[dict[str, Any]]:
    """The rivals at this PSNR."""
    rows = []
    planes = unsigned_slices(array)
    for rival in RIVALS:
        if name == LARGE and rival.name.startswith("JPEG 2000"):
            continue  # a quarter of an hour for what the volume itself tells
        level, size, found, streams = rival_at_psnr(rival, array, target)
        _, encode, spread = timed(lambda r=rival, v=level: [r.encode(p, v) for p in planes], 3)
        _, decode, _ = timed(lambda r=rival, s=streams: [r.decode(x) for x in s], 3)
        rows.append(row(name, rival.name, array, size, found, encode, decode, spread))
    return rows


def profile(name: str, array: np.ndarray, plan: ChunkPlan, label: str) -> list[dict[str, Any]]:
    """Seconds of each pass over one chunk, one thread."""
    analysis, seconds, _ = timed(lambda: analyze(prepare(array, plan, 1), plan, None))
    times = {"analyze (transform, modes, quantize)": seconds}
    for stage in range(1, len(plan.cuts) + 1):
        _, times[f"pack stage {stage}"], _ = timed(lambda s=stage: analysis.chunk.pack(s, 1))
    runs = decode_runs(encode_chunk(array, plan, threads=1, allow_raw=False), 6)[1:]  # into memory used before
    times |= dict(zip(_DECODE_PARTS, np.median(runs, axis=0)[1:].tolist(), strict=True))
    return [
        {
            "image": name,
            "target": label,
            "pass": key,
            "seconds": t,
            "mb_s": array.nbytes / 1e6 / t,
            "data": checksum(array),
        }
        for key, t in times.items()
    ]


def study_calls(megabytes: float) -> None:
    """Whole calls of all images but the largest; tables, rows."""
    found = [
        row | {"data": checksum(array)}
        for name, array in images(megabytes).items()
        for target in TARGETS[name]
        if name != LARGE
        for row in whole_calls.call_rows(name, array, target)
    ]
    print(format_table(found, [c for c in found[0] if c != "data"]))
    print(f"wrote {write_rows('whole_calls', found).name}")


def study(megabytes: float) -> None:
    """All images, tables, rows."""
    rows: list[dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []
    for name, array in images(megabytes).items():
        for target in TARGETS[name]:
            found = {}
            for effort in (1, 2, 3):
                plan = plan_of(array, psnr=target, effort=effort)
                label = f"mmip effort {effort} ({_core.selected_kernels()})"
                ours, found[effort] = our_row(name, array, plan, label)
                rows.append(ours | {"data": checksum(array)})
                profiles += profile(name, array, plan, f"{target} dB, effort {effort}")
            rows += [r | {"data": checksum(array)} for r in rivals(name, array, found[2])]
        plan = plan_of(array, lossless=True, stages=3)
        rows.append(our_row(name, array, plan, "mmip lossless, 3 stages")[0] | {"data": checksum(array)})
        profiles += profile(name, array, plan, "lossless")
    print(format_table(rows, [c for c in rows[0] if c != "data"]))
    print(format_table(profiles, ["image", "target", "pass", "seconds", "mb_s"]))
    print(f"wrote {write_rows('speed', rows).name}, {write_rows('profile', profiles).name}")


def main() -> int:
    """The study, or two builds against each other; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, help="size of the phantom (64; 4 with --against)")
    parser.add_argument("--against", metavar="PYTHON", help="interpreter of the environment with the old build")
    parser.add_argument("--calls", action="store_true", help="whole calls alone")
    parser.add_argument("--rounds", type=int, default=7, choices=range(1, against.MOST_ROUNDS + 1), metavar="N")
    parser.add_argument("--cases", default="", metavar="TEXT", help="only cases whose name has this text")
    options = parser.parse_args()
    if options.against:
        return against.run(options.against, options.megabytes or 4.0, options.rounds, options.cases)
    if not options.calls:
        study(options.megabytes or 64.0)
    study_calls(options.megabytes or 64.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
