"""What the studies share: images by name with checksums, timing, rivals at a given PSNR, result rows.

Sizes in bytes, rates in MB/s (1e6 bytes of the array as stored), PSNR in dB on the data range unless said.
"""

from __future__ import annotations

import csv
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from mmip_gpu.bench.images import checksum
from mmip_gpu.bench.machine import machine_facts

__all__ = [
    "RIVALS",
    "Rival",
    "checksum",
    "psnr",
    "rival_at_psnr",
    "run_facts",
    "timed",
    "unsigned_slices",
    "write_rows",
]


def timed(work: Callable[[], Any], repeats: int = 5) -> tuple[Any, float, float]:
    """(result, median seconds, spread = (max - min) / median) after one run that is not counted."""
    result = work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    return result, median, (max(seconds) - min(seconds)) / median


def psnr(a: np.ndarray, b: np.ndarray, peak: float | None = None) -> float:
    """PSNR in dB; peak = data range of `a` when None."""
    peak = float(a.max()) - float(a.min()) if peak is None else peak
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)


@dataclass(frozen=True)
class Rival:
    """A 2D codec for unsigned slices: encode(slice, parameter), decode(bytes); a larger parameter is better."""

    name: str
    encode: Callable[[np.ndarray, float], bytes]
    decode: Callable[[bytes], np.ndarray]
    low: float
    high: float


def _jpeg2000(plane: np.ndarray, level: float) -> bytes:
    encode: Any = imagecodecs.jpeg2k_encode  # whose level may be a fraction
    return bytes(encode(plane, level=level, codecformat="j2k", numthreads=1, reversible=False))


def _htj2k(plane: np.ndarray, level: float) -> bytes:
    return bytes(imagecodecs.htj2k_encode(plane, level=10.0**-level, reversible=False))


RIVALS = (
    Rival("JPEG 2000 (OpenJPEG)", _jpeg2000, lambda b: imagecodecs.jpeg2k_decode(b, numthreads=1), 20.0, 150.0),
    Rival("HTJ2K (OpenJPH)", _htj2k, imagecodecs.htj2k_decode, 0.5, 6.0),
)


def unsigned_slices(array: np.ndarray) -> list[np.ndarray]:
    """Planes of a volume as unsigned integers from 0, which is what the rivals take."""
    volume = array if array.ndim == 3 else array[None]
    dtype = np.uint8 if array.dtype.itemsize == 1 else np.uint16
    return [np.ascontiguousarray((p.astype(np.int32) - int(array.min())).astype(dtype)) for p in volume]


def rival_at_psnr(rival: Rival, array: np.ndarray, target: float) -> tuple[float, int, float, list[bytes]]:
    """(parameter, bytes, PSNR, streams) of the smallest result at or above the PSNR (bisection, within 0.05 dB)."""
    planes = unsigned_slices(array)
    low, high = rival.low, rival.high
    best: tuple[float, int, float, list[bytes]] | None = None
    for _ in range(14):
        level = (low + high) / 2
        streams = [rival.encode(p, level) for p in planes]
        decoded = np.stack([rival.decode(s) for s in streams]).astype(np.int32) + int(array.min())
        found = psnr(array, decoded.reshape(array.shape))
        if found >= target:
            high = level
            best = level, sum(map(len, streams)), found, streams
            if found <= target + 0.05:
                break
        else:
            low = level
    if best is None:
        raise RuntimeError(f"{rival.name} does not reach {target} dB")
    return best


def run_facts(checkout: Path) -> dict[str, str]:
    """Commit, processor and time of this run: part of every row."""
    return machine_facts(checkout) | {"imagecodecs": imagecodecs.__version__}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a file of rows, replacing it, with the facts of this run in every row; kept rows have theirs."""
    path.parent.mkdir(exist_ok=True)
    facts = run_facts(path.parent)
    columns = [*dict.fromkeys(key for row in rows for key in row if key not in facts), *facts]
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(facts | {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return path
