"""Whether every requested bound holds: psnr >=, max_error <=, ratio >=, lossless ==.

    python benchmarks/bounds.py [--arrays 1000]

Random arrays of every dtype, 1D to 3D, odd sizes, and every image of $MMIP_DATA (as integers, and as float32 with a
step). Writes one row per kind of array, dtype and target to results/bounds.csv; status 1 where a bound was missed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests")]

from helpers.strategies import CONTENT, DTYPES, make  # noqa: E402
from studies import data_folder, write_rows  # noqa: E402

import mmip_gpu as mmip  # noqa: E402

IMAGE_SAMPLES = 2**20
TARGETS: dict[str, tuple[float, ...]] = {
    "psnr": (20.0, 35.5, 50.0),
    "max_error": (1.0, 2.0, 4.0, 25.5),
    "ratio": (1.5, 6.0, 20.0),
    "lossless": (0.0,),
}


@dataclass
class Tally:
    """What became of the runs of one row; `margin` is the worst distance to the bound, negative where it was missed."""

    runs: int = 0
    refused: int = 0
    missed: int = 0
    margin: float = math.inf
    ratios: list[float] = field(default_factory=list)


def random_arrays(count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Seeded content of `tests/helpers/strategies.py`, float32 among it."""
    rng = np.random.default_rng(0)
    dtypes = (*DTYPES, "float32")
    for seed in range(count):
        rank = int(rng.integers(1, 4))
        shape = tuple(int(n) for n in rng.integers(1, {1: 2000, 2: 120, 3: 33}[rank], rank))
        kind = tuple(CONTENT)[seed % len(CONTENT)]
        yield f"random {kind}", make(kind, shape, dtypes[seed // len(CONTENT) % len(dtypes)], seed)


def images() -> Iterator[tuple[str, np.ndarray]]:
    """The middle of every image, and the same as float32."""
    folder = data_folder()
    for path in sorted(folder.glob("*.npy")) if folder is not None else []:
        array = np.load(path)
        if array.dtype.name not in DTYPES or array.ndim > 4:
            continue
        while array.size > IMAGE_SAMPLES and array.shape[0] > 1:
            keep = max(array.shape[0] // 2, 1)
            array = array[(array.shape[0] - keep) // 2 :][:keep]
        yield path.stem, np.ascontiguousarray(array)
        yield path.stem, (array / 8).astype(np.float32)


def distance(array: np.ndarray, decoded: np.ndarray, blob: bytes, mode: str, value: float, step: float | None) -> float:
    """How far inside the bound a result is, relative to it or in dB; negative outside."""
    difference = array.astype(np.float64) - decoded
    if mode == "ratio":
        return array.nbytes / len(blob) / value - 1
    if mode == "psnr":
        mean, peak = float(np.mean(difference**2)), float(array.max()) - float(array.min())
        return 10 * math.log10(peak**2 / mean) - value if mean and peak else 0.0 if not mean else -math.inf
    largest = float(np.abs(difference).max())
    if mode == "max_error":
        return 1 - largest / value
    allowed = 0.0 if step is None else step * (0.5 + 1 / 64)
    return allowed - largest


def check(name: str, array: np.ndarray, tallies: dict[tuple[str, ...], Tally]) -> None:
    """Encode an array for every target and tally the bounds."""
    step = 0.25 if array.dtype == np.float32 else None
    options: dict[str, Any] = {} if step is None else {"step": step}
    if array.ndim > 1 and array.shape[-1] == 3:
        options["axes"] = "zyxc"[4 - array.ndim :]
    for mode, values in TARGETS.items():
        for value in values:
            target = {"lossless": True, "stages": 3} if mode == "lossless" else {mode: value}
            tally = tallies[
                name.split(maxsplit=1)[0] if name.startswith("random") else name, array.dtype.name, mode, f"{value:g}"
            ]
            tally.runs += 1
            try:
                blob = mmip.encode(array, **target, **options)
            except mmip.InvalidArgument:
                tally.refused += 1
                continue
            decoded = mmip.decode(blob)
            margin = distance(array, decoded, blob, mode, value, step)
            recorded = mmip.inspect(blob)["loss"]["max_error"]
            honest = recorded >= np.abs(array.astype(np.float64) - decoded).max()
            tally.missed += margin < -1e-9 or not honest
            tally.margin = min(tally.margin, margin)
            tally.ratios.append(array.nbytes / len(blob))


def main() -> int:
    """Run all arrays; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrays", type=int, default=1000)
    count = parser.parse_args().arrays
    tallies: dict[tuple[str, ...], Tally] = defaultdict(Tally)
    for name, array in (*random_arrays(count), *images()):
        check(name, array, tallies)
    rows = [
        {
            "array": name,
            "dtype": dtype,
            "mode": mode,
            "requested": value,
            "runs": tally.runs,
            "refused": tally.refused,
            "missed": tally.missed,
            "worst_margin": tally.margin if math.isfinite(tally.margin) else "",
            "mean_ratio": float(np.mean(tally.ratios)) if tally.ratios else "",
        }
        for (name, dtype, mode, value), tally in tallies.items()
    ]
    path = write_rows("bounds", rows)
    runs, refused, missed = (sum(row[key] for row in rows) for key in ("runs", "refused", "missed"))
    print(f"{path.name}: {runs} encodings, {refused} refused, {missed} outside their bound")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
