"""What the comparison codes, and how a codec is driven.

Values: an integer array (or float32 with its step) in a Source; a Codec takes it and its own parameter, gives streams,
and gives the array back in its dtype; host memory. Guarantees that what is not coding (the offset to unsigned, float32,
copies to three channels) is outside of `encode`, and that a codec says why it does not take an image. Searching and
timing are left to measure.py and rates.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from mmip_gpu.bench.rates import Dial
from mmip_gpu.errors import InvalidArgument

__all__ = ["ALL_COLOURS", "GREY", "Codec", "Pieces", "Source", "Stream", "decibels", "step_of", "within_step"]

GREY = frozenset({"gray", "separate", "luma"})
ALL_COLOURS = GREY | {"joint"}
_DEFAULT_AXES = {2: "yx", 3: "zyx", 4: "zyxc"}
_NEARLY_WHITE, _MOST_WHITE = 15 / 16, 1e-3
_KNOWN_AXES = ("yx", "zyx", "tyx", "yxc", "zyxc", "tyxc")


@dataclass(frozen=True)
class Source:
    """An array as the codecs see it.

    Parameters
    ----------
    array : array
        Integers of 8 or 16 bits, or float32.
    axes : str, optional
        ``yx``, ``zyx`` or ``tyx``, channels last as ``c``; time is coded as depth. The default goes by rank.
    bits : int, optional
        Bits that a raw file needs for a sample; those of the dtype by default.
    step : float, optional
        Multiples of it are what float32 samples are worth.
    peak : float, optional
        Range of the image that this array is a channel of, so that all its channels get one step.

    Examples
    --------
    >>> rgb = Source(np.full((4, 6, 3), 7, np.uint8), "yxc")
    >>> rgb.channels, [plane.shape for plane in rgb.planes()]
    (3, [(4, 6, 3)])
    """

    array: np.ndarray
    axes: str = ""
    bits: int = 0
    step: float | None = None
    peak: float | None = None

    def __post_init__(self) -> None:
        axes = self.axes or _DEFAULT_AXES.get(self.array.ndim, "")
        if axes not in _KNOWN_AXES or len(axes) != self.array.ndim:
            known = ", ".join(_KNOWN_AXES)
            raise InvalidArgument(f"axes {axes!r} of an array of shape {self.array.shape}: expected one of {known}")
        object.__setattr__(self, "axes", axes)
        width = 8 * self.array.dtype.itemsize
        object.__setattr__(self, "bits", self.bits or width)
        needed = int(self.range).bit_length() if self.array.size and self.array.dtype.kind in "iu" else 0
        if needed and not needed <= self.bits <= width:
            raise InvalidArgument(f"bits={self.bits}: samples of {self.array.dtype} that span {needed} bits")

    @cached_property
    def range(self) -> float:
        """Largest minus smallest sample, at least 1 of integers: the peak of every PSNR."""
        if self.peak is not None:
            return self.peak
        if self.is_float:
            return max(float(self.array.max()) - float(self.array.min()), float(np.finfo(np.float32).tiny))
        return max(int(self.array.max()) - int(self.array.min()), 1)

    @property
    def is_float(self) -> bool:
        """Whether samples are floats."""
        return self.array.dtype.kind == "f"

    @property
    def channels(self) -> int:
        """Length of the axis of colours; 1 without one."""
        return int(self.array.shape[-1]) if self.axes.endswith("c") else 1

    @cached_property
    def unsigned(self) -> np.ndarray:
        """The samples from 0, in the smaller of the dtypes that holds the range."""
        dtype = np.uint8 if self.depth == 8 else np.uint16
        return (self.array.astype(np.int32) - int(self.array.min())).astype(dtype)

    @property
    def depth(self) -> int:
        """Depth that a rival may be told: 8, or more where the range needs it."""
        return max(8, int(self.range).bit_length())

    @cached_property
    def is_white(self) -> bool:
        """Whether more than 1 of 1000 samples from 0 are near the largest of their dtype, where codecs overshoot."""
        full = 256**self.unsigned.itemsize
        return bool(np.mean(self.unsigned >= _NEARLY_WHITE * full) > _MOST_WHITE)

    def narrowing(self, bits: int) -> float:
        """Factor that brings the samples from 0 into so many bits; 1 where they fit."""
        return float(min((2**bits - 1) / self.range, 1.0))

    def slices(self, array: np.ndarray) -> list[np.ndarray]:
        """Planes of an array of this shape, with their channels."""
        return list(array if self.axes[0] in "zt" else array[None])

    def planes(self) -> list[np.ndarray]:
        """Unsigned slices."""
        return self.slices(self.unsigned)

    def floats(self) -> list[np.ndarray]:
        """The whole array in float32."""
        return [self.array.astype(np.float32)]

    def whole(self) -> list[np.ndarray]:
        """The array itself."""
        return [self.array]

    def whole_planes(self) -> list[np.ndarray]:
        """Slices of the array itself."""
        return self.slices(self.array)

    def narrowed(self, bits: int) -> list[np.ndarray]:
        """Unsigned slices, scaled to so many bits where they have more, and rounded."""
        factor, dtype = self.narrowing(bits), np.uint8 if 8 in (bits, self.depth) else np.uint16
        return [np.rint(plane * factor).astype(dtype) for plane in self.planes()]

    def three_channels(self, bits: int) -> list[np.ndarray]:
        """Slices of at most so many bits, grey as three equal channels: for codecs that take nothing else."""
        planes = self.narrowed(bits)
        return planes if self.channels > 1 else [np.repeat(plane[..., None], 3, axis=2) for plane in planes]

    def samples(self, decoded: np.ndarray, from_zero: bool, factor: float = 1.0) -> np.ndarray:
        """What a codec gave back, in the array's dtype."""
        if self.is_float:
            return decoded.astype(self.array.dtype).reshape(self.array.shape)
        values = np.rint(decoded.astype(np.float64) / factor) + (int(self.array.min()) if from_zero else 0)
        info = np.iinfo(self.array.dtype)
        restored: np.ndarray = np.clip(values, info.min, info.max).astype(self.array.dtype).reshape(self.array.shape)
        return restored


