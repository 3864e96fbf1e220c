"""Nuclei by classical means: a threshold of Otsu, and a watershed of the distance to the background.

Values: a plane (y, x) or (y, x, channel) of integers in; labels (y, x) out. Nothing is trained. Of a plane with three
channels and a bright background the haematoxylin is taken (Ruifrok and Johnston 2001), of one with a dark background
the channel with most contrast; a grey plane with a bright background is inverted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["nuclear_stain", "watershed_nuclei"]

_SMOOTHING = 1.0  # sigma in samples
_SEED_SMOOTHING = 1.0  # of the distances, so that a nucleus has one peak
_SEED_DISTANCE = 5  # between two seeds
_LEAST_AREA = 25  # samples of a nucleus


def nuclear_stain(plane: NDArray[Any]) -> NDArray[np.float64]:
    """Return a plane in which nuclei are bright, 0 to 1."""
    low, high = float(plane.min()), float(plane.max())
    scaled = (plane - low) / max(high - low, 1.0)
    is_bright = float(np.median(scaled)) > 0.5
    if scaled.ndim == 2:
        return 1 - scaled if is_bright else scaled
    if is_bright and scaled.shape[2] == 3:
        from skimage.color import rgb2hed

        return _stretched(rgb2hed(np.clip(scaled, 1 / 255, 1))[..., 0])
    return np.asarray(scaled[..., int(scaled.std(axis=(0, 1)).argmax())])


def _stretched(values: NDArray[Any]) -> NDArray[np.float64]:
    low, high = np.percentile(values, (1, 99.5))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-9), 0, 1))


def watershed_nuclei(plane: NDArray[Any]) -> NDArray[np.int32]:
    """Return labels of the nuclei of a plane.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> discs = ((y - 20) ** 2 + (x - 20) ** 2 < 80) | ((y - 44) ** 2 + (x - 40) ** 2 < 80)
    >>> int(watershed_nuclei((discs * 200).astype(np.uint8)).max())
    2
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.measure import label
    from skimage.morphology import remove_small_objects
    from skimage.segmentation import watershed

    stain = gaussian_filter(nuclear_stain(plane), _SMOOTHING)
    if stain.max() == stain.min():
        return np.zeros(stain.shape, np.int32)
    mask = binary_fill_holes(stain > threshold_otsu(stain))
    mask = remove_small_objects(mask, max_size=_LEAST_AREA)
    depth = gaussian_filter(distance_transform_edt(mask), _SEED_SMOOTHING)
    seeds = np.zeros(mask.shape, np.int32)
    places = peak_local_max(depth, min_distance=_SEED_DISTANCE, labels=label(mask), exclude_border=False)
    seeds[tuple(places.T)] = np.arange(1, len(places) + 1)
    return np.asarray(watershed(-depth, seeds, mask=mask), np.int32)
