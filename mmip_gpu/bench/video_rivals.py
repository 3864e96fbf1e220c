"""Video codecs along z or t, by the ffmpeg that `imageio-ffmpeg` brings.

Values: grey volumes of a Source as frames in, elementary streams (FFV1: NUT files) out, and back. Samples start from 0.
For a lossy codec they are scaled to its depth, exactly where it is deeper (a power of two), else rounded; without loss
they are as they are. Codecs that know 4:2:0 only get constant chroma, and a row or column more where there is an odd
number; very small frames are continued at their ends. Guarantees that ffmpeg converts no samples.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from mmip_gpu.bench.adapters import ALL_COLOURS, GREY, Codec, Pieces, Source, Stream
from mmip_gpu.bench.rates import Dial
from mmip_gpu.bench.rivals import three_channels_only
from mmip_gpu.errors import MissingResource

__all__ = ["lossless_video_rivals", "video_rivals"]

_INSTALL = "needs ffmpeg: pip install imageio-ffmpeg"
_X265 = "log-level=none:info=0:frame-threads=1"
_X265_FINER = 2.25  # steps of the rate factor below 0, for each bit above 8, down to the finest quantizer
Arguments = Callable[[float, int], list[str]]
"""(parameter, threads) -> what the encoder is told."""


@dataclass(frozen=True)
class _Frames:
    """Frames as ffmpeg reads them."""

    data: bytes
    pixels: str
    shape: tuple[int, int, int]  # as coded
    cropped: tuple[int, int, int]  # as asked for
    channels: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Encoder:
    """An encoder of ffmpeg.

    Parameters
    ----------
    name, container : str
        Of ffmpeg.
    depths : tuple of int
        Bits of a sample, ascending.
    arguments : callable
        What it is told for a parameter.
    chroma : bool
        Whether it needs 4:2:0.
    least : int
        The shortest side of a frame.
    exact : bool
        Whether samples are not scaled up.
    """

    name: str
    container: str
    depths: tuple[int, ...]
    arguments: Arguments
    chroma: bool = False
    least: int = 1
    exact: bool = False

    def bits(self, source: Source) -> int:
        """Depth that is coded."""
        return next((bits for bits in self.depths if bits >= source.depth), self.depths[-1])

    def factor(self, source: Source) -> float:
        """By which samples from 0 are multiplied."""
        bits = self.bits(source)
        if bits < source.depth:
            return source.narrowing(bits)
        return 1.0 if self.exact else 2.0 ** (bits - source.depth)

    def frames(self, source: Source) -> Pieces:
        """The whole volume, laid out for ffmpeg."""
        bits, volume = self.bits(source), np.stack(source.planes())
        dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
        cropped = volume.shape[:3]
        even = 2 if self.chroma else 1
        ends = [(0, -(-max(n, self.least) // even) * even - n) for n in cropped[1:]]
        volume = np.rint(np.pad(volume, [(0, 0), *ends, *[(0, 0)] * (volume.ndim - 3)], "edge") * self.factor(source))
        volume = volume.astype(dtype)
        shape = volume.shape[:3]
        planes = [volume if volume.ndim == 3 else _interleaved(volume, bits)]
        if self.chroma:
            planes.append(np.full((shape[0], shape[1] // 2, shape[2]), 1 << (bits - 1), dtype))
        joined = np.concatenate([plane.reshape(shape[0], -1) for plane in planes], axis=1)
        pixels = _pixel_format(bits, source.channels, self.chroma)
        return [_Frames(joined.tobytes(), pixels, shape, cropped, source.channels, dtype)]

    def encode(self, threads: int, frames: _Frames, parameter: float, _source: Source) -> Stream:
        """Frames to a stream."""
        size = f"{frames.shape[2]}x{frames.shape[1]}"
        raw = f"-f rawvideo -pixel_format {frames.pixels} -video_size {size} -framerate 25 -i pipe:0".split()
        told = ["-c:v", self.name, *self.arguments(parameter, threads), *self._slices(frames)]
        return _ffmpeg([*raw, *told, "-f", self.container, "pipe:1"], frames.data)

    def _slices(self, frames: _Frames) -> list[str]:
        """How FFV1 cuts frames: as little as ffmpeg lets it."""
        is_large = frames.shape[1] > 288 or frames.shape[2] > 352
        return ["-slices", "4" if is_large else "1"] if self.name == "ffv1" else []

    def decode(self, threads: int, data: Stream, frames: _Frames) -> np.ndarray:
        """A stream to samples from 0, as they were coded."""
        told = ["-threads", str(threads), "-f", self.container, "-i", "pipe:0", "-f", "rawvideo"]
        raw = np.frombuffer(_ffmpeg([*told, "-pix_fmt", frames.pixels, "pipe:1"], data), frames.dtype)
        count, height, width = frames.shape
        if frames.channels > 1:
            volume = _channels_last(raw, frames)
        else:
            volume = raw.reshape(count, -1)[:, : height * width].reshape(frames.shape)
        _, rows, columns = frames.cropped
        return volume[:, :rows, :columns]

    def restore(self, source: Source, decoded: np.ndarray) -> np.ndarray:
        """The array."""
        return source.samples(decoded, True, self.factor(source))


def _pixel_format(bits: int, channels: int, chroma: bool) -> str:
    if channels > 1:
        return "bgr0" if bits == 8 else f"gbrp{bits}le"
    depth = "" if bits == 8 else f"{bits}le"
    return f"yuv420p{depth}" if chroma else f"gray{depth}"


def _interleaved(volume: np.ndarray, bits: int) -> np.ndarray:
    """RGB as bgr0 (8 bit), or as planes g, b, r."""
    if bits > 8:
        return np.moveaxis(volume[..., (1, 2, 0)], -1, 1)
    return np.concatenate([volume[..., ::-1], np.zeros_like(volume[..., :1])], axis=-1)


def _channels_last(raw: np.ndarray, frames: _Frames) -> np.ndarray:
    """The inverse of `_interleaved`."""
    if frames.dtype == np.uint8:
        return raw.reshape(*frames.shape, 4)[..., 2::-1]
    count, height, width = frames.shape
    return np.moveaxis(raw.reshape(count, 3, height, width), 1, -1)[..., (2, 0, 1)]


@cache
def _executable() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise MissingResource(_INSTALL) from None


def _ffmpeg(arguments: list[str], data: Stream = b"") -> bytes:
    """What ffmpeg writes; its own words where it fails."""
    command = [_executable(), "-hide_banner", "-loglevel", "error", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"ffmpeg ended with {done.returncode}: {done.stderr.decode(errors='replace')[:300].strip()}")
    return done.stdout


@cache
def _version() -> tuple[str, frozenset[str]]:
    """(version, names of encoders); nothing without ffmpeg."""
    try:
        words = _ffmpeg(["-version"]).decode().split()
        lines = _ffmpeg(["-encoders"]).decode().splitlines()
    except MissingResource:
        return "none", frozenset()
    return f"ffmpeg {words[2]}", frozenset(line.split()[1] for line in lines if len(line.split()) > 1)


def _missing(encoder: str) -> str | None:
    version, encoders = _version()
    if encoder in encoders:
        return None
    return f"{version} of imageio-ffmpeg has no encoder {encoder}" if encoders else _INSTALL


def _codec(name: str, encoder: _Encoder, threads: int, **more: Any) -> Codec:
    return Codec(
        name,
        _version()[0],
        encoder.frames,
        partial(encoder.encode, threads),
        partial(encoder.decode, threads),
        restore=encoder.restore,
        threads=threads,
        missing=_missing(encoder.name),
        options={"arguments": encoder.arguments(0, 1)},
        **more,
    )


def _dial(encoder: _Encoder, low: float, high: float, start: Callable[[float], float], *rest: float) -> Any:
    """A dial whose start depends on dB on the full scale of the coded depth."""

    def dial(source: Source, db: float) -> Dial:
        full = (2 ** encoder.bits(source) - 1) / (source.range * encoder.factor(source))
        return Dial(low, high, min(max(start(db + 20 * np.log10(full)), low), high), *rest)

    return dial


def _x265_dial(encoder: _Encoder) -> Callable[[Source, float], Dial]:
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


def video_rivals(threads: int = 1) -> list[Codec]:
    """The lossy video codecs, on frames of one channel; dials that run from the worst quantizer to the best."""
    x265 = _Encoder("libx265", "hevc", (8, 10, 12), _x265("crf={:g}"), least=64)
    svt = _Encoder("libsvtav1", "obu", (8, 10), _svt("crf={:g}:aq-mode=0"), chroma=True, least=4)
    vvenc = _Encoder(
        "libvvenc",
        "vvc",
        (10,),
        lambda parameter, n: ["-preset", "faster", "-qpa", "0", "-qp", f"{63 - parameter:g}", "-threads", str(n)],
        chroma=True,
        least=16,
    )
    return [
        _codec(name, encoder, threads, dial=dial, colours=GREY)
        for name, encoder, dial in (
            ("HEVC (x265 medium)", x265, _x265_dial(x265)),
            ("AV1 (SVT-AV1 6)", svt, _dial(svt, 0, 69.75, lambda db: 70 - (52 - db) * 1.8, 0.6, 0.25)),
            ("VVC (VVenC faster)", vvenc, _dial(vvenc, 0, 63, lambda db: 6 + db, 1.0, 1)),
        )
    ]


def lossless_video_rivals(threads: int = 1) -> list[Codec]:
    """The video codecs without loss: SVT-AV1 is exact at 8 bits only, and libvvenc has no such mode."""
    ffv1 = ["-level", "3", "-coder", "1", "-context", "1", "-slicecrc", "0", "-g", "9999", "-threads", "1"]
    x265 = _Encoder("libx265", "hevc", (8, 10, 12), _x265("lossless=1"), least=64, exact=True)
    svt = _Encoder("libsvtav1", "obu", (8,), _svt("lossless=1"), chroma=True, least=4, exact=True)
    colour: dict[str, Any] = {"colours": ALL_COLOURS, "refuses": three_channels_only}
    return [
        _codec(
            "FFV1",
            _Encoder("ffv1", "nut", (8, 9, 10, 12, 14, 16), lambda *_: ffv1, exact=True),
            1,
            lossless=True,
            **colour,
        ),
        _codec("HEVC (x265 medium)", x265, threads, lossless=True, most_bits=12),
        _codec("AV1 (SVT-AV1 6)", svt, threads, lossless=True, most_bits=8),
    ]
