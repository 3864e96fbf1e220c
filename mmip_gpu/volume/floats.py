"""float32 samples as integers: multiples of a step that the caller names, and back.

Values: float32 arrays in the caller's unit on one side, int32 arrays of indices within +-2^18 on the other.
Implements FORMAT.md section 2 (dtype 4). Guarantees that what comes back differs by at most half a step and, where
the product of index and step is no float32, a rounding that `index_error` accounts for; other dtypes pass unchanged.
"""

from __future__ import annotations

from functools import lru_cache
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import float_indices
from mmip_gpu.errors import InvalidArgument

__all__ = [
    "DEEP_LIMIT",
    "INDEX_LIMIT",
    "fits_deep",
    "from_indices",
    "index_error",
    "sample_dtype",
    "sample_range",
    "squared_error",
    "suggested_step",
    "to_indices",
    "upper_float32",
    "without_index",
]

INDEX_LIMIT = 2**18
DEEP_LIMIT = 2**17  # with cells of 8x8x8, whose reversible transform is exact below 2^22 (FORMAT.md section 4.2)
_PIECE = 2**18
_SHORT_MANTISSA = 32  # an index below 2^19 times a number with such an odd part is a float32


def sample_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Dtype of the integers that stand for samples of a dtype."""
    return np.dtype(np.int32) if dtype.kind == "f" else dtype


@lru_cache(maxsize=32)
def sample_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Least and greatest integer that stands for a sample: what decoders clip to.

    Examples
    --------
    >>> sample_range(np.dtype("uint8")), sample_range(np.dtype("float32"))
    ((0, 255), (-262144, 262144))
    """
    if sample_dtype(dtype) == np.int32:
        return -INDEX_LIMIT, INDEX_LIMIT
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def suggested_step(samples: NDArray[Any]) -> float:
    """Step for float samples: about a quarter of their noise, which adds half a percent to it.

    The noise is that of second differences along the last axis. The step is at least what spans the samples.

    Examples
    --------
    >>> suggested_step(np.random.default_rng(0).normal(100, 3, (64, 64)).astype(np.float32))
    0.5
    """
    values = np.asarray(samples, np.float64)
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 0.0
    second = np.abs(np.diff(values, 2)).ravel() if values.ndim and values.shape[-1] > 2 else np.zeros(0)
    second = second[np.isfinite(second)]
    noise = float(np.median(second)) / 0.6745 / 6**0.5 if second.size else 0.0
    wanted = max(noise / 4 or largest / 4096, 2 * largest / DEEP_LIMIT)
    if not 1e-30 < wanted < 1e30:
        return 1.0
    unit = 10.0 ** floor(log10(wanted))
    return float(f"{unit * max(n for n in (1, 2, 5) if n * unit <= wanted * 1.0001):.6g}")


def to_indices(array: NDArray[Any], step: float | None, limit: int = INDEX_LIMIT) -> NDArray[Any]:
    """Indices rint(v / step) of float32 samples, in binary64; samples of other dtypes as they are.

    Raises
    ------
    InvalidArgument
        For a sample that is not finite or beyond the limit; the message names it.

    Examples
    --------
    >>> to_indices(np.array([0.5, -1.3], np.float32), 0.1).tolist()
    [5, -13]
    """
    if step is None:
        return array
    samples = np.ascontiguousarray(array, np.float32)
    out = np.empty(array.shape, np.int32)
    wrong = float_indices(samples, step, limit, out)
    if wrong >= 0:
        raise without_index(float(samples.reshape(-1)[wrong]), step, limit)
    return out


def without_index(sample: float, step: float, limit: int) -> InvalidArgument:
    """The error for a sample that has no index within the limit."""
    deep = "" if limit == INDEX_LIMIT else " (3D blocks; cell_depth=1 allows twice as much)"
    return InvalidArgument(f"step={step:g}: expected finite samples within +-{limit * step:g}{deep}, found {sample:g}")


def fits_deep(low: float, high: float, step: float) -> bool:
    """Whether samples in this range may be coded in cells of 8x8x8."""
    return max(-low, high) <= DEEP_LIMIT * step


def from_indices(indices: NDArray[Any], step: float | None) -> NDArray[Any]:
    """Samples of indices: binary32 of the binary64 product; without a step the integers as they are.

    Examples
    --------
    >>> from_indices(np.array([5, -13], np.int32), 0.1).tolist()
    [0.5, -1.2999999523162842]
    """
    if step is None:
        return indices
    with np.errstate(over="ignore"):  # a stream may hold any step
        return (indices.astype(np.float64) * step).astype(np.float32)


def squared_error(original: NDArray[Any], indices: NDArray[Any], step: float) -> tuple[float, float]:
    """(sum of squared errors, largest error) of decoded indices against float32 samples, in the caller's unit."""
    a, b = original.reshape(-1), indices.reshape(-1)
    total, largest = 0.0, 0.0
    for at in range(0, a.size, _PIECE):
        difference = a[at : at + _PIECE].astype(np.float64) - from_indices(b[at : at + _PIECE], step)
        total += float(np.dot(difference, difference))
        largest = max(largest, float(np.abs(difference).max()))
    return total, largest


def upper_float32(value: float) -> float:
    """The smallest binary32 that is not below a number."""
    nearest = np.float32(value)
    return float(nearest if float(nearest) >= value else np.nextafter(nearest, np.float32(np.inf)))


def index_error(error: float, step: float) -> int:
    """Largest error of an index that keeps a sample within `error`, exactly.

    Half a step is lost by rounding to indices; 1/64 of one where index times step is no float32.

    Raises
    ------
    InvalidArgument
        For an error that no index keeps; the message has the smallest.

    Examples
    --------
    >>> index_error(1.0, 0.25)
    3
    """
    from fractions import Fraction

    exact_step = Fraction(step)
    odd = exact_step.numerator  # the denominator is a power of two
    while odd % 2 == 0:
        odd //= 2
    lost = Fraction(1, 2) + (0 if odd < _SHORT_MANTISSA else Fraction(1, 64))
    found = floor(Fraction(error) / exact_step - lost)
    if found < 0:
        raise InvalidArgument(f"max_error={error:g}: with step={step:g} the smallest is {float(lost * exact_step):g}")
    return found
