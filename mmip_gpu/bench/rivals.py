"""The rivals: other codecs as `Codec`s of the comparison, by imagecodecs.

Values: planes or volumes of a Source in, streams out, and back. All run one thread.
"""

from __future__ import annotations

import math
from typing import Any

import imagecodecs as ic
import numpy as np

from mmip_gpu.bench.adapters import AVIF_BITS, Codec, Source, Stream, decibels, step_of
from mmip_gpu.bench.rates import Dial

__all__ = ["lossless_rivals", "rivals"]


def _jpeg2000(plane: np.ndarray, parameter: float, source: Source) -> Stream:
    level = parameter + 20 * math.log10((2**source.bits - 1) / source.range)
    encode: Any = ic.jpeg2k_encode  # whose level may be a fraction
    options = {"codecformat": "j2k", "numthreads": 1, "reversible": False, "bitspersample": source.bits}
    return bytes(encode(plane, level=level, **options))


def _htj2k(plane: np.ndarray, parameter: float, source: Source) -> Stream:
    return ic.htj2k_encode(plane, level=step_of(parameter, source) / 256**plane.dtype.itemsize, reversible=False)


def _jpegxl(plane: np.ndarray, parameter: float, source: Source) -> Stream:
    distance = 10 ** (-parameter / 20)
    return ic.jpegxl_encode(plane, effort=7, lossless=False, distance=distance, bitspersample=source.bits, numthreads=1)


def _avif(plane: np.ndarray, parameter: float, source: Source) -> Stream:
    bits = 8 if source.bits == 8 else AVIF_BITS
    grey = ic.AVIF.PIXEL_FORMAT.YUV400
    return ic.avif_encode(plane, level=int(parameter), speed=6, numthreads=1, pixelformat=grey, bitspersample=bits)


def _avif_decoded(data: Stream, _piece: np.ndarray) -> np.ndarray:
    decoded = ic.avif_decode(data, numthreads=1)
    return decoded[..., 1] if decoded.ndim == 3 else decoded


def _same(source: Source, decoded: np.ndarray) -> np.ndarray:
    return source.samples(decoded, False)


def rivals() -> list[Codec]:
    """The lossy rivals, JPEG 2000 first."""
    return [*_image_rivals(), *_float_rivals()]


def _image_rivals() -> list[Codec]:
    """Those that take planes of integers."""
    return [
        Codec(
            "JPEG 2000 (OpenJPEG)",
            ic.jpeg2k_version(),
            Source.planes,
            _jpeg2000,
            lambda data, _: ic.jpeg2k_decode(data, numthreads=1),
            decibels(),
        ),
        Codec(
            "HTJ2K (OpenJPH)",
            ic.htj2k_version(),
            Source.planes,
            _htj2k,
            lambda data, _: ic.htj2k_decode(data),
            decibels(ahead=-3),
        ),
        Codec(
            "JPEG XL e7",
            ic.jpegxl_version(),
            Source.planes,
            _jpegxl,
            lambda data, _: ic.jpegxl_decode(data, numthreads=1),
            lambda _source, db: Dial(-27, 40, min(max((db - 47) / 0.6, -26), 39), 0.6),
        ),
        Codec(
            "AVIF speed 6",
            ic.avif_version(),
            Source.three_channels,
            _avif,
            _avif_decoded,
            lambda source, db: Dial(0, 99, min(max(60 + (db - (36 if source.bits == 8 else 46)) * 3, 5), 97), 0.4, 1),
            lambda source, decoded: source.samples(decoded, True, source.narrowing),
        ),
    ]


def _float_rivals() -> list[Codec]:
    """Those that take arrays of floats."""
    return [
        Codec(
            "SZ3",
            ic.sz3_version(),
            Source.floats,
            lambda piece, p, source: ic.sz3_encode(piece, mode="abs", abs=step_of(p, source) / 2),
            lambda data, piece: ic.sz3_decode(data, shape=piece.shape, dtype=piece.dtype),
            decibels(low=0, ahead=-1),
            _same,
        ),
        Codec(
            "SPERR",
            ic.sperr_version(),
            Source.floats,
            lambda piece, p, _source: ic.sperr_encode(piece, level=p, mode="psnr", numthreads=1),
            lambda data, _: ic.sperr_decode(data, numthreads=1),
            decibels(ahead=-1.5),
            _same,
        ),
        Codec(
            "zfp accuracy",
            ic.zfp_version(),
            Source.floats,
            lambda piece, p, _source: ic.zfp_encode(
                piece, level=2.0**-p, mode=ic.ZFP.MODE.FIXED_ACCURACY, numthreads=1
            ),
            lambda data, _: ic.zfp_decode(data),
            lambda source, db: Dial(-17, 8, round(-math.log2(4 * step_of(db, source))), 6.02, 1),
            _same,
        ),
    ]


def lossless_rivals() -> list[Codec]:
    """The rivals without loss, HTJ2K first."""
    return [
        Codec(
            "HTJ2K (OpenJPH)",
            ic.htj2k_version(),
            Source.planes,
            lambda plane, _p, _source: ic.htj2k_encode(plane, reversible=True),
            lambda data, _: ic.htj2k_decode(data),
        ),
        Codec(
            "JPEG 2000 5/3 (OpenJPEG)",
            ic.jpeg2k_version(),
            Source.planes,
            lambda plane, _p, source: ic.jpeg2k_encode(
                plane, codecformat="j2k", numthreads=1, reversible=True, level=0, bitspersample=source.bits
            ),
            lambda data, _: ic.jpeg2k_decode(data, numthreads=1),
        ),
        Codec(
            "JPEG-LS (CharLS)",
            ic.jpegls_version(),
            Source.planes,
            lambda plane, _p, _source: ic.jpegls_encode(plane),
            lambda data, _: ic.jpegls_decode(data),
        ),
        Codec(
            "JPEG XL e3",
            ic.jpegxl_version(),
            Source.planes,
            lambda plane, _p, source: ic.jpegxl_encode(
                plane, effort=3, lossless=True, bitspersample=source.bits, numthreads=1
            ),
            lambda data, _: ic.jpegxl_decode(data, numthreads=1),
        ),
    ]
