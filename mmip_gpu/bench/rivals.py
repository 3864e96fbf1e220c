"""The rivals of the studies: image codecs and compressors of floats, as `Codec`s of the comparison, by imagecodecs.

Values: planes or volumes of a Source in, streams out, and back. Samples start from 0, which is exact. AVIF codes at
most 12 bits, so deeper samples are scaled and rounded to those. Where the finest step of JPEG 2000 or AVIF at 8 bits is
too coarse for a rate, the samples are coded at a greater depth, whose step is finer.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import imagecodecs as ic
import numpy as np

from mmip_gpu.bench.adapters import ALL_COLOURS, Codec, Source, Stream, decibels, step_of, within_step
from mmip_gpu.bench.rates import Dial

__all__ = ["lossless_rivals", "rivals", "three_channels_only", "zfp_dial"]

_AVIF_BITS = 12
_AVIF_FINER = ((12, 97), (10, 98), (12, 98), (10, 99), (12, 99))  # (bits, level) past the last level of 8 bits
_AVIF_LAST = 99  # 100 is without loss
_JPEG2000_BITS = 12
_HTJ2K_FINEST = 1.1e-5  # imagecodecs takes a finer step for none


def three_channels_only(source: Source) -> str | None:
    """The refusal of codecs that know grey and RGB."""
    return None if source.channels in (1, 3) else f"takes 1 or 3 channels, found {source.channels}"


def _deepened(plane: np.ndarray, bits: int) -> np.ndarray:
    """Bytes as samples of more bits."""
    deeper: np.ndarray = plane.astype(np.uint16) * (1 << (bits - 8))
    return plane if bits == 8 else deeper


def _as_coded(decoded: np.ndarray, bits: int, plane: np.ndarray) -> np.ndarray:
    """What was decoded, as deep as the plane that was coded."""
    if plane.dtype != np.uint8 or bits == 8:
        return decoded
    rounded: np.ndarray = (decoded.astype(np.uint32) + (1 << (bits - 9))) >> (bits - 8)
    return rounded.clip(max=255).astype(np.uint8)


def _jpeg2000(threads: int, plane: np.ndarray, parameter: float, source: Source) -> Stream:
    is_coarse = source.depth == 8 and parameter > 20 * math.log10(source.range)  # its own step is about one unit
    bits = _JPEG2000_BITS if is_coarse else source.depth
    level = parameter + 20 * math.log10((2**source.depth - 1) / source.range)
    encode: Any = ic.jpeg2k_encode  # whose level may be a fraction
    options = {"codecformat": "j2k", "numthreads": threads, "reversible": False, "bitspersample": bits}
    return bytes(encode(_deepened(plane, bits) if is_coarse else plane, level=level, **options))


def _jpeg2000_decoded(threads: int, data: Stream, plane: np.ndarray) -> np.ndarray:
    bits = data[42] + 1  # Ssiz of the first component, in the marker SIZ
    return _as_coded(ic.jpeg2k_decode(data, numthreads=threads), bits, plane)


def _halved(source: Source) -> float:
    """Factor of the samples for OpenJPH: they wrap around above their dtype, and words have no other room."""
    return 0.5 if source.unsigned.itemsize == 2 and source.is_white else 1.0


def _with_room(source: Source) -> list[np.ndarray]:
    """Slices for OpenJPH; bytes with much white become words."""
    if not source.is_white:
        return source.planes()
    return [np.rint(plane * _halved(source)).astype(np.uint16) for plane in source.planes()]


def _htj2k(plane: np.ndarray, parameter: float, source: Source) -> Stream:
    step = step_of(parameter, source) * _halved(source)
    level = max(step / 256**plane.dtype.itemsize, _HTJ2K_FINEST)
    return ic.htj2k_encode(plane, level=level, reversible=False)


def _jpegxl(threads: int, plane: np.ndarray, parameter: float, source: Source) -> Stream:
    options: dict[str, Any] = {"effort": 7, "lossless": False, "distance": 10 ** (-parameter / 20)}
    return ic.jpegxl_encode(plane, bitspersample=source.depth, numthreads=threads, **options)


def _exact_jpegxl(threads: int, effort: int, plane: np.ndarray, _parameter: float, source: Source) -> Stream:
    return ic.jpegxl_encode(plane, effort=effort, lossless=True, bitspersample=source.depth, numthreads=threads)


def _avif(threads: int, plane: np.ndarray, parameter: float, source: Source) -> Stream:
    formats = ic.AVIF.PIXEL_FORMAT
    level, bits = int(parameter), 8 if source.depth == 8 else _AVIF_BITS
    if level > _AVIF_LAST:
        bits, level = _AVIF_FINER[level - _AVIF_LAST - 1]
    return ic.avif_encode(
        _deepened(plane, bits) if source.depth == 8 else plane,
        level=level,
        speed=6,
        numthreads=threads,
        pixelformat=formats.YUV444 if source.channels > 1 else formats.YUV400,
        bitspersample=bits,
    )


def _avif_decoded(threads: int, data: Stream, plane: np.ndarray) -> np.ndarray:
    flags = data[data.index(b"av1C") + 6]  # of the depth
    bits = 8 + 2 * (flags >> 6 & 1) + 2 * (flags >> 5 & 1)
    return _as_coded(ic.avif_decode(data, numthreads=threads), bits, plane)


def _avif_dial(source: Source, db: float) -> Dial:
    is_bytes = source.depth == 8
    high = _AVIF_LAST + (len(_AVIF_FINER) if is_bytes else 0)
    return Dial(0, high, min(max(60 + (db - (36 if is_bytes else 46)) * 3, 5), 97), 0.4, 1)


def _avif_restored(source: Source, decoded: np.ndarray) -> np.ndarray:
    """Samples of AVIF's three channels, of which grey takes one; imagecodecs gives one where it wrote one."""
    if source.channels == 1 and decoded.size == 3 * source.array.size:
        decoded = decoded[..., 1]
    return source.samples(decoded, True, source.narrowing(_AVIF_BITS))


