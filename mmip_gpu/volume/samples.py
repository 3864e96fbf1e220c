"""Samples of other types than those that are coded: which type holds them without loss, and how they get there.

Values in: arrays of bool, float16, float64 or integers of 32 and 64 bit. Values out: arrays of uint8, uint16, int16 or
float32. Implements no section of FORMAT.md. Guarantees equal values, but for float64 that is asked to be float32.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument

__all__ = ["WIDE_DTYPES", "SampleScan", "finite_limits", "finite_samples", "narrowed", "target_dtype"]

WIDE_DTYPES: Final = ("bool", "float16", "float64", "int32", "int64", "uint32", "uint64")
_INTEGERS: Final = ("uint8", "uint16", "int16")


@dataclass
class SampleScan:
    """What samples of one of `WIDE_DTYPES` are, block by block: the least, the greatest, and whether float32 will do.

    Examples
    --------
    >>> scan = SampleScan(np.dtype("int32"))
    >>> scan.add(np.array([3, 70], np.int32))
    >>> scan.target("labels")
    dtype('uint8')
    """

    dtype: np.dtype[Any]
    low: int = 0
    high: int = 0
    fits_float32: bool = True

    def add(self, samples: NDArray[Any]) -> None:
        """Look at a block."""
        if not samples.size:
            return
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                self.fits_float32 &= np.array_equal(samples, samples.astype(np.float32), equal_nan=True)
        else:
            self.low, self.high = min(self.low, int(samples.min())), max(self.high, int(samples.max()))

    def target(self, name: str) -> np.dtype[Any]:
        """Type that holds all samples; raises InvalidArgument where none does."""
        if self.dtype.kind == "f":
            if not self.fits_float32:
                raise InvalidArgument(
                    f"{name}: found {self.dtype} samples that float32 does not hold: pass dtype='float32' (--dtype "
                    "float32) to round them to it, or scale to integers"
                )
            return np.dtype(np.float32)
        for kind in _INTEGERS:
            if np.iinfo(kind).min <= self.low and self.high <= np.iinfo(kind).max:
                return np.dtype(kind)
        raise InvalidArgument(
            f"{name}: found {self.dtype} samples of {self.low} to {self.high}, which fit none of {', '.join(_INTEGERS)}"
            ": scale them, pass labels=True (--labels) where they are names of objects, or dtype='float32' (--dtype "
            "float32) with a step where float32 holds them"
        )


def target_dtype(dtype: Any) -> np.dtype[Any]:
    """Type that was asked for by ``dtype=``.

    Examples
    --------
    >>> target_dtype("int16")
    dtype('int16')
    """
    found: np.dtype[Any] | None = None
    with contextlib.suppress(TypeError):
        found = np.dtype(dtype).newbyteorder("=")
    if found is None or not (found == np.float32 or (found.kind in "iu" and found.itemsize <= 2)):
        raise InvalidArgument(f"dtype={dtype!r}: expected uint8, int8, uint16, int16 or float32")
    return found


def narrowed(samples: NDArray[Any], dtype: np.dtype[Any], start: Sequence[int] = ()) -> NDArray[Any]:
    """Give samples in another type; `start` is where they begin in the whole array.

    Raises
    ------
    InvalidArgument
        For a sample that has no equal in `dtype`, but for those of float64 that float32 rounds.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        found = samples.astype(dtype)
        if dtype.kind == "f" and samples.dtype.kind == "f":
            wrong = np.isinf(found) & np.isfinite(samples)
        else:
            wrong = found.astype(samples.dtype) != samples
            wrong |= (found < 0) != (samples < 0)
    if wrong.any():
        value, place = _first(samples, wrong, start)
        raise InvalidArgument(f"dtype={dtype}: found {value} at {place}, which has no equal in {dtype}: take another")
    return found


def finite_samples(samples: NDArray[Any], nan: float | None, start: Sequence[int] = ()) -> NDArray[Any]:
    """Give float samples with `nan` in place of those that are NaN or infinite.

    Raises
    ------
    InvalidArgument
        For the first of them where there is no `nan`.

    Examples
    --------
    >>> finite_samples(np.array([1.0, np.nan], np.float32), -1.0).tolist()
    [1.0, -1.0]
    """
    if samples.dtype.kind != "f":
        return samples
    is_finite = np.isfinite(samples)
    if is_finite.all():
        return samples
    if nan is None:
        value, place = _first(samples, ~is_finite, start)
        raise InvalidArgument(
            f"expected finite samples, found {value:g} at {place}: pass nan=, the number to put in place of NaN "
            "or infinity, or replace them first"
        )
    return np.where(is_finite, samples, samples.dtype.type(nan))


def finite_limits(low: float, high: float) -> tuple[float, float]:
    """Give the least and the greatest sample, or say that they are not finite: NaN makes both NaN."""
    if not math.isfinite(low) or not math.isfinite(high):
        raise InvalidArgument(f"expected finite samples, found {low:g} to {high:g}: replace NaN and infinity first")
    return low, high


def _first(samples: NDArray[Any], wrong: NDArray[np.bool_], start: Sequence[int]) -> tuple[Any, list[int]]:
    at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return samples[at], [int(i) + begin for i, begin in zip(at, start or [0] * samples.ndim, strict=True)]
