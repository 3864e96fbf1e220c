"""Thresholds of a network of stars, chosen on the planes that it was trained on, as StarDist does.

Values: a network and labelled planes in; the least probability and the largest overlap out. Planes that a fold holds
out take no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from mmip_gpu.neural.polygons import stars_to_labels
from mmip_gpu.neural.segmenter import DEFAULT_OVERLAP, DEFAULT_PROBABILITY, Segmenter
from mmip_gpu.neural.split import Plane
from mmip_gpu.neural.unet import Network
from mmip_gpu.quality.label_scores import match_objects

__all__ = ["chosen_thresholds"]

_PROBABILITIES = (DEFAULT_PROBABILITY, 0.4, 0.6, 0.7)
_OVERLAPS = (DEFAULT_OVERLAP, 0.3, 0.5)  # those that StarDist tries


def chosen_thresholds(network: Network, planes: Sequence[Plane]) -> dict[str, float]:
    """Return the "probability" and the "overlap" with the highest mean AP@0.5 over the planes; of equals the first."""
    if network.shape.kind != "stars":
        return {"probability": DEFAULT_PROBABILITY}
    segmenter = Segmenter(network, {}, "")
    scores = np.zeros((len(_PROBABILITIES), len(_OVERLAPS)))
    for plane in planes:
        probability, distances = segmenter.predict(plane.samples)
        assert distances is not None
        size = (plane.labels.shape[0], plane.labels.shape[1])
        for at in np.ndindex(*scores.shape):
            limits = (_PROBABILITIES[at[0]], _OVERLAPS[at[1]])
            found = stars_to_labels(probability, distances, network.shape.grid, size, *limits)
            scores[at] += match_objects(plane.labels, found).ap
    best = list(product(_PROBABILITIES, _OVERLAPS))[int(scores.argmax())]
    return {"probability": best[0], "overlap": best[1]}
