"""One adapter per codec of the comparison: ours at every effort, and the rivals through imagecodecs.

Values: an integer array and the codec's own parameter in, streams out, and back to the array's dtype; host memory.
Guarantees one thread, and what is not coding (offset to unsigned, float32, copies to three channels) outside of
`encode`. Searching and timing are left to rivals.py. JPEG-LS codes 16-bit words: imagecodecs cannot set its bit depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import imagecodecs as ic
import numpy as np
from rates import Dial
from speed import plan_of

import mmip_gpu as mmip
from mmip_gpu.transform.chunk import encode_chunk

_AVIF_BITS = 12


@dataclass(frozen=True)
class Source:
    """An array as the codecs see it."""

    array: np.ndarray

    @cached_property
    def range(self) -> int:
        """Largest minus smallest sample: the peak of every PSNR."""
        return max(int(self.array.max()) - int(self.array.min()), 1)

    @cached_property
    def unsigned(self) -> np.ndarray:
        """The samples from 0."""
        dtype = np.uint8 if self.array.dtype.itemsize == 1 else np.uint16
        return (self.array.astype(np.int32) - int(self.array.min())).astype(dtype)

    @property
    def bits(self) -> int:
        """Depth that a rival may be told: 8 for bytes, else what the range needs."""
        return 8 if self.array.dtype.itemsize == 1 else max(9, self.range.bit_length())

    @property
    def narrowing(self) -> float:
        """Factor that brings the samples into 12 bits; 1 where they fit."""
        return min((2**_AVIF_BITS - 1) / self.range, 1.0)

    def planes(self) -> list[np.ndarray]:
        """Unsigned slices."""
        return list(self.unsigned if self.array.ndim == 3 else self.unsigned[None])

    def floats(self) -> list[np.ndarray]:
        """The whole array in float32."""
        return [self.array.astype(np.float32)]

    def whole(self) -> list[np.ndarray]:
        """The array itself."""
        return [self.array]

    def three_channels(self) -> list[np.ndarray]:
        """Slices of at most 12 bits, three equal channels: imagecodecs codes one channel without loss only."""
        dtype = np.uint8 if self.bits == 8 else np.uint16
        return [np.repeat(np.rint(p * self.narrowing).astype(dtype)[..., None], 3, axis=2) for p in self.planes()]

    def samples(self, decoded: np.ndarray, from_zero: bool, factor: float = 1.0) -> np.ndarray:
        """What a codec gave back, in the array's dtype."""
        values = np.rint(decoded.astype(np.float64) / factor) + (int(self.array.min()) if from_zero else 0)
        info = np.iinfo(self.array.dtype)
        return np.clip(values, info.min, info.max).astype(self.array.dtype).reshape(self.array.shape)


Pieces = list[np.ndarray]


@dataclass(frozen=True)
class Codec:
    """How one codec is driven.

    Parameters
    ----------
    pieces : callable
        What is coded one by one.
    encode : callable
        (piece, parameter, source) -> bytes.
    decode : callable
        (bytes, piece) -> array.
    dial : callable
        (source, first target in dB) -> range and start of the parameter.
    known : callable, optional
        (source, parameter) -> a function that encodes with all decisions of a search made beforehand.
    """

    name: str
    version: str
    pieces: Callable[[Source], Pieces]
    encode: Callable[[np.ndarray, float, Source], bytes]
    decode: Callable[[bytes, np.ndarray], np.ndarray]
    dial: Callable[[Source, float], Dial] = lambda _source, _db: Dial(0, 0, 0, 1)
    restore: Callable[[Source, np.ndarray], np.ndarray] = lambda source, decoded: source.samples(decoded, True)
    known: Callable[[Source, float], Callable[[], Any]] | None = None

    @property
    def ours(self) -> bool:
        """Whether it is this package."""
        return self.name.startswith("mmip")


def _step(parameter: float, source: Source) -> float:
    """Uniform quantization step whose rounding error has this PSNR."""
    return source.range * 10 ** (-parameter / 20) * math.sqrt(12)


def _decibels(low: float = 10, high: float = 130, ahead: float = 0.0) -> Callable[[Source, float], Dial]:
    """A parameter in nominal dB, first tried `ahead` dB from the target."""
    return lambda _source, db: Dial(low, high, db + ahead, 1.0)


