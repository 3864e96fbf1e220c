"""Structural similarity (SSIM) of a decoded image, plane by plane, also within a region.

Values: two arrays of one shape (real samples, host memory, any layout) whose last two axes are the plane in;
means of the SSIM map out. Implements no section of FORMAT.md. Guarantees scikit-image's map (7 x 7 uniform
window) in bounded memory; leaves the choice of the data range, and all other measures, to ``quality/metrics.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.quality.optional import optional_module

__all__ = ["SSIM_WINDOW", "mean_similarity"]

SSIM_WINDOW = 7

_BORDER = SSIM_WINDOW // 2
_BAND_SAMPLES = 1 << 21


def mean_similarity(
    a: NDArray[Any], b: NDArray[Any], data_range: float, *masks: NDArray[np.bool_]
) -> tuple[float | None, ...]:
    """Return the mean SSIM of all planes, then that of the samples under each mask.

    Parameters
    ----------
    a, b : numpy.ndarray
        Real samples, one shape, at least 2 dimensions for a result.
    data_range : float
        Largest minus smallest possible value, in sample units, above 0.
    *masks : numpy.ndarray
        bool, the same shape.

    Returns
    -------
    tuple of float or None
        The mean without the 3 samples along the plane's border, as scikit-image does; the mean of the whole
        map under each mask. None where the plane is smaller than the window or the mask is empty.

    Raises
    ------
    MissingResource
        scikit-image is not installed.

    Examples
    --------
    >>> plane = np.arange(64.0).reshape(8, 8)
    >>> mean_similarity(plane, plane, 63.0, plane < 9)
    (1.0, 1.0)
    """
    if a.ndim < 2 or min(a.shape[-2:]) < SSIM_WINDOW or not a.size:
        return (None,) * (1 + len(masks))
    height, width = a.shape[-2:]
    map_sum, sums, counts = 0.0, [0.0] * len(masks), [0] * len(masks)
    for index, first, band in _bands(a, b, data_range):
        inner = band[max(_BORDER - first, 0) : max(height - _BORDER - first, 0), _BORDER:-_BORDER]
        map_sum += float(inner.sum())
        for number, mask in enumerate(masks):
            selected = band[mask[index][first : first + len(band)]]
            sums[number] += float(selected.sum())
            counts[number] += selected.size
    map_count = math.prod(a.shape[:-2]) * (height - 2 * _BORDER) * (width - 2 * _BORDER)
    regions = (total / count if count else None for total, count in zip(sums, counts, strict=True))
    return map_sum / map_count, *regions


def _bands(
    a: NDArray[Any], b: NDArray[Any], data_range: float
) -> Iterator[tuple[tuple[int, ...], int, NDArray[np.float64]]]:
    """Yield the SSIM map of every plane in bands of rows: plane index, first row, map of these rows."""
    similarity = _structural_similarity()
    height, width = a.shape[-2:]
    row_count = max(_BAND_SAMPLES // width, SSIM_WINDOW)
    for index in np.ndindex(a.shape[:-2]):
        for first in range(0, height, row_count):
            last = min(first + row_count, height)
            below = min(last + _BORDER, height)
            above = max(min(first - _BORDER, below - SSIM_WINDOW), 0)
            pair = (image[index][above:below].astype(np.float64) for image in (a, b))
            _, band = similarity(*pair, win_size=SSIM_WINDOW, data_range=data_range, full=True)
            yield index, first, band[first - above : last - above]


def _structural_similarity() -> Callable[..., Any]:
    """Return scikit-image's function, imported when it is needed."""
    similarity: Callable[..., Any] = optional_module("skimage.metrics", "scikit-image", "SSIM").structural_similarity
    return similarity
