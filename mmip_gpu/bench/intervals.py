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

__all__ = ["bootstrap", "corpus_ratio", "corpus_ratio_interval"]

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


def corpus_ratio(raw_bytes: Sequence[float], coded_bytes: Sequence[float]) -> tuple[float, float]:
    """Return the compression ratio of a corpus, total over total, and the mean of the images' ratios.

    The first is what a disk sees. The second lets one small image that codes well outweigh all others: it stands in a
    second column only.

    Examples
    --------
    >>> corpus_ratio([100, 900], [1, 450])
    (2.2172949002217295, 51.0)
    """
    rows = np.array(_pairs(raw_bytes, coded_bytes))
    return float(rows[:, 0].sum() / rows[:, 1].sum()), float((rows[:, 0] / rows[:, 1]).mean())


def corpus_ratio_interval(raw_bytes: Sequence[float], coded_bytes: Sequence[float], seed: int) -> Interval:
    """Return the ratio of a corpus, total over total, and its 95 % interval over images.

    Examples
    --------
    >>> ratio, low, high = corpus_ratio_interval([100, 900], [50, 450], seed=0)
    >>> ratio, low, high
    (2.0, 2.0, 2.0)
    """

    def ratio(samples: NDArray[Any]) -> NDArray[Any]:
        totals = samples.sum(1)
        quotient: NDArray[Any] = totals[:, 0] / totals[:, 1]
        return quotient

    return _interval(_pairs(raw_bytes, coded_bytes), seed, ratio)


def _pairs(raw_bytes: Sequence[float], coded_bytes: Sequence[float]) -> list[tuple[float, float]]:
    pairs = list(zip(raw_bytes, coded_bytes, strict=False))
    if not pairs or len(raw_bytes) != len(coded_bytes) or min(map(min, pairs)) <= 0:
        found = f"{list(raw_bytes)} and {list(coded_bytes)}"
        raise InvalidArgument(
            f"ratio of a corpus: expected a positive size raw and coded for every image, found {found}"
        )
    return pairs


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
