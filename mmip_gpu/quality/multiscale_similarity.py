"""Multi-scale structural similarity (MS-SSIM) of a plane, also within regions.

Values: two planes (real samples, host memory) in; scores out. Implements no section of FORMAT.md. Guarantees the
definition of Wang, Simoncelli and Bovik (Asilomar 2003) in bands of rows; needs scipy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.quality.optional import ndimage

__all__ = ["MS_SSIM_LEAST_SIDE", "ms_ssim", "ms_ssim_scores"]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
MS_SSIM_LEAST_SIDE = (WINDOW - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1  # 161: the coarsest scale holds one window

_BORDER = WINDOW // 2
_BAND_SAMPLES = 1 << 19

Plane = NDArray[Any]
Maps = tuple[NDArray[np.float64], NDArray[np.float64]]


def ms_ssim(a: Plane, b: Plane, data_range: float, mask: NDArray[np.bool_] | None = None) -> float | None:
    """Return the MS-SSIM of a plane or of its samples under a mask; None below 161 samples a side.

    Contrast and structure of five scales and the luminance of the coarsest one are averaged over the plane, raised to
    the weights of the paper and multiplied; a negative mean counts as 0. A scale halves the one before by 2 x 2 means;
    an odd last row or column is repeated. Windows are Gaussian: 11 x 11 samples, sigma 1.5. The mean of the plane
    takes the windows that lie inside of it. That of a mask takes the maps with mirrored borders, each place weighted
    by the share of the mask in it.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, two axes, one shape.
    data_range : float
        Largest minus smallest possible value in sample units, above 0.
    mask : numpy.ndarray, optional
        bool, the same shape.

    Examples
    --------
    >>> plane = np.add.outer(np.arange(161.0), np.arange(170.0))
    >>> ms_ssim(plane, plane, 329.0), ms_ssim(plane[1:], plane[1:], 329.0)
    (1.0, None)
    """
    return ms_ssim_scores(a, b, data_range, [mask])[0]


def ms_ssim_scores(
    a: Plane, b: Plane, data_range: float, masks: Sequence[NDArray[np.bool_] | None]
) -> list[float | None]:
    """Return the MS-SSIM under each mask, None for the whole plane, from one pass over the maps."""
    if min(a.shape) < MS_SSIM_LEAST_SIDE:
        return [None] * len(masks)
    shares: list[Any] = list(masks)
    scores = [1.0] * len(masks)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        is_last = scale == len(SCALE_WEIGHTS) - 1
        means = _means(a, b, data_range, shares, is_last)
        scores = [score * max(mean, 0.0) ** weight for score, mean in zip(scores, means, strict=True)]
        if not is_last:
            a, b = _halved(a), _halved(b)
            shares = [None if share is None else _halved(share) for share in shares]
    return [None if math.isnan(score) else score for score in scores]


def _means(a: Plane, b: Plane, data_range: float, shares: Sequence[Any], is_last: bool) -> list[float]:
    """Return the mean of one scale's map over the plane (None) or weighted by shares; NaN for none."""
    height, width = a.shape
    sums, weights = [0.0] * len(shares), [0.0] * len(shares)
    for first, (contrast, luminance) in _bands(a, b, data_range):
        band = contrast * luminance if is_last else contrast
        for number, share in enumerate(shares):
            if share is None:
                inner = band[max(_BORDER - first, 0) : max(height - _BORDER - first, 0), _BORDER : width - _BORDER]
                sums[number] += float(inner.sum())
                weights[number] += inner.size
            else:
                part = share[first : first + len(band)]
                sums[number] += float((band * part).sum())
                weights[number] += float(part.sum())
    return [total / weight if weight else math.nan for total, weight in zip(sums, weights, strict=True)]


def _bands(a: Plane, b: Plane, data_range: float) -> Iterator[tuple[int, Maps]]:
    """Yield contrast-structure and luminance in bands of rows, borders mirrored."""
    height, width = a.shape
    row_count = max(_BAND_SAMPLES // width, 1)
    for first in range(0, height, row_count):
        last = min(first + row_count, height)
        above = max(first - WINDOW, 0)  # a full window: what is mirrored at its end stays outside of the band
        x, y = (image[above : last + WINDOW].astype(np.float64) for image in (a, b))
        contrast, luminance = _maps(x, y, data_range)
        yield first, (contrast[first - above : last - above], luminance[first - above : last - above])


def _maps(x: NDArray[np.float64], y: NDArray[np.float64], data_range: float) -> Maps:
    """Return contrast-structure and luminance of every place."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = _blurred(x * y) - product
    variances = _blurred(x * x + y * y) - squares
    return (2 * covariance + c2) / (variances + c2), (2 * product + c1) / (squares + c1)


def _blurred(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means under the Gaussian window."""
    window = np.exp(-0.5 * (np.arange(-_BORDER, _BORDER + 1) / SIGMA) ** 2)
    window /= window.sum()
    for axis in (0, 1):
        plane = ndimage().correlate1d(plane, window, axis, mode="reflect")
    return plane


def _halved(plane: Plane) -> NDArray[np.float64]:
    """Return the 2 x 2 means, an odd last row and column repeated."""
    below, right = (np.minimum(np.arange(1, size + size % 2, 2), size - 1) for size in plane.shape)
    upper, lower = plane[::2].astype(np.float64), plane[below].astype(np.float64)
    rows = upper + lower
    halved: NDArray[np.float64] = (rows[:, ::2] + rows[:, right]) / 4
    return halved
