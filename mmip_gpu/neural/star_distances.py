"""What a star-convex network learns: distances to the border of an object along rays, and how central a sample is.

Values: labels (y, x), 0 for background, in; float32 maps of the same size out. Definitions are those of StarDist
(Schmidt et al. 2018): ray k of n points to (sin, cos)(2 pi k / n) in (y, x), and distances end where the label changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["object_probability", "ray_directions", "star_distances"]


def ray_directions(rays: int) -> NDArray[np.float64]:
    """Return unit vectors (ray, (y, x)).

    Examples
    --------
    >>> ray_directions(4).round().astype(int).tolist()
    [[0, 1], [1, 0], [0, -1], [-1, 0]]
    """
    angles = 2 * np.pi * np.arange(rays) / rays
    return np.stack([np.sin(angles), np.cos(angles)], axis=1)


def star_distances(labels: NDArray[Any], rays: int) -> NDArray[np.float32]:
    """Return distances (y, x, ray) to the border of the object that a sample lies in; 0 in the background.

    Examples
    --------
    >>> labels = np.pad(np.ones((5, 5), int), 1)
    >>> star_distances(labels, 4)[3, 3].tolist()
    [2.5, 2.5, 2.5, 2.5]
    """
    found = np.zeros((*labels.shape, rays), np.float32)
    rows, columns = np.nonzero(labels)
    for ray, (dy, dx) in enumerate(ray_directions(rays)):
        found[rows, columns, ray] = _steps(labels, rows, columns, dy, dx) - 1 + 0.5 / max(abs(dy), abs(dx))
    return found


def _steps(
    labels: NDArray[Any], rows: NDArray[np.intp], columns: NDArray[np.intp], dy: float, dx: float
) -> NDArray[np.int64]:
    """Steps along a direction until the label changes or the image ends."""
    found = np.zeros(len(rows), np.int64)
    inside = np.arange(len(rows))
    step = 0
    while len(inside):
        step += 1
        y = np.rint(rows[inside] + step * dy).astype(np.intp)
        x = np.rint(columns[inside] + step * dx).astype(np.intp)
        within = (y >= 0) & (x >= 0) & (y < labels.shape[0]) & (x < labels.shape[1])
        within[within] = labels[y[within], x[within]] == labels[rows[inside[within]], columns[inside[within]]]
        found[inside[~within]] = step
        inside = inside[within]
    return found


def object_probability(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Return the distance to the background or to another object, divided by the largest of its object.

    Examples
    --------
    >>> object_probability(np.pad(np.ones((3, 3), int), 1))[2].tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    found = np.zeros(labels.shape, np.float32)
    for label, place in enumerate(find_objects(labels.astype(np.int64)), start=1):
        if place is None:
            continue
        wide = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in place)
        own = labels[wide] == label
        inner = distance_transform_edt(own if not own.all() else np.pad(own, 1))
        inner = inner if inner.shape == own.shape else inner[1:-1, 1:-1]
        found[wide][own] = inner[own] / inner.max()
    return found
