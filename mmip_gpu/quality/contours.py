"""Contours of masks and labels, and how far two sets of contours lie apart.

Values: masks or label images (bool or integers, 0 = background, any rank) in; a contour mask or scores out, distances
in samples or in the unit of the spacing. Implements no section of FORMAT.md. Guarantees exact Euclidean distances;
needs scipy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.optional import ndimage

__all__ = ["TOLERANCE", "check_labels", "contour", "contour_scores"]

TOLERANCE = 2.0
_PERCENTILE = 95

Scores = dict[str, float | None]


def contour(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the samples of objects that touch, by a face, background or another object.

    The border of the image is no contour: an object that is cut by it goes on.

    Examples
    --------
    >>> contour(np.array([1, 1, 1, 2, 2, 0, 0])).astype(int).tolist()
    [0, 0, 1, 1, 1, 0, 0]
    """
    found: NDArray[np.bool_] = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        first, second = (np.moveaxis(labels, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        edges = first != second
        along = np.moveaxis(found, axis, 0)
        along[:-1] |= edges
        along[1:] |= edges
    found &= labels != 0
    return found


def contour_scores(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    tolerance: float = TOLERANCE,
    spacing: Sequence[float] | None = None,
) -> Scores:
    """Return how well the contours of two masks or label images agree.

    Parameters
    ----------
    truth, predicted : numpy.ndarray
        bool or integers, one shape; contours between touching objects count.
    tolerance : float
        Distance up to which a contour sample counts as found, in the unit of `spacing`.
    spacing : sequence of float, optional
        Size of a sample along each axis; 1 by default.

    Returns
    -------
    dict
        ``boundary_f1``: harmonic mean of the shares of either contour that lie within the tolerance of the other.
        ``contour_distance``: mean distance of every contour sample to the other contour, both directions together
        (average symmetric surface distance). ``hausdorff95``: the larger of the 95 % percentiles of both directions.
        No contour in either image: 1, 0 and 0. In one of them only: 0, and None for both distances.

    Raises
    ------
    InvalidArgument
        Shapes that differ, samples that are no labels, a tolerance or a spacing that does not fit.
    MissingResource
        scipy is not installed.

    Examples
    --------
    >>> mask = np.zeros((40, 40), bool)
    >>> mask[10:30, 10:30] = True
    >>> contour_scores(mask, mask)
    {'boundary_f1': 1.0, 'contour_distance': 0.0, 'hausdorff95': 0.0}
    """
    check_labels(truth, predicted)
    sampling = (1.0,) * truth.ndim if spacing is None else tuple(spacing)
    if len(sampling) != truth.ndim or not all(0 < size < np.inf for size in sampling) or not 0 <= tolerance < np.inf:
        text = f"contours: expected a tolerance from 0 and {truth.ndim} positive sizes of a sample"
        raise InvalidArgument(f"{text}, found {tolerance} and {sampling}")
    first, second = contour(truth), contour(predicted)
    if not first.any() or not second.any():
        is_equal = first.any() == second.any()
        distance = 0.0 if is_equal else None
        return {"boundary_f1": float(is_equal), "contour_distance": distance, "hausdorff95": distance}
    there = ndimage().distance_transform_edt(~second, sampling=sampling)[first]
    back = ndimage().distance_transform_edt(~first, sampling=sampling)[second]
    shares = [float(np.mean(distances <= tolerance)) for distances in (there, back)]
    return {
        "boundary_f1": 2 * shares[0] * shares[1] / sum(shares) if sum(shares) else 0.0,
        "contour_distance": float(np.concatenate([there, back]).mean()),
        "hausdorff95": float(max(np.percentile(distances, _PERCENTILE) for distances in (there, back))),
    }


def check_labels(truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    """Raise unless both are masks or label images of one shape."""
    for image in (truth, predicted):
        if not isinstance(image, np.ndarray) or image.dtype.kind not in "bui" or (image.size and image.min() < 0):
            found = getattr(image, "dtype", type(image).__name__)
            raise InvalidArgument(f"labels: expected arrays of bool or of integers from 0, found {found}")
    if truth.shape != predicted.shape:
        text = f"found {truth.shape} and {predicted.shape}"
        raise InvalidArgument(f"labels: expected two images of one shape, {text}")
