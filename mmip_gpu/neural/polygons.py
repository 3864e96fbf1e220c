"""From predicted stars to labels: overlapping polygons are suppressed, those that stay are painted.

Values: centres (n, 2) in samples, distances along rays (n, ray) and scores (n) in; indices of the polygons that stay,
or a label image, out. Own NumPy code: the overlap of two polygons is measured at points of the smaller scored one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.neural.star_distances import ray_directions

__all__ = ["paint_polygons", "stars_to_labels", "suppress_overlaps"]

Floats = NDArray[np.float64]

_LEAST_DISTANCE = 1e-3  # of a ray, in samples: what a network predicts may be negative
_RINGS = np.sqrt((np.arange(4) + 0.5) / 4)  # radii of points that stand for equal areas


def polygon_areas(distances: Floats) -> Floats:
    """Areas (n) of the polygons through the ends of the rays."""
    half = 0.5 * math.sin(2 * math.pi / distances.shape[1])
    return np.asarray(half * (distances * np.roll(distances, -1, axis=1)).sum(axis=1))


def suppress_overlaps(centres: Floats, distances: Floats, scores: Floats, threshold: float) -> NDArray[np.intp]:
    """Return indices of the polygons that stay, best score first.

    Parameters
    ----------
    threshold : float
        A polygon goes where its overlap with a better one is more than this share of the smaller of the two.

    Examples
    --------
    >>> centres = np.array([[5.0, 5.0], [5.0, 6.0], [5.0, 30.0]])
    >>> suppress_overlaps(centres, np.full((3, 32), 4.0), np.array([0.7, 0.9, 0.8]), 0.4).tolist()
    [1, 2]
    """
    distances = np.maximum(distances, _LEAST_DISTANCE)
    areas, reach = polygon_areas(distances), distances.max(axis=1)
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        gaps = np.hypot(*(centres[waiting] - centres[best]).T)
        near = gaps < reach[best] + reach[waiting]
        others = waiting[near]
        shared = _shares_inside(centres[others] - centres[best], distances[others], distances[best]) * areas[others]
        near[near] = shared > threshold * np.minimum(areas[others], areas[best])
        waiting = waiting[~near]
    return np.array(kept, np.intp)


def _shares_inside(offsets: Floats, distances: Floats, star: Floats) -> Floats:
    """Share of the area of each polygon (n) that lies in a star around the origin."""
    rays = len(star)
    points = offsets[:, None, None] + (distances[:, :, None] * _RINGS)[..., None] * ray_directions(rays)[:, None]
    radius = np.hypot(points[..., 0], points[..., 1])
    width = 2 * math.pi / rays
    angle = np.arctan2(points[..., 0], points[..., 1]) % (2 * math.pi)
    ray = np.minimum((angle / width).astype(np.intp), rays - 1)
    rest = angle - ray * width
    near, far = star[ray], star[(ray + 1) % rays]
    inside = radius * (near * np.sin(rest) + far * np.sin(width - rest)) < near * far * math.sin(width)
    weights = distances**2
    return np.asarray((inside.mean(axis=2) * weights).sum(axis=1) / weights.sum(axis=1))


def paint_polygons(
    centres: Floats, distances: Floats, order: NDArray[np.intp], shape: tuple[int, int]
) -> NDArray[np.int32]:
    """Return labels 1, 2 .. by order; where polygons meet, the earlier one has the sample."""
    from skimage.draw import polygon

    found = np.zeros(shape, np.int32)
    directions = ray_directions(distances.shape[1])
    for label in range(len(order), 0, -1):
        star = order[label - 1]
        ends = centres[star] + np.maximum(distances[star], _LEAST_DISTANCE)[:, None] * directions
        found[polygon(ends[:, 0], ends[:, 1], shape)] = label
    return found


def stars_to_labels(
    probability: NDArray[Any], distances: NDArray[Any], grid: int, shape: tuple[int, int], least: float, overlap: float
) -> NDArray[np.int32]:
    """Return the labels of predicted stars.

    Parameters
    ----------
    probability, distances : numpy.ndarray
        Maps (y, x) and (y, x, ray) on every `grid`-th sample.
    shape : tuple of int
        Of the image.
    least : float
        Probability below which a star does not count.
    overlap : float
        As `threshold` of `suppress_overlaps`.
    """
    rows, columns = np.nonzero(probability >= least)
    centres = np.stack([rows, columns], axis=1).astype(np.float64) * grid
    chosen = distances[rows, columns].astype(np.float64)
    order = suppress_overlaps(centres, chosen, probability[rows, columns].astype(np.float64), overlap)
    return paint_polygons(centres, chosen, order, shape)
