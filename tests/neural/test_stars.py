"""Stars: distances to borders, overlaps of polygons, and labels that come back from their own stars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.draw import polygon

from mmip_gpu.bench.synthetic import nuclei
from mmip_gpu.neural.polygons import paint_polygons, polygon_areas, stars_to_labels, suppress_overlaps
from mmip_gpu.neural.star_distances import object_probability, ray_directions, star_distances


def slow_distance(labels: NDArray[Any], y: int, x: int, direction: NDArray[Any]) -> float:
    """Distance to the border as StarDist defines it, step by step."""
    step = 0
    while True:
        step += 1
        at = tuple(round(float(start + step * part)) for start, part in zip((y, x), direction, strict=True))
        inside = all(0 <= place < size for place, size in zip(at, labels.shape, strict=True))
        if not inside or labels[at] != labels[y, x]:
            return step - 1 + 0.5 / float(np.abs(direction).max())


def test_distances_are_those_of_the_definition() -> None:
    labels = nuclei(64, seed=3)
    labels[:6, :6] = labels.max() + 1  # at the border of the image
    found = star_distances(labels, 16)
    places = np.argwhere(labels)[::17]
    assert len(places) > 20
    for y, x in places:
        expected = [slow_distance(labels, y, x, direction) for direction in ray_directions(16)]
        np.testing.assert_allclose(found[y, x], expected, rtol=1e-6)
    assert not found[labels == 0].any()


def test_probability_is_one_in_the_middle_of_every_object() -> None:
    labels = np.zeros((20, 24), np.uint8)
    labels[4:11, 4:11] = 1
    labels[4:11, 11:18] = 2  # touches the first
    labels[15:20, :] = 5  # at the border of the image; labels have gaps
    found = object_probability(labels)
    for label in (1, 2, 5):
        assert found[labels == label].max() == 1
        assert found[labels == label].min() > 0
    assert found[7, 10] == found[7, 4] == 0.25
    assert not found[labels == 0].any()
    assert object_probability(np.ones((5, 5), np.uint8))[2, 2] == 1


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_are_those_of_painted_polygons(seed: int) -> None:
    draw = np.random.default_rng(seed)
    centres = draw.uniform(60, 100, (2, 2))
    distances = draw.uniform(12, 18, (2, 1)) * (1 + 0.2 * np.sin(np.linspace(0, 4 * np.pi, 32, endpoint=False)))
    masks = np.zeros((2, 160, 160), bool)
    for mask, ends in zip(masks, centres[:, None] + distances[..., None] * ray_directions(32), strict=True):
        mask[polygon(ends[:, 0], ends[:, 1], mask.shape)] = True
    areas = masks.sum((1, 2))
    np.testing.assert_allclose(polygon_areas(distances), areas, rtol=0.03)
    share = (masks[0] & masks[1]).sum() / areas.min()
    for threshold in (share - 0.06, share + 0.06):
        kept = suppress_overlaps(centres, distances, np.array([0.9, 0.8]), threshold)
        assert len(kept) == (1 if threshold < share else 2)


def test_the_better_polygon_stays_and_lies_on_top() -> None:
    centres = np.array([[20.0, 20.0], [20.0, 22.0], [20.0, 34.0]])
    distances, scores = np.full((3, 32), 8.0), np.array([0.6, 0.9, 0.7])
    order = suppress_overlaps(centres, distances, scores, 0.4)
    assert order.tolist() == [1, 2]
    painted = paint_polygons(centres, distances, order, (40, 50))
    assert painted[20, 28] == 1  # both cover it
    assert painted[20, 38] == 2


def test_no_stars_are_no_labels() -> None:
    found = stars_to_labels(np.zeros((8, 8)), np.ones((8, 8, 32)), 2, (16, 15), 0.5, 0.4)
    assert found.shape == (16, 15)
    assert not found.any()


def test_negative_distances_are_points() -> None:
    found = stars_to_labels(np.ones((4, 4)), np.full((4, 4, 32), -3.0), 1, (4, 4), 0.5, 0.4)
    assert found.max() <= 16


@pytest.mark.parametrize("grid", [1, 2, 4])
@pytest.mark.parametrize("rays", [16, 32])
def test_labels_come_back_from_their_stars(grid: int, rays: int) -> None:
    labels = nuclei(128, seed=5)
    every = slice(None, None, grid)
    probability, distances = object_probability(labels)[every, every], star_distances(labels, rays)[every, every]
    found = stars_to_labels(probability, distances, grid, (128, 128), 0.5, 0.4)
    count = len(np.unique(labels)) - 1
    assert found.max() == count
    for label in np.unique(labels)[1:]:
        mask = labels == label
        best = np.bincount(found[mask]).argmax()
        both = (mask & (found == best)).sum()
        assert both / (mask | (found == best)).sum() > 0.8, (label, math.sqrt(mask.sum()))
