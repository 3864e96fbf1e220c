"""Speed on images that are made to hurt, against a normal image of the same shape and dtype in the same run.

    python benchmarks/hurting.py [--missing]

Every pattern of hostile_images.py, four dtypes, 1D to 3D, five targets; one thread, processor time, the least of three
runs of the whole call (search and verification included). `encode_ratio` and `decode_ratio` are its time per sample
over that of the normal image (waves, an edge, noise of 1 % of the range) of the same shape, dtype and target; more than
10 is a fault and makes the exit status 1. A normal image of less than a bit a sample is all but empty, so that nearly
nothing is decoded of it (8-bit images at quality 10: 0.04 bit): its times are those at the lowest quality that takes a
bit, where these are longer. A container that is larger than the samples and a header is an error. Planes that are one
sample wide, or of a few samples, are such an image in another shape, against as many samples in a square.
--missing measures what has no row yet. Writes results/hurting.csv.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
from hostile_images import PATTERNS, hostile_image
from studies import Row, kept_rows, run_facts, write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.measure import Key, cpu_seconds
from mmip_gpu.bench.rows import checksum
from mmip_gpu.quality.metrics import format_table

SHAPES = ((2**18,), (512, 512), (32, 96, 96))
DTYPES = ("uint8", "int8", "uint16", "int16")
TARGETS: dict[str, dict[str, Any]] = {
    "quality 10": {"quality": 10},
    "quality 440": {"quality": 440},
    "psnr 45": {"psnr": 45},
    "psnr 45, effort 3": {"psnr": 45, "effort": 3},
    "lossless": {"lossless": True, "stages": 3},
}
THIN = (("yx", (10**6, 1)), ("zyx", (10**5, 1, 1)), ("tyx", (10**5, 1, 1)), ("tyx", (10**4, 1, 10)))
MOST = 10.0
RATIOS = ("encode_ratio", "decode_ratio")
_REPEATS = 3
_LEAST_BITS = 1.0  # a sample, of a normal image that others are compared with
_QUALITIES = (20, 40, 80, 160, 320)  # which take more and more


def normal_image(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Structure of a medical image: waves of several lengths, an edge, and noise of 1 % of the range."""
    info = np.iinfo(dtype)
    places = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
    wave = sum(np.sin(place / length) for place in places for length in (7.0, 31.0, 90.0)) / (3 * len(shape))
    values = 0.5 + 0.35 * wave + 0.1 * (wave > 0.2) + np.random.default_rng(0).normal(0, 0.01, shape)
    return (info.min + values.clip(0, 1) * (int(info.max) - int(info.min))).astype(dtype)


def least_seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """(result, processor time of the fastest run)."""
    runs = [cpu_seconds(work) for _ in range(_REPEATS)]
    return runs[-1][0], min(seconds for _, seconds in runs)


def times(array: np.ndarray, options: dict[str, Any]) -> tuple[bytes, float, float]:
    """(container, encode and decode nanoseconds a sample)."""
    blob, encode = least_seconds(lambda: mmip.encode(array, threads=1, **options))
    if len(blob) > mmip.max_encoded_size(array.shape, array.dtype):
        raise RuntimeError(f"{len(blob)} bytes for {array.nbytes} of samples of {array.dtype} {array.shape}, {options}")
    _, decode = least_seconds(lambda: mmip.decode(blob, threads=1))
    return blob, 1e9 * encode / array.size, 1e9 * decode / array.size


def normal_times(array: np.ndarray, options: dict[str, Any]) -> tuple[bytes, float, float, tuple[float, float]]:
    """(container, encode and decode nanoseconds a sample; those that others are compared with) of a normal image."""
    blob, encode, decode = times(array, options)
    base, size = (encode, decode), len(blob)
    for quality in _QUALITIES:
        if 8 * size >= _LEAST_BITS * array.size:
            break
        other, *found = times(array, {"quality": quality})
        base, size = (max(encode, found[0]), max(decode, found[1])), len(other)
    return blob, encode, decode, base


def measured_rows(shape: tuple[int, ...], dtype: str, target: str, kept: dict[Key, Row]) -> list[Row]:
    """The normal image and all patterns at one target, those that are kept as they are."""
    facts = {"shape": "x".join(map(str, shape)), "dtype": dtype, "target": target}
    found = {name: kept.get(key_of(facts | {"image": name})) for name in ("normal", *PATTERNS)}
    if all(found.values()):
        return [row for row in found.values() if row]
    base: tuple[float, float] | None = None
    for name in [name for name, row in found.items() if name == "normal" or row is None]:
        array = normal_image(shape, dtype) if name == "normal" else hostile_image(name, shape, dtype)
        if name == "normal":
            blob, encode, decode, base = normal_times(array, TARGETS[target])
        else:
            blob, encode, decode = times(array, TARGETS[target])
        assert base is not None
        spent = {"bits_per_sample": 8 * len(blob) / array.size, "encode_ns": encode, "decode_ns": decode}
        ratios = {"encode_ratio": encode / base[0], "decode_ratio": decode / base[1]}
        found[name] = found[name] or {"image": name} | facts | spent | ratios | {"data": checksum(array)}
    return [row for row in found.values() if row]


def thin_row(axes: str, shape: tuple[int, ...], dtype: str, target: str, kept: dict[Key, Row]) -> Row:
    """Thin planes, and as many samples in a square."""
    facts = {"shape": "x".join(map(str, shape)), "dtype": dtype, "target": target}
    row = {"image": f"{axes} {' x '.join(map(str, shape))}"} | facts
    if key_of(row) in kept:
        return kept[key_of(row)]
    side = math.isqrt(math.prod(shape))
    wide, thin = normal_image((side, side), dtype), normal_image(shape, dtype)
    base = normal_times(wide, TARGETS[target])[3]
    blob, encode, decode = times(thin, TARGETS[target] | {"axes": axes})
    found = {"bits_per_sample": 8 * len(blob) / thin.size, "encode_ns": encode, "decode_ns": decode}
    return row | found | {"encode_ratio": encode / base[0], "decode_ratio": decode / base[1], "data": checksum(thin)}


def key_of(row: Row) -> Key:
    """What names a row."""
    return row["image"], row["shape"], row["dtype"], row["target"]


def main() -> None:
    """All images, the slowest of each pattern, rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true", help="measure what has no row yet")
    kept = kept_rows("hurting", key_of) if parser.parse_args().missing else {}
    os.nice(5)
    facts = run_facts()
    settings = [(dtype, target) for dtype in DTYPES for target in TARGETS]
    rows = [facts | row for shape in SHAPES for pair in settings for row in measured_rows(shape, *pair, kept)]
    rows += [facts | thin_row(axes, shape, *pair, kept) for axes, shape in THIN for pair in settings]
    rows = [row | {ratio: float(row[ratio]) for ratio in RATIOS} for row in rows]
    worst = []
    for name in dict.fromkeys(row["image"] for row in rows if row["image"] != "normal"):
        own = [row for row in rows if row["image"] == name]
        worst += [max(own, key=itemgetter(ratio)) for ratio in RATIOS]
    print("slowest to encode and slowest to decode of each pattern:")
    print(format_table(worst, ["image", "shape", "dtype", "target", "bits_per_sample", *RATIOS]))
    slow = [row for row in rows if max(row[ratio] for ratio in RATIOS) > MOST]
    print(f"{len(slow)} of {len(rows)} take more than {MOST:g} times the normal time")
    print(f"wrote {write_rows('hurting', rows).name}")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
