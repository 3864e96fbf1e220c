"""Membranes by classical means: a ridge filter for dark lines, and a threshold.

Values: a plane (y, x), or (y, x, channel) of which the mean is taken, in; a mask (y, x) of membranes, 0 or 1, out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ridge_membranes"]

_WIDTHS = (2.0, 3.0, 4.0)  # sigmas in samples
_LEAST_AREA = 300  # samples of a membrane; smaller specks are vesicles and noise


def ridge_membranes(plane: NDArray[Any]) -> NDArray[np.int32]:
    """Return the mask of dark ridges of a plane.

    Examples
    --------
    >>> plane = np.full((64, 64), 200, np.uint8)
    >>> plane[:, 30:34] = 20
    >>> bool(ridge_membranes(plane)[20, 31]), bool(ridge_membranes(plane)[20, 5])
    (True, False)
    """
    from skimage.filters import sato, threshold_otsu
    from skimage.morphology import remove_small_objects

    grey = plane.astype(np.float64) if plane.ndim == 2 else plane.mean(axis=2)
    ridges = sato(grey, sigmas=_WIDTHS, black_ridges=True)
    if ridges.max() == ridges.min():
        return np.zeros(grey.shape, np.int32)
    mask = ridges > threshold_otsu(ridges)
    return np.asarray(remove_small_objects(mask, max_size=_LEAST_AREA), np.int32)
