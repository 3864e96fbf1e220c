"""More image codecs, by imagecodecs: JPEG, JPEG XR, WebP, PNG, LERC; and JPEG-LS at the depth of the samples.

Values: planes of a Source in, streams out, and back. Samples start from 0, which is exact. JPEG codes at most 12 bits,
so deeper samples are scaled and rounded to those. WebP codes RGB of 8 bits; grey goes as three equal channels. JPEG-LS
gets channels one after the other, in one stream: of its ways the one that takes the fewest bits.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import imagecodecs as ic
import numpy as np

from mmip_gpu.bench.adapters import ALL_COLOURS, GREY, Codec, Source, Stream, decibels, step_of, within_step
from mmip_gpu.bench.rates import Dial
from mmip_gpu.bench.rivals import three_channels_only

__all__ = ["jpegls", "lossless_image_rivals", "more_image_rivals"]

_JPEG_BITS = 12
_JPEGLS_LEAST = 128  # bytes: pyjpegls makes no room for the header of less
_WEBP_SIDE = 16383


def _percent(low: float, high: float, start: float, resolution: float = 0.5) -> Dial:
    """A quality in percent."""
    return Dial(low, high, min(max(start, low), high - resolution), 0.4, resolution)


def _jpeg_bits(source: Source) -> int:
    return 8 if source.depth == 8 else _JPEG_BITS


def _jpeg(plane: np.ndarray, parameter: float, source: Source) -> Stream:
    return ic.jpeg8_encode(
        plane, level=int(parameter), bitspersample=_jpeg_bits(source), optimize=True, subsampling="444"
    )


def _webp_refusal(source: Source) -> str | None:
    rows, columns = source.planes()[0].shape[:2]
    if max(rows, columns) > _WEBP_SIDE:
        return f"takes at most {_WEBP_SIDE} rows and columns, found {rows} x {columns}"
    return three_channels_only(source)


def _first_of_equal(source: Source, decoded: np.ndarray) -> np.ndarray:
    """Samples of RGB; of grey that went as three equal channels, the middle one."""
    return source.samples(decoded if source.channels > 1 else decoded[..., 1], True)


def _webp(threads: int, lossless: bool, **dial: Any) -> Codec:
    def encode(plane: np.ndarray, parameter: float, _source: Source) -> Stream:
        return ic.webp_encode(
            plane, level=100 if lossless else parameter, lossless=lossless, method=4, numthreads=threads
        )

    return Codec(
        "WebP m4",
        ic.webp_version(),
        lambda source: source.three_channels(8),
        encode,
        lambda data, _: ic.webp_decode(data),
        restore=_first_of_equal,
        lossless=lossless,
        colours=ALL_COLOURS,
        most_bits=8,
        threads=threads,
        options={"method": 4},
        refuses=_webp_refusal,
        **dial,
    )


def _lerc(plane: np.ndarray, error: float) -> Stream:
    return ic.lerc_encode(plane, level=error, compression="zstd")


def _jpegls(plane: np.ndarray, error: float, source: Source) -> Stream:
    import jpeg_ls

    if plane.nbytes < _JPEGLS_LEAST:
        return ic.jpegls_encode(plane, level=math.floor(error))
    bits = max(int(source.range).bit_length(), 2)
    rows, columns, planar = *plane.shape[:2], np.moveaxis(plane, -1, 0) if source.channels > 1 else plane
    near = min(math.floor(error), ((1 << bits) - 1) // 2, 255)  # the standard has no larger one
    coded: bytearray = jpeg_ls.encode_buffer(
        planar.tobytes(), rows, columns, source.channels, bits, near, interleave_mode=0
    )
    return coded


def _jpegls_decoded(data: Stream, plane: np.ndarray) -> np.ndarray:
    import jpeg_ls

    if plane.nbytes < _JPEGLS_LEAST:
        return ic.jpegls_decode(data)
    samples = np.frombuffer(jpeg_ls.decode_buffer(data)[0], plane.dtype)
    return np.moveaxis(samples.reshape(-1, *plane.shape[:2]), 0, -1).reshape(plane.shape)


def jpegls(**more: Any) -> Codec:
    """JPEG-LS at the depth of the samples; its parameter is the largest error."""
    try:
        found, missing = f"pyjpegls {version('pyjpegls')}", None
    except PackageNotFoundError:
        found, missing = "none", "needs pyjpegls: pip install pyjpegls"
    return Codec(
        "JPEG-LS (CharLS)",
        found,
        Source.planes,
        _jpegls,
        _jpegls_decoded,
        colours=ALL_COLOURS,
        options={"depth": "that of the samples"},
        missing=missing,
        refuses=three_channels_only,
        **more,
    )


def more_image_rivals(threads: int = 1) -> list[Codec]:
    """The lossy ones."""
    return [
        Codec(
            "JPEG (libjpeg-turbo)",
            ic.jpeg8_version(),
            lambda source: source.narrowed(_JPEG_BITS),
            _jpeg,
            lambda data, _: ic.jpeg8_decode(data),
            lambda source, db: _percent(1, 100, 75 + (db - 38) * 2.5 if source.depth == 8 else 30 + (db - 50) * 4.5, 1),
            lambda source, decoded: source.samples(decoded, True, source.narrowing(_JPEG_BITS)),
            colours=ALL_COLOURS,
            options={"subsampling": "444", "optimize": True},
            refuses=three_channels_only,
        ),
        _webp(threads, False, dial=lambda _source, db: _percent(0, 100, 75 + (db - 38) * 3)),
        Codec(
            "JPEG XR (jxrlib)",
            ic.jpegxr_version(),
            Source.planes,
            lambda plane, p, _source: ic.jpegxr_encode(plane, level=p / 100),
            lambda data, _: ic.jpegxr_decode(data),
            lambda source, db: _percent(1, 99.5, 50 + ((db - 38) * 4 if source.depth == 8 else (db - 44) * 1.5)),
            colours=ALL_COLOURS,
            refuses=three_channels_only,
        ),
        Codec(
            "LERC",
            ic.lerc_version(),
            Source.whole_planes,
            lambda plane, p, source: _lerc(plane, step_of(p, source) / 2),
            lambda data, _: ic.lerc_decode(data),
            decibels(),
            lambda source, decoded: source.samples(decoded, False),
            promises=within_step,
            colours=GREY,
            floats=True,
            options={"compression": "zstd"},
        ),
    ]


def lossless_image_rivals(threads: int = 1) -> list[Codec]:
    """Those without loss."""
    codec = partial(Codec, lossless=True, colours=ALL_COLOURS, refuses=three_channels_only)
    return [
        replace(jpegls(lossless=True), encode=lambda plane, _p, source: _jpegls(plane, 0, source)),
        codec(
            "JPEG SV1 (libjpeg-turbo)",
            ic.jpeg8_version(),
            Source.planes,
            lambda plane, _p, source: ic.jpeg8_encode(plane, lossless=True, predictor=1, bitspersample=source.depth),
            lambda data, _: ic.jpeg8_decode(data),
            options={"predictor": 1},
        ),
        codec(
            "JPEG XR (jxrlib)",
            ic.jpegxr_version(),
            Source.planes,
            lambda plane, _p, _source: ic.jpegxr_encode(plane, level=1.0),
            lambda data, _: ic.jpegxr_decode(data),
        ),
        codec(
            "PNG",
            ic.png_version(),
            Source.planes,
            lambda plane, _p, _source: ic.png_encode(plane, level=9, strategy=ic.PNG.STRATEGY.FILTERED),
            lambda data, _: ic.png_decode(data),
            options={"level": 9},
        ),
        _webp(threads, True),
        Codec(
            "LERC",
            ic.lerc_version(),
            Source.whole_planes,
            lambda plane, _p, _source: _lerc(plane, 0),
            lambda data, _: ic.lerc_decode(data),
            restore=lambda source, decoded: source.samples(decoded, False),
            lossless=True,
            floats=True,
            options={"compression": "zstd"},
        ),
    ]
