"""Means over images with their uncertainty: bootstrap intervals, and the ratio of a corpus.

Values: a number, or a row of numbers, for each image in; a mean and the ends of an interval out. Implements no section
of FORMAT.md. Guarantees equal results for equal values and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument

__all__ = ["Interval", "bootstrap", "corpus_ratio", "mean_of_ratios"]

RESAMPLES = 2000
LEVEL = 0.95

Statistic = Callable[[NDArray[Any]], NDArray[Any]]  # of samples x images (x numbers): one value a sample
Interval = tuple[float, float | None, float | None]


def bootstrap(values: Sequence[float | None], seed: int) -> Interval:
    """Return the mean over images and the ends of its 95 % interval (percentile bootstrap, 2,000 samples).

    Parameters
    ----------
    values : sequence of float or None
        One for each image; None does not count.
    seed : int
        Of the resampling.

    Returns
    -------
    tuple
        Mean, low, high. One image has no interval: low and high are None.

    Raises
    ------
    InvalidArgument
        No value, or one that is not finite.

    Examples
    --------
    >>> mean, low, high = bootstrap([1.0, 2.0, 3.0, None], seed=0)
    >>> mean, low, high
    (2.0, 1.0, 3.0)
    """
    return _interval([value for value in values if value is not None], seed, lambda samples: samples.mean(1))


def corpus_ratio(sizes: Sequence[tuple[float, float]], seed: int) -> Interval:
    """Return the compression ratio of a corpus, total over total, and its 95 % interval over images.

    Parameters
    ----------
    sizes : sequence of tuple
        Raw and coded bytes of every image, above 0.
    seed : int
        Of the resampling.

    Examples
    --------
    >>> corpus_ratio([(100, 50), (900, 450)], seed=0)
    (2.0, 2.0, 2.0)
    """

    def ratio(samples: NDArray[Any]) -> NDArray[Any]:
        totals = samples.sum(1)
        quotient: NDArray[Any] = totals[:, 0] / totals[:, 1]
        return quotient

    return _interval(_checked(sizes), seed, ratio)


def mean_of_ratios(sizes: Sequence[tuple[float, float]]) -> float:
    """Return the mean of the images' ratios, for a second column: one small image that codes well can outweigh all.

    Examples
    --------
    >>> mean_of_ratios([(100, 1), (900, 450)])
    51.0
    """
    return float(np.mean([raw / coded for raw, coded in _checked(sizes)]))


def _checked(sizes: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if not sizes or min(map(min, sizes)) <= 0:
        raise InvalidArgument(f"ratio: expected a positive size raw and coded for every image, found {list(sizes)}")
    return sizes


def _interval(rows: Sequence[Any], seed: int, statistic: Statistic) -> Interval:
    """Return a statistic of rows and the percentiles of the same of resampled rows."""
    array = np.array(rows, np.float64)
    if not len(array) or not np.isfinite(array).all():
        raise InvalidArgument(f"interval: expected one finite value or more, found {[*map(str, rows)]}")
    value = float(statistic(array[None])[0])
    if len(array) == 1:
        return value, None, None
    chosen = np.random.default_rng(seed).integers(0, len(array), (RESAMPLES, len(array)))
    ends = np.quantile(statistic(array[chosen]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(ends[0]), float(ends[1])
