"""One adapter per codec of the comparison: ours at every effort, and the rivals through imagecodecs.

Values: an integer array and the codec's own parameter in, streams out, and back to the array's dtype; host memory.
Guarantees one thread, and what is not coding (offset to unsigned, float32, copies to three channels) outside of
`encode`. Searching and timing are left to rivals.py. JPEG-LS codes 16-bit words: imagecodecs cannot set its bit depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np

import mmip_gpu as mmip
from mmip_gpu.bench.rates import Dial
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

AVIF_BITS = 12


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
        return float(min((2**AVIF_BITS - 1) / self.range, 1.0))

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
        restored: np.ndarray = np.clip(values, info.min, info.max).astype(self.array.dtype).reshape(self.array.shape)
        return restored


Pieces = list[np.ndarray]
Stream: TypeAlias = bytes | bytearray


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
    encode: Callable[[np.ndarray, float, Source], Stream]
    decode: Callable[[Stream, np.ndarray], np.ndarray]
    dial: Callable[[Source, float], Dial] = lambda _source, _db: Dial(0, 0, 0, 1)
    restore: Callable[[Source, np.ndarray], np.ndarray] = lambda source, decoded: source.samples(decoded, True)
    known: Callable[[Source, float], Callable[[], Any]] | None = None

    @property
    def ours(self) -> bool:
        """Whether it is this package."""
        return self.name.startswith("mmip")


def step_of(parameter: float, source: Source) -> float:
    """Uniform quantization step whose rounding error has this PSNR."""
    return source.range * 10 ** (-parameter / 20) * math.sqrt(12)


def decibels(low: float = 10, high: float = 130, ahead: float = 0.0) -> Callable[[Source, float], Dial]:
    """A parameter in nominal dB, first tried `ahead` dB from the target."""
    return lambda _source, db: Dial(low, high, db + ahead, 1.0)


def _encoded(options: dict[str, Any], piece: np.ndarray, psnr: float, _source: Source) -> Stream:
    coded: bytes = mmip.encode(piece, psnr=psnr, threads=1, **options)
    return coded


def _coder(options: dict[str, Any], source: Source, psnr: float) -> Callable[[], Any]:
    return _chunk_encoder(source.array, psnr=psnr, **options)


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
            partial(_encoded, options),
            lambda data, _: mmip.decode(data, threads=1),
            decibels(low=1, high=140),
            lambda _source, decoded: decoded,
            partial(_coder, options),
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


def plan_of(array: np.ndarray, **options: Any) -> ChunkPlan:
    """The plan that `encode` would make, without verification."""
    config = CodecConfig.from_options(verify=False, **options)
    return make_plan(config, ArrayReader(Trial(array), PlaneLayout.of(array.shape)))
