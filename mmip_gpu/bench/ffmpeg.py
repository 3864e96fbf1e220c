"""Frames through ffmpeg: volumes of a Source as frames in, elementary streams (FFV1: NUT files) out, and back.

Samples start from 0. For a lossy codec they are scaled to its depth, exactly where it is deeper (a power of two), else
rounded; without loss they are as they are. Codecs that know 4:2:0 only get constant chroma, and a row or column more
where there is an odd number; very small frames are continued at their ends. Guarantees that ffmpeg converts no samples
and that as many frames come back as went in. The ffmpeg is that of `imageio-ffmpeg`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mmip_gpu.bench.adapters import Pieces, Source, Stream
from mmip_gpu.errors import MissingResource

__all__ = ["Arguments", "Encoder", "missing", "version"]

_INSTALL = "needs ffmpeg: pip install imageio-ffmpeg"
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
class Encoder:
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

    def coded_as(self, source: Source) -> str:
        """Pixels, depth and chroma of the frames, in words."""
        bits = self.bits(source)
        scaled = f", {source.depth} bits scaled to {bits}" if bits < source.depth else ""
        sides = source.planes()[0].shape[:2]
        continued = f", short sides continued to {self.least}" if min(sides) < self.least else ""
        chroma = ", constant chroma" if self.chroma else ""
        return f"{_pixel_format(bits, source.channels, self.chroma)}{chroma}{scaled}{continued}"

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
        if raw.nbytes != len(frames.data):
            raise RuntimeError(f"{self.name}: expected {len(frames.data)} bytes of frames, found {raw.nbytes}")
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
def version() -> tuple[str, frozenset[str]]:
    """(version, names of encoders); nothing without ffmpeg."""
    try:
        words = _ffmpeg(["-version"]).decode().split()
        lines = _ffmpeg(["-encoders"]).decode().splitlines()
    except MissingResource:
        return "none", frozenset()
    return f"ffmpeg {words[2]}", frozenset(line.split()[1] for line in lines if len(line.split()) > 1)


def missing(encoder: str) -> str | None:
    """Why an encoder cannot be used; None where it can."""
    found, encoders = version()
    if encoder in encoders:
        return None
    return f"{found} of imageio-ffmpeg has no encoder {encoder}" if encoders else _INSTALL
