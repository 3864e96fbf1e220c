"""Measuring one codec on one image: a point of its curve, its rates, and result rows that outlive a run.

Values: a Codec, a Source and a parameter in; Trial, MB per second of processor time (1e6 bytes of the array as stored)
and rows (dict) out. Guarantees that every PSNR and every lossless claim is measured on the decoded array.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmip_gpu.bench.adapters import Codec, Source, Stream
from mmip_gpu.bench.rates import Point
from mmip_gpu.bench.rows import psnr
from mmip_gpu.bench.timing import clocked

Row = dict[str, Any]
Key = tuple[str, ...]

# Ends of the names of columns that hold numbers.
_NUMBER_ENDS = ("_db", "bits", "bits_per_sample", "_mb_s", "_spread", "runs")
_SLOW_SECONDS = 1.0  # slower codecs are timed once
_REPEATS = 3


def cpu_seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """(result, processor time of this process and of the children that it waited for): no other load counts."""
    result, (cpu, _) = clocked(work)
    return result, cpu


@dataclass(frozen=True)
class Trial:
    """One round trip."""

    point: Point
    streams: list[Stream]
    pieces: list[np.ndarray]
    encode_seconds: float
    decode_seconds: float
    decoded: np.ndarray


def round_trip(codec: Codec, source: Source, parameter: float) -> Trial:
    """Encode, decode, measure."""
    pieces = codec.pieces(source)
    streams, encode = cpu_seconds(lambda: [codec.encode(piece, parameter, source) for piece in pieces])
    decoded, decode = cpu_seconds(lambda: [codec.decode(s, p) for s, p in zip(streams, pieces, strict=True)])
    restored = codec.restore(source, np.stack(decoded) if len(decoded) > 1 else decoded[0])
    if restored.shape != source.array.shape or restored.dtype != source.array.dtype:
        expected = f"expected {source.array.shape} {source.array.dtype}"
        raise RuntimeError(f"{codec.name}: {expected}, found {restored.shape} {restored.dtype}")
    bits = 8 * sum(map(len, streams)) / source.array.size
    point = Point(parameter, psnr(source.array, restored, source.range), bits)
    return Trial(point, streams, pieces, encode, decode, restored)


def speeds(codec: Codec, source: Source, trial: Trial) -> Row:
    """Rates at one parameter: the median of three runs, or the trial's own run of a slow codec.

    Ours is timed with its plan made, as the rivals are with their parameter found; the time of the whole call, which
    searches the step and verifies, is a column of its own.
    """
    encodes, decodes = [trial.encode_seconds], [trial.decode_seconds]
    parameter = trial.point.parameter
    known = codec.known(source, parameter) if codec.known else None
    if known:
        known()  # not counted: first use of its memory
        encodes = []
    if known or trial.encode_seconds + trial.decode_seconds < _SLOW_SECONDS:
        for _ in range(_REPEATS):
            encode = known or (lambda: [codec.encode(piece, parameter, source) for piece in trial.pieces])
            encodes.append(cpu_seconds(encode)[1])
            decodes.append(cpu_seconds(lambda: list(map(codec.decode, trial.streams, trial.pieces)))[1])
    megabytes = source.array.nbytes / 1e6
    return {
        "encode_mb_s": megabytes / statistics.median(encodes),
        "decode_mb_s": megabytes / statistics.median(decodes),
        "runs": len(decodes),
        "whole_call_mb_s": megabytes / trial.encode_seconds if known else None,
    }


def read_rows(path: Path) -> list[Row]:
    """Rows of a file, numbers as numbers and empty fields as None; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as f:
        return [
            {k: (float(v) if k.endswith(_NUMBER_ENDS) else v) if v else None for k, v in fields.items()}
            for fields in csv.DictReader(f)
        ]
