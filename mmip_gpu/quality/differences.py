"""Differences of two arrays: their sums in bounded pieces, and the errors that these sums give.

Values: arrays of one shape (real samples, host memory, any layout) in; sums and errors in sample units or dB out.
Implements no section of FORMAT.md. Guarantees float64 arithmetic on pieces of 2^18 samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument

__all__ = ["Difference", "check_pair", "decibels", "differences"]

_PIECE_SAMPLES = 1 << 18


@dataclass
class Difference:
    """Running sums of differences, in sample units; NaN stays NaN."""

    sample_count: int = 0
    absolute_sum: float = 0.0
    square_sum: float = 0.0
    largest: float = 0.0

    def add(self, difference: NDArray[np.float64]) -> None:
        """Add a piece."""
        absolute = np.abs(difference)
        self.sample_count += difference.size
        self.absolute_sum += float(absolute.sum())
        self.square_sum += float(np.square(difference).sum())
        self.largest = float(np.maximum(self.largest, absolute.max(initial=0.0)))

    def merge(self, other: Difference) -> None:
        """Add what another one has summed."""
        self.sample_count += other.sample_count
        self.absolute_sum += other.absolute_sum
        self.square_sum += other.square_sum
        self.largest = float(np.maximum(self.largest, other.largest))

    @property
    def mse(self) -> float:
        """Mean square of what was added, 0 for nothing."""
        return self.square_sum / max(self.sample_count, 1)

    @property
    def rmse(self) -> float:
        """Root mean square of what was added, 0 for nothing."""
        return math.sqrt(self.mse)

    @property
    def mae(self) -> float:
        """Mean absolute value of what was added, 0 for nothing."""
        return self.absolute_sum / max(self.sample_count, 1)


def differences(
    a: NDArray[Any],
    b: NDArray[Any],
    masks: Sequence[NDArray[np.bool_]] = (),
    *,
    window: tuple[float, float] | None = None,
) -> list[Difference]:
    """Return the differences ``b - a`` of all samples, then those under each mask.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, one shape.
    masks : sequence of numpy.ndarray
        bool, the same shape.
    window : tuple of float, optional
        Both arrays are clipped to it.

    Examples
    --------
    >>> a = np.array([0, 0, 0, 0])
    >>> [part.mse for part in differences(a, a + 2, [a == 0, a > 0])]
    [4.0, 4.0, 0.0]
    """
    measured = [Difference() for _ in range(1 + len(masks))]
    dtypes = [np.float64, np.float64, *[np.bool_] * len(masks)]
    options: Any = {"flags": ("external_loop", "buffered", "zerosize_ok"), "buffersize": _PIECE_SAMPLES}
    pieces: Any = np.nditer([a, b, *masks], op_dtypes=dtypes, casting="unsafe", **options)
    for first, second, *selections in pieces:
        difference = second - first if window is None else np.clip(second, *window) - np.clip(first, *window)
        measured[0].add(difference)
        for part, selected in zip(measured[1:], selections, strict=True):
            part.add(difference[selected])
    return measured


def decibels(error: float, peak: float) -> float:
    """Return peak over error in dB: inf without error, else -inf for a peak of 0.

    Examples
    --------
    >>> decibels(1.0, 100.0), decibels(0.0, 0.0), decibels(1.0, 0.0)
    (40.0, inf, -inf)
    """
    if error == 0:
        return math.inf
    return 20 * math.log10(peak / error) if peak > 0 and error != math.inf else -math.inf


def check_pair(a: NDArray[Any], b: NDArray[Any]) -> None:
    """Raise unless both arrays hold real numbers and have one shape."""
    found = [str(getattr(array, "dtype", type(array).__name__)) for array in (a, b)]
    if not all(isinstance(array, np.ndarray) and array.dtype.kind in "buif" for array in (a, b)):
        raise InvalidArgument(f"metrics: expected arrays of real numbers, found {' and '.join(found)}")
    if a.shape != b.shape:
        raise InvalidArgument(f"metrics: expected two arrays of one shape, found {a.shape} and {b.shape}")
