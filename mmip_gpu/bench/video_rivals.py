"""Video codecs along z or t, slice by slice, and without loss.

Values: the number of threads in; `Codec`s out, which code frames of one channel (FFV1: of colour, too) by ffmpeg.
Guarantees that a row can say how samples were coded: as grey, or as 4:2:0 with constant chroma; at which depth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mmip_gpu.bench import ffmpeg
from mmip_gpu.bench.adapters import ALL_COLOURS, GREY, Codec, Source
from mmip_gpu.bench.ffmpeg import Arguments, Encoder
from mmip_gpu.bench.rates import Dial
from mmip_gpu.bench.rivals import three_channels_only

__all__ = ["lossless_video_rivals", "stack_rivals", "video_rivals"]

_X265 = "log-level=none:info=0:frame-threads=1"
_X265_FINER = 2.25  # steps of the rate factor below 0, for each bit above 8, down to the finest quantizer
_X265_SIDE = 64  # it crashes on some smaller frames
_LEAST_SIDE = 32  # of a frame of a lossy codec
_MOST_SAMPLES = 2**20  # of an array for VVenC


def _codec(name: str, encoder: Encoder, threads: int, **more: Any) -> Codec:
    return Codec(
        name,
        ffmpeg.version()[0],
        encoder.frames,
        partial(encoder.encode, threads),
        partial(encoder.decode, threads),
        restore=encoder.restore,
        threads=threads,
        missing=ffmpeg.missing(encoder.name),
        options={"arguments": encoder.arguments(0, 1)},
        coded_as=encoder.coded_as,
        **more,
    )


def _dial(encoder: Encoder, low: float, high: float, start: Callable[[float], float], *rest: float) -> Any:
    """A dial whose start depends on dB on the full scale of the coded depth."""

    def dial(source: Source, db: float) -> Dial:
        full = (2 ** encoder.bits(source) - 1) / (source.range * encoder.factor(source))
        return Dial(low, high, min(max(start(db + 20 * np.log10(full)), low), high), *rest)

    return dial


def _x265_dial(encoder: Encoder) -> Callable[[Source, float], Dial]:
    """A dial that ends at the finest quantizer: below 0 for more than 8 bits."""

    def dial(source: Source, db: float) -> Dial:
        high = 51 + _X265_FINER * (encoder.bits(source) - 8)
        found: Dial = _dial(encoder, 0, high, lambda aim: 51 - (62 - aim) / 0.85, 0.85, 0.5)(source, db)
        return found

    return dial


def _x265(rest: str) -> Arguments:
    def arguments(parameter: float, threads: int) -> list[str]:
        pools = "none" if threads == 1 else threads
        told = f"{_X265}:pools={pools}:{rest.format(51 - parameter)}"
        return ["-preset", "medium", "-tune", "psnr", "-x265-params", told]

    return arguments


def _svt(rest: str) -> Arguments:
    def arguments(parameter: float, threads: int) -> list[str]:
        return ["-preset", "6", "-svtav1-params", f"lp={threads}:{rest.format(70 - parameter)}"]

    return arguments


def _vvenc(preset: str) -> Arguments:
    def arguments(parameter: float, threads: int) -> list[str]:
        return ["-preset", preset, "-qpa", "0", "-qp", f"{63 - parameter:g}", "-threads", str(threads)]

    return arguments


def _too_small(source: Source) -> str | None:
    """The refusal of frames that the encoders were not made for: what they cost there says nothing."""
    height, width = source.planes()[0].shape[:2]
    least = f"takes frames of at least {_LEAST_SIDE} samples a side, found {height} x {width}"
    return least if min(height, width) < _LEAST_SIDE else None


def _too_long(source: Source) -> str | None:
    """The refusal of arrays on which VVenC takes minutes for each point."""
    size = source.array.size
    return f"not measured above {_MOST_SAMPLES} samples, found {size}" if size > _MOST_SAMPLES else _too_small(source)


def _hevc(threads: int, name: str, *told: str) -> Codec:
    encoder = Encoder("libx265", "hevc", (8, 10, 12), _x265(":".join(["crf={:g}", *told])), least=_X265_SIDE)
    dial = _x265_dial(encoder)
    return _codec(f"HEVC (x265 medium){name}", encoder, threads, dial=dial, colours=GREY, refuses=_too_small)


def _vvc(threads: int, preset: str, refuses: Callable[[Source], str | None] = _too_small) -> Codec:
    encoder = Encoder("libvvenc", "vvc", (10,), _vvenc(preset), chroma=True)
    dial = _dial(encoder, 0, 63, lambda db: 6 + db, 1.0, 1)
    return _codec(f"VVC (VVenC {preset})", encoder, threads, dial=dial, colours=GREY, refuses=refuses)


def _av1(threads: int) -> Codec:
    encoder = Encoder("libsvtav1", "obu", (8, 10), _svt("crf={:g}:aq-mode=0"), chroma=True)
    dial = _dial(encoder, 0, 69.75, lambda db: 70 - (52 - db) * 1.8, 0.6, 0.25)
    return _codec("AV1 (SVT-AV1 6)", encoder, threads, dial=dial, colours=GREY, refuses=_too_small)


def video_rivals(threads: int = 1) -> list[Codec]:
    """The lossy video codecs, on frames of one channel; dials that run from the worst quantizer to the best."""
    return [_hevc(threads, ""), _av1(threads), _vvc(threads, "faster")]


def stack_rivals(slices: int) -> list[Codec]:
    """The lossy video codecs as they are compared on stacks: x265 along z, without motion, and slice by slice.

    Parameters
    ----------
    slices : int
        Of a single one only what codes slices alone is of use.

    Examples
    --------
    >>> [codec.name for codec in stack_rivals(1)]
    ['HEVC (x265 medium), intra', 'AV1 (SVT-AV1 6)', 'VVC (VVenC fast)']
    """
    along = [_hevc(1, ""), _hevc(1, ", no motion", "me=dia", "merange=0", "subme=0")] if slices > 1 else []
    return [*along, _hevc(1, ", intra", "keyint=1"), _av1(1), _vvc(1, "fast", _too_long)]


def lossless_video_rivals(threads: int = 1) -> list[Codec]:
    """The video codecs without loss: SVT-AV1 is exact at 8 bits only, and libvvenc has no such mode."""
    ffv1 = ["-level", "3", "-coder", "1", "-context", "1", "-slicecrc", "0", "-g", "9999", "-threads", "1"]
    x265 = Encoder("libx265", "hevc", (8, 10, 12), _x265("lossless=1"), least=_X265_SIDE, exact=True)
    svt = Encoder("libsvtav1", "obu", (8,), _svt("lossless=1"), chroma=True, least=4, exact=True)
    colour: dict[str, Any] = {"colours": ALL_COLOURS, "refuses": three_channels_only}
    return [
        _codec(
            "FFV1",
            Encoder("ffv1", "nut", (8, 9, 10, 12, 14, 16), lambda *_: ffv1, exact=True),
            1,
            lossless=True,
            **colour,
        ),
        _codec("HEVC (x265 medium)", x265, threads, lossless=True, most_bits=12),
        _codec("AV1 (SVT-AV1 6)", svt, threads, lossless=True, most_bits=8),
    ]
