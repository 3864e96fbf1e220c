"""Haar wavelet-based perceptual similarity (HaarPSI) of a plane, also within regions.

Values: two planes (real samples, grey or RGB, host memory) in; scores out. Implements no section of FORMAT.md.
Guarantees the definition of Reisenhofer, Bosse, Kutyniok and Wiegand (Signal Processing: Image Communication 61,
2018) with its constants for samples of 0 to 255, in bands of rows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HAARPSI_LEAST_SIDE", "haarpsi", "haarpsi_scores"]

HAARPSI_LEAST_SIDE = 16

_CONSTANT, _ALPHA = 30.0, 4.2
_SIZES = (2, 4, 8)
_BAND_SAMPLES = 1 << 19
_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])

Plane = NDArray[Any]
Floats = NDArray[np.float64]


def haarpsi(
    a: Plane, b: Plane, data_range: float, mask: NDArray[np.bool_] | None = None, *, low: float = 0.0
) -> float | None:
    """Return the HaarPSI of a plane or of its samples under a mask: 1 for equal planes, above 0.

    Samples are scaled from `low` .. `low` + `data_range` to 0 .. 255 and halved by 2 x 2 means. Responses of two fine
    Haar filters are compared in each direction; the third one says how much a place counts. RGB adds the chroma (YIQ).
    The mean of a mask weights each place by the share of the mask in it. None: a side below 16 samples, or nothing
    that counts, as in a flat region.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples: rows, columns and, for RGB, 3 channels; one shape.
    data_range : float
        Largest minus smallest possible value in sample units, above 0.
    mask : numpy.ndarray, optional
        bool, rows and columns.
    low : float
        The smallest possible value.

    Examples
    --------
    >>> plane = np.add.outer(np.arange(16.0), np.arange(20.0))
    >>> round(haarpsi(plane, plane, 34.0), 6)
    1.0
    """
    return haarpsi_scores(a, b, data_range, [mask], low=low)[0]


def haarpsi_scores(
    a: Plane, b: Plane, data_range: float, masks: Sequence[NDArray[np.bool_] | None], *, low: float = 0.0
) -> list[float | None]:
    """Return the HaarPSI under each mask, None for the whole plane, from one pass over the maps."""
    if min(a.shape[:2]) < HAARPSI_LEAST_SIDE:
        return [None] * len(masks)
    sums = np.zeros((len(masks), 2))
    rows, margin = -(-a.shape[0] // 2), _SIZES[-1]
    row_count = max(_BAND_SAMPLES // a.shape[1], 1)
    for first in range(0, rows, row_count):
        last = min(first + row_count, rows)
        above = max(first - margin, 0)
        whole = slice(2 * above, 2 * (last + margin))
        pair = [_halved((image[whole].astype(np.float64) - low) * (255 / data_range)) for image in (a, b)]
        similarity, weight = (part[:, first - above : last - above] for part in _maps(*pair))
        for number, mask in enumerate(masks):
            share = 1.0 if mask is None else _halved(mask[2 * first : 2 * last].astype(np.float64))[0]
            sums[number] += float((similarity * weight * share).sum()), float((weight * share).sum())
    return [_score(*pair) for pair in sums.tolist()]


def _score(similarity: float, weight: float) -> float | None:
    """Return the score of the weighted sum of logistic similarities."""
    if weight == 0:
        return None
    mean = similarity / weight
    return (math.log(mean / (1 - mean)) / _ALPHA) ** 2


def _halved(plane: Floats) -> Floats:
    """Return the 2 x 2 means of luma, or of Y, I, Q of RGB, channels first; zeros follow an odd last row or column."""
    channels = plane[None] if plane.ndim == 2 else np.tensordot(_YIQ, plane, (1, 2))
    height, width = channels.shape[1:]
    padded = np.pad(channels, ((0, 0), (0, height % 2), (0, width % 2)))
    halved: Floats = (padded[:, ::2, ::2] + padded[:, ::2, 1::2] + padded[:, 1::2, ::2] + padded[:, 1::2, 1::2]) / 4
    return halved


def _maps(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the logistic similarity and the weight of every place: one map a direction, one more for chroma."""
    responses = [[_responses(channels[0], size) for size in _SIZES] for channels in (x, y)]
    similarities, weights = [], []
    for direction in (0, 1):
        fine = [_similarity(p[direction], q[direction]) for p, q in zip(*responses, strict=True)][:2]
        similarities.append((fine[0] + fine[1]) / 2)
        weights.append(np.maximum(responses[0][2][direction], responses[1][2][direction]))
    if len(x) == len(_YIQ):
        means = [np.abs(_window_sums(_window_sums(_padded(c[1:], 2), 2, 1), 2, 2)) / 4 for c in (x, y)]
        similarities.append(_similarity(*means).mean(0))
        weights.append((weights[0] + weights[1]) / 2)
    return 1 / (1 + np.exp(-_ALPHA * np.stack(similarities))), np.stack(weights)


def _similarity(p: Floats, q: Floats) -> Floats:
    similarity: Floats = (2 * p * q + _CONSTANT) / (p * p + q * q + _CONSTANT)
    return similarity


def _responses(plane: Floats, size: int) -> tuple[Floats, Floats]:
    """Return the absolute responses of the Haar filter of `size`, between rows and between columns."""
    padded, half = _padded(plane, size), size // 2
    found = []
    for axis in (0, 1):
        sums = _window_sums(padded, half, axis)
        upper, lower = (np.take(sums, np.arange(plane.shape[axis]) + start, axis) for start in (0, half))
        found.append(np.abs(_window_sums(upper - lower, size, 1 - axis)) / size)
    return found[0], found[1]


def _padded(planes: Floats, size: int) -> Floats:
    """Return planes with the zeros around their last two axes that windows of an even size need."""
    around = (size // 2 - 1, size // 2)
    return np.pad(planes, [(0, 0)] * (planes.ndim - 2) + [around, around])


def _window_sums(planes: Floats, size: int, axis: int) -> Floats:
    """Return the sums of all runs of `size` samples along an axis."""
    count = planes.shape[axis] - size + 1
    parts = (planes[(slice(None),) * axis + (slice(first, first + count),)] for first in range(size))
    return functools.reduce(np.add, parts)
