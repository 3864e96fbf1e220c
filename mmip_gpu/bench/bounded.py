"""Codecs that hold a bound of the largest error: ours, JPEG-LS, SZ3 and SPERR; their parameter is the bound.

Values: integers of a Source in, streams out, and back. Ours takes what is smaller of predicted samples and blocks, at
effort 1 the former, with stages the latter. JPEG-LS codes slices; SZ3 and SPERR code float32 in 3D with the bound
e + 0.49, so that rounding to integers leaves e. A result that breaks its bound is a failure (job.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import imagecodecs as ic
import numpy as np

import mmip_gpu as mmip
from mmip_gpu.bench.adapters import ALL_COLOURS, Codec, Source, Stream
from mmip_gpu.bench.image_rivals import jpegls
from mmip_gpu.bench.ours import coded_axes

__all__ = ["bounded_codecs"]

_ROUNDED = 0.49  # what rounding to integers forgives
_OURS: dict[str, dict[str, Any]] = {f"mmip effort {effort}": {"effort": effort} for effort in (1, 2, 3)}
_OURS |= {f"mmip effort {effort}, 3 stages": {"effort": effort, "stages": 3} for effort in (1, 2, 3)}


def _same(source: Source, decoded: np.ndarray) -> np.ndarray:
    return source.samples(decoded, False)


def _ours(name: str, threads: int, options: dict[str, Any]) -> Codec:
    def encode(piece: np.ndarray, bound: float, source: Source) -> Stream:
        coded: bytes = mmip.encode(piece, max_error=bound, threads=threads, axes=coded_axes(source), **options)
        return coded

    return Codec(
        name, mmip.__version__, Source.whole, encode,
        lambda data, _: mmip.decode(data, threads=threads),
        restore=lambda _source, decoded: decoded, colours=ALL_COLOURS, threads=threads, options=options,
    )  # fmt: skip


def bounded_codecs(threads: int = 1) -> list[Codec]:
    """The codecs that hold a bound, ours first."""
    found = [
        *(_ours(name, threads, options) for name, options in _OURS.items()),
        jpegls(),
        Codec(
            "SZ3",
            ic.sz3_version(),
            Source.floats,
            lambda piece, bound, _source: ic.sz3_encode(piece, mode="abs", abs=math.floor(bound) + _ROUNDED),
            lambda data, piece: ic.sz3_decode(data, shape=piece.shape, dtype=piece.dtype),
            restore=_same,
        ),
        Codec(
            "SPERR",
            ic.sperr_version(),
            Source.floats,
            lambda piece, bound, _source: ic.sperr_encode(
                piece, level=math.floor(bound) + _ROUNDED, mode="pwe", numthreads=threads
            ),
            lambda data, _: ic.sperr_decode(data, numthreads=threads),
            restore=_same,
            threads=threads,
        ),
    ]
    return [replace(codec, promises=lambda _source, bound: {"max_error": bound}, bounded=True) for codec in found]