def _sperr(threads: int, volume: np.ndarray, parameter: float, source: Source) -> Stream:
    """To a PSNR on the range of the image; SPERR's own is on that of the volume, which may be one channel."""
    own = float(volume.max()) - float(volume.min())
    level = parameter + 20 * math.log10((own or source.range) / source.range)
    return ic.sperr_encode(volume, level=level, mode="psnr", numthreads=threads)


def zfp_dial(source: Source, db: float) -> Dial:
    """The bits of zfp's accuracy, 2 ** -parameter."""
    return Dial(-17, 8, round(-math.log2(4 * step_of(db, source))), 6.02, 1)


_image_codec = partial(Codec, colours=ALL_COLOURS, refuses=three_channels_only)


def _same(source: Source, decoded: np.ndarray) -> np.ndarray:
    return source.samples(decoded, False)


def rivals(threads: int = 1) -> list[Codec]:
    """The lossy rivals, JPEG 2000 first."""
    return [*_image_rivals(threads), *_float_rivals(threads)]


def _image_rivals(threads: int) -> list[Codec]:
    """Those that take planes of integers."""
    return [
        _image_codec(
            "JPEG 2000 (OpenJPEG)",
            ic.jpeg2k_version(),
            Source.planes,
            partial(_jpeg2000, threads),
            partial(_jpeg2000_decoded, threads),
            decibels(),
            threads=threads,
        ),
        _image_codec(
            "HTJ2K (OpenJPH)",
            ic.htj2k_version(),
            _with_room,
            _htj2k,
            lambda data, _: ic.htj2k_decode(data),
            decibels(ahead=-3),
            lambda source, decoded: source.samples(decoded, True, _halved(source)),
        ),
        _image_codec(
            "JPEG XL e7",
            ic.jpegxl_version(),
            Source.planes,
            partial(_jpegxl, threads),
            lambda data, _: ic.jpegxl_decode(data, numthreads=threads),
            lambda _source, db: Dial(-27, 40, min(max((db - 47) / 0.6, -26), 39), 0.6),
            threads=threads,
        ),
        _image_codec(
            "AVIF speed 6",
            ic.avif_version(),
            lambda source: source.three_channels(_AVIF_BITS),  # imagecodecs codes one channel without loss only
            partial(_avif, threads),
            partial(_avif_decoded, threads),
            _avif_dial,
            _avif_restored,
            threads=threads,
        ),
    ]


def _float_rivals(threads: int) -> list[Codec]:
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
            floats=True,
            promises=within_step,
        ),
        Codec(
            "SPERR",
            ic.sperr_version(),
            Source.floats,
            partial(_sperr, threads),
            lambda data, _: ic.sperr_decode(data, numthreads=threads),
            decibels(ahead=-1.5),
            _same,
            floats=True,
            threads=threads,
        ),
        Codec(
            "zfp accuracy",
            ic.zfp_version(),
            Source.floats,
            lambda piece, p, _source: ic.zfp_encode(
                piece, level=2.0**-p, mode=ic.ZFP.MODE.FIXED_ACCURACY, numthreads=threads
            ),
            lambda data, _: ic.zfp_decode(data),
            zfp_dial,
            _same,
            floats=True,
            promises=lambda source, p: {"max_error": 2.0**-p + (0 if source.is_float else 0.5)},
            threads=threads,
        ),
    ]


def lossless_rivals(threads: int = 1) -> list[Codec]:
    """The rivals without loss, HTJ2K first."""
    codec = partial(_image_codec, lossless=True)
    return [
        codec(
            "HTJ2K (OpenJPH)",
            ic.htj2k_version(),
            Source.planes,
            lambda plane, _p, _source: ic.htj2k_encode(plane, reversible=True),
            lambda data, _: ic.htj2k_decode(data),
        ),
        codec(
            "JPEG 2000 5/3 (OpenJPEG)",
            ic.jpeg2k_version(),
            Source.planes,
            lambda plane, _p, source: ic.jpeg2k_encode(
                plane, codecformat="j2k", numthreads=threads, reversible=True, level=0, bitspersample=source.depth
            ),
            lambda data, _: ic.jpeg2k_decode(data, numthreads=threads),
            threads=threads,
        ),
        *(
            codec(
                f"JPEG XL e{effort}",
                ic.jpegxl_version(),
                Source.planes,
                partial(_exact_jpegxl, threads, effort),
                lambda data, _: ic.jpegxl_decode(data, numthreads=threads),
                threads=threads,
                options={"effort": effort},
            )
            for effort in (1, 3, 7, 9)
        ),
    ]