def _no_dial(_source: Source, _db: float) -> Dial:
    return Dial(0, 0, 0, 1)


Pieces = list[Any]
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
        (source, first target in dB) -> range and start of the parameter; none by default.
    known : callable, optional
        (source, parameter) -> a function that encodes with all decisions of a search made beforehand.
    lossless : bool
        Decoding gives the very samples; the parameter does not count.
    promises : callable
        (source, parameter) -> by metric what decoding never falls short of: a largest ``max_error``, a least
        ``psnr_range``. A result that breaks it is a failure.
    bounded : bool
        The parameter is a bound of the largest error, and no dial.
    colours : set of str
        How it takes images with channels: ``joint``, with its own colour transform, or channel by channel.
    most_bits : int
        The deepest samples from 0 that it takes; lossy codecs whose samples are scaled to fewer bits say 16.
    floats : bool
        Whether it takes float32.
    threads : int
        So many work; 1 for codecs that know no more.
    options : mapping
        What the codec is told besides its parameter: part of a record.
    missing : str, optional
        What has to be installed, where it is not.
    refuses : callable
        (source) -> what else it cannot take, or None.
    coded_as : callable
        (source) -> what its samples are made into, where a row has to say so.
    """

    name: str
    version: str
    pieces: Callable[[Source], Pieces]
    encode: Callable[[Any, float, Source], Stream]
    decode: Callable[[Any, Any], np.ndarray]
    dial: Callable[[Source, float], Dial] = _no_dial
    restore: Callable[[Source, np.ndarray], np.ndarray] = lambda source, decoded: source.samples(decoded, True)
    known: Callable[[Source, float], Callable[[], Any]] | None = None
    lossless: bool = False
    promises: Callable[[Source, float], Mapping[str, float]] = lambda _source, _parameter: {}
    bounded: bool = False
    colours: frozenset[str] = GREY
    most_bits: int = 16
    floats: bool = False
    threads: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    missing: str | None = None
    refuses: Callable[[Source], str | None] = lambda _source: None
    coded_as: Callable[[Source], str] = lambda _source: ""

    @property
    def ours(self) -> bool:
        """Whether it is this package."""
        return self.name.startswith("mmip")

    @property
    def has_dial(self) -> bool:
        """Whether it has a parameter of quality; without one it gives what it gives."""
        return self.dial is not _no_dial

    def refusal(self, source: Source) -> str | None:
        """Why it cannot take an image; None where it can.

        Examples
        --------
        >>> codec = Codec("none", "0", Source.planes, lambda *_: b"", lambda *_: np.zeros(1), most_bits=8)
        >>> codec.refusal(Source(np.array([[0, 300]], np.uint16)))
        'takes at most 8 bits a sample, found 9'
        """
        dtype = source.array.dtype
        if self.missing:
            return self.missing
        if not source.array.size:
            return f"an empty array of shape {source.array.shape}"
        if not (dtype.kind in "iu" and dtype.itemsize <= 2) and not (self.floats and dtype == np.float32):
            return f"takes integers of 8 or 16 bits{' and float32' if self.floats else ''}, found {dtype}"
        if source.channels > 1 and "joint" not in self.colours:
            return f"takes grey images, found {source.channels} channels: code them as separate or luma"
        if not source.is_float and int(source.range).bit_length() > self.most_bits:
            return f"takes at most {self.most_bits} bits a sample, found {int(source.range).bit_length()}"
        return self.refuses(source)


def step_of(parameter: float, source: Source) -> float:
    """Uniform quantization step whose rounding error has this PSNR."""
    return source.range * 10 ** (-parameter / 20) * math.sqrt(12)


def within_step(source: Source, parameter: float) -> dict[str, float]:
    """What a bound of half of `step_of` promises: of integers, which are rounded once more, half a unit in addition."""
    return {"max_error": step_of(parameter, source) / 2 + (0 if source.is_float else 0.5)}


def decibels(low: float = 10, high: float = 130, ahead: float = 0.0) -> Callable[[Source, float], Dial]:
    """A parameter in nominal dB, first tried `ahead` dB from the target."""
    return lambda _source, db: Dial(low, high, db + ahead, 1.0)
