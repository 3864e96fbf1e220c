"""Agreement of two segmentations: overlap of masks, matched objects of label images, contours.

Values: masks or label images (bool or integers, 0 = background, any rank) in; scores out. Implements no section of
FORMAT.md. Guarantees the matching of the package ``stardist`` (`stardist.matching.matching`) without its packages;
needs scipy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.quality.contours import TOLERANCE, Scores, check_labels, contour_scores
from mmip_gpu.quality.optional import optional_module

__all__ = ["Matches", "label_scores", "mask_scores", "match_objects"]


@dataclass(frozen=True)
class Matches:
    """Objects of a prediction matched to those of the truth; sums of images are those of a data set.

    Parameters
    ----------
    matched, extra, missed : int
        Objects of both, of the prediction only, of the truth only.
    iou_sum : float
        Sum of the intersection over union of the matched pairs.

    Examples
    --------
    >>> found = Matches(3, 1, 0, 2.7) + Matches(1, 0, 1, 0.6)
    >>> round(found.ap, 4), round(found.pq, 4)
    (0.6667, 0.66)
    """

    matched: int
    extra: int
    missed: int
    iou_sum: float

    def __add__(self, other: Matches) -> Matches:
        """Return the sums of two images."""
        return Matches(
            self.matched + other.matched,
            self.extra + other.extra,
            self.missed + other.missed,
            self.iou_sum + other.iou_sum,
        )

    @property
    def ap(self) -> float:
        """Average precision: matched over matched, extra and missed; 1 where there is no object at all."""
        return _share(self.matched, self.matched + self.extra + self.missed)

    @property
    def pq(self) -> float:
        """Panoptic quality (Kirillov et al., CVPR 2019); 1 where there is no object at all."""
        return _share(self.iou_sum, self.matched + self.extra / 2 + self.missed / 2)


def match_objects(truth: NDArray[Any], predicted: NDArray[Any], threshold: float = 0.5) -> Matches:
    """Return the best one-to-one matching of objects with an intersection over union from the threshold up.

    Parameters
    ----------
    truth, predicted : numpy.ndarray
        Label images of one shape; every number above 0 is an object.
    threshold : float
        Least intersection over union of a pair.

    Examples
    --------
    >>> truth = np.array([1, 1, 1, 1, 0, 2, 2])
    >>> match_objects(truth, np.array([5, 5, 5, 0, 0, 0, 6]))
    Matches(matched=2, extra=0, missed=0, iou_sum=1.25)
    """
    check_labels(truth, predicted)
    iou = _object_overlaps(truth, predicted)
    pairs = min(iou.shape)
    scores = iou.ravel()
    if pairs:
        costs = -(iou >= threshold).astype(np.float64) - iou / (2 * pairs)  # as many pairs as can be, then the best
        scores = iou[optional_module("scipy.optimize", "scipy", "AP").linear_sum_assignment(costs)]
    good = scores[scores >= threshold]
    matched = int(good.size)
    return Matches(matched, iou.shape[1] - matched, iou.shape[0] - matched, float(good.sum()))


def mask_scores(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    tolerance: float = TOLERANCE,
    spacing: Sequence[float] | None = None,
) -> Scores:
    """Return how well two masks agree: whatever is not 0 is the object.

    Parameters
    ----------
    truth, predicted, tolerance, spacing
        As in `mmip_gpu.quality.contours.contour_scores`.

    Returns
    -------
    dict
        ``dice`` and ``iou``; ``ap50`` and ``pq``, which are None for masks; ``boundary_f1``, ``contour_distance`` and
        ``hausdorff95``. Two empty masks agree: 1, distance 0. One empty mask: 0, and None for both distances.

    Examples
    --------
    >>> truth = np.zeros((20, 20), bool)
    >>> truth[5:15, 5:15] = True
    >>> found = mask_scores(truth, np.roll(truth, 2, axis=1))
    >>> found["dice"], round(found["iou"], 4), found["hausdorff95"]
    (0.8, 0.6667, 2.0)
    """
    check_labels(truth, predicted)
    first, second = truth != 0, predicted != 0
    both, sizes = int((first & second).sum()), int(first.sum()) + int(second.sum())
    overlap: Scores = {"dice": _share(2 * both, sizes), "iou": _share(both, sizes - both), "ap50": None, "pq": None}
    return overlap | contour_scores(first, second, tolerance=tolerance, spacing=spacing)


def label_scores(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    tolerance: float = TOLERANCE,
    spacing: Sequence[float] | None = None,
) -> Scores:
    """Return how well two label images agree.

    Parameters
    ----------
    truth, predicted, tolerance, spacing
        As in `mmip_gpu.quality.contours.contour_scores`.

    Returns
    -------
    dict
        The keys of `mask_scores`: ``dice`` and ``iou`` of all objects together; ``ap50`` (matched over matched, extra
        and missed objects) and ``pq`` at an intersection over union from 0.5; contours between touching objects count.
        Two images without objects agree: 1, distance 0. One without: 0, and None for both distances.

    Examples
    --------
    >>> truth = np.zeros((20, 20), np.uint8)
    >>> truth[2:14, 2:8], truth[2:14, 8:14] = 1, 2
    >>> found = label_scores(truth, truth > 0)
    >>> found["dice"], found["ap50"], found["boundary_f1"] < 1
    (1.0, 0.5, True)
    """
    found = match_objects(truth, predicted)
    contours = contour_scores(truth, predicted, tolerance=tolerance, spacing=spacing)
    return mask_scores(truth, predicted) | {"ap50": found.ap, "pq": found.pq} | contours


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _object_overlaps(truth: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """Return the intersection over union of every object of the truth with every one of the prediction."""
    names, numbers = np.unique(truth, return_inverse=True)
    other_names, other_numbers = np.unique(predicted, return_inverse=True)
    shape = (len(names), len(other_names))
    pairs = numbers.ravel().astype(np.int64) * shape[1] + other_numbers.ravel()
    both = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    overlaps: NDArray[np.float64] = (both / np.maximum(union, 1))[np.ix_(names > 0, other_names > 0)]
    return overlaps