def _jpeg2000(plane: np.ndarray, parameter: float, source: Source) -> bytes:
    level = parameter + 20 * math.log10((2**source.bits - 1) / source.range)
    return ic.jpeg2k_encode(
        plane, level=level, codecformat="j2k", numthreads=1, reversible=False, bitspersample=source.bits
    )


def _htj2k(plane: np.ndarray, parameter: float, source: Source) -> bytes:
    return ic.htj2k_encode(plane, level=_step(parameter, source) / 256**plane.dtype.itemsize, reversible=False)


def _jpegxl(plane: np.ndarray, parameter: float, source: Source) -> bytes:
    distance = 10 ** (-parameter / 20)
    return ic.jpegxl_encode(plane, effort=7, lossless=False, distance=distance, bitspersample=source.bits, numthreads=1)


def _avif(plane: np.ndarray, parameter: float, source: Source) -> bytes:
    bits = 8 if source.bits == 8 else _AVIF_BITS
    grey = ic.AVIF.PIXEL_FORMAT.YUV400
    return ic.avif_encode(plane, level=int(parameter), speed=6, numthreads=1, pixelformat=grey, bitspersample=bits)


def _avif_decoded(data: bytes, _piece: np.ndarray) -> np.ndarray:
    decoded = ic.avif_decode(data, numthreads=1)
    return decoded[..., 1] if decoded.ndim == 3 else decoded


def _same(source: Source, decoded: np.ndarray) -> np.ndarray:
    return source.samples(decoded, False)


def rivals() -> list[Codec]:
    """The lossy rivals, JPEG 2000 first."""
    return [
        Codec(
            "JPEG 2000 (OpenJPEG)",
            ic.jpeg2k_version(),
            Source.planes,
            _jpeg2000,
            lambda data, _: ic.jpeg2k_decode(data, numthreads=1),
            _decibels(),
        ),
        Codec(
            "HTJ2K (OpenJPH)",
            ic.htj2k_version(),
            Source.planes,
            _htj2k,
            lambda data, _: ic.htj2k_decode(data),
            _decibels(ahead=-3),
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
        Codec(
            "SZ3",
            ic.sz3_version(),
            Source.floats,
            lambda piece, p, source: ic.sz3_encode(piece, mode="abs", abs=_step(p, source) / 2),
            lambda data, piece: ic.sz3_decode(data, shape=piece.shape, dtype=piece.dtype),
            _decibels(low=0, ahead=-1),
            _same,
        ),
        Codec(
            "SPERR",
            ic.sperr_version(),
            Source.floats,
            lambda piece, p, _source: ic.sperr_encode(piece, level=p, mode="psnr", numthreads=1),
            lambda data, _: ic.sperr_decode(data, numthreads=1),
            _decibels(ahead=-1.5),
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
            lambda source, db: Dial(-17, 8, round(-math.log2(4 * _step(db, source))), 6.02, 1),
            _same,
        ),
    ]


def _chunk_encoder(array: np.ndarray, **options: Any) -> Callable[[], Any]:
    """Coding of an array with its plan made beforehand: what a store does for every chunk."""
    plan = plan_of(array, **options)
    return lambda: encode_chunk(array, plan, threads=1)


def ours() -> list[Codec]:
    """Ours to a PSNR, at every effort in the three stages of the default, and in two at the highest."""
    variants: dict[str, dict[str, int]] = {f"mmip effort {effort}": {"effort": effort} for effort in (1, 2, 3)}
    variants["mmip effort 3, two stages"] = {"effort": 3, "stages": 2}
    return [
        Codec(
            name,
            mmip.__version__,
            Source.whole,
            lambda piece, p, _source, options=options: mmip.encode(piece, psnr=p, threads=1, **options),
            lambda data, _: mmip.decode(data, threads=1),
            _decibels(low=1, high=140),
            lambda _source, decoded: decoded,
            lambda source, p, options=options: _chunk_encoder(source.array, psnr=p, **options),
        )
        for name, options in variants.items()
    ]


def ours_lossless() -> list[Codec]:
    """Ours without loss, in three stages; the effort makes no difference."""
    return [
        Codec(
            "mmip 3 stages",
            mmip.__version__,
            Source.whole,
            lambda piece, _p, _source: mmip.encode(piece, lossless=True, stages=3, threads=1),
            lambda data, _: mmip.decode(data, threads=1),
            restore=lambda _source, decoded: decoded,
            known=lambda source, _p: _chunk_encoder(source.array, lossless=True, stages=3),
        )
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
