"""Codecs that hold a bound of the largest error: ours, JPEG-LS, SZ3 and SPERR; their parameter is the bound.

Values: integers of a Source in, streams out, and back. JPEG-LS codes slices; SZ3 and SPERR code float32 in 3D with the
bound e + 0.49, so that rounding to integers leaves e. A result that breaks its bound is a failure (job.py).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import imagecodecs as ic
import numpy as np

import mmip_gpu as mmip
from mmip_gpu.bench.adapters import ALL_COLOURS, Codec, Source, Stream
from mmip_gpu.bench.ours import coded_axes

__all__ = ["bounded_codecs"]

_ROUNDED = 0.49  # what rounding to integers forgives


def _same(source: Source, decoded: np.ndarray) -> np.ndarray:
    return source.samples(decoded, False)


_codec = partial(Codec, promises=lambda _source, bound: {"max_error": bound}, bounded=True)


def _ours(threads: int, effort: Literal[1, 3]) -> Codec:
    def encode(piece: np.ndarray, bound: float, source: Source) -> Stream:
        axes = coded_axes(source)
        coded: bytes = mmip.encode(piece, max_error=bound, threads=threads, effort=effort, axes=axes)
        return coded

    return _codec(
        f"mmip effort {effort}", mmip.__version__, Source.whole, encode,
        lambda data, _: mmip.decode(data, threads=threads),
        restore=lambda _source, decoded: decoded, colours=ALL_COLOURS, threads=threads, options={"effort": effort},
    )  # fmt: skip


def bounded_codecs(threads: int = 1) -> list[Codec]:
    """The codecs that hold a bound, ours first."""
    return [
        _ours(threads, 1),
        _ours(threads, 3),
        _codec(
            "JPEG-LS (CharLS)",
            ic.jpegls_version(),
            Source.planes,
            lambda plane, bound, _source: ic.jpegls_encode(plane, level=math.floor(bound)),
            lambda data, _: ic.jpegls_decode(data),
        ),
        _codec(
            "SZ3",
            ic.sz3_version(),
            Source.floats,
            lambda piece, bound, _source: ic.sz3_encode(piece, mode="abs", abs=math.floor(bound) + _ROUNDED),
            lambda data, piece: ic.sz3_decode(data, shape=piece.shape, dtype=piece.dtype),
            restore=_same,
        ),
        _codec(
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
