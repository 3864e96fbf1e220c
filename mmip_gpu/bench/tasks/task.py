"""A task: a segmenter that is run on an image before and after compression, and what its result is compared with.

Values: a BenchImage and what a codec made of its samples in; scores against the ground truth and against the
segmentation of the original out. Planes of a stack are segmented and scored alone; a score is the mean of those planes
where it is defined. What was found on the original is kept, so that it is found once for all codecs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.bench.images import BenchImage
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.label_scores import label_scores, mask_scores

__all__ = ["SCORES", "Segment", "Task", "planes_of"]

Labels = NDArray[np.int32]
Segment = Callable[[NDArray[Any], NDArray[Any]], Labels]
SCORES = ("dice", "iou", "ap50", "pq", "boundary_f1", "contour_distance", "hausdorff95")
_KEPT_IMAGES = 64


@dataclass(frozen=True)
class Task:
    """A segmenter and how it is judged.

    Parameters
    ----------
    name : str
        In records and on the command line.
    segmenter : str
        What segments.
    segment : callable
        (plane, plane of the original) -> labels; the second says to a network which planes it has seen.
    instances : bool
        Whether labels tell objects apart; of a mask, AP and PQ are not defined.
    """

    name: str
    segmenter: str
    segment: Segment
    instances: bool

    def score(self, image: BenchImage, decoded: NDArray[Any]) -> dict[str, Any]:
        """Return scores against the truth, None without labels, and against the segmentation of the original.

        Raises
        ------
        InvalidArgument
            For decoded samples of another shape.
        """
        if decoded.shape != image.array.shape:
            raise InvalidArgument(f"{image.name}: expected shape {image.array.shape}, found {decoded.shape}")
        is_exact = np.array_equal(decoded, image.array)
        found = _originals(self, image) if is_exact else self._segmented(image, decoded)
        truth = None if image.labels is None else self._scores(_label_planes(image), found)
        return {"truth": truth, "original": self._scores(_originals(self, image), found), "segmenter": self.segmenter}

    def _segmented(self, image: BenchImage, array: NDArray[Any]) -> list[Labels]:
        pairs = zip(planes_of(array, image.axes), planes_of(image.array, image.axes), strict=True)
        return [self.segment(plane, original) for plane, original in pairs]

    def _scores(self, expected: list[NDArray[Any]], found: list[Labels]) -> dict[str, float | None]:
        compared = label_scores if self.instances else mask_scores
        rows = [compared(a, b) for a, b in zip(expected, found, strict=True)]
        return {name: _mean([row[name] for row in rows]) for name in SCORES}


@lru_cache(_KEPT_IMAGES)
def _originals(task: Task, image: BenchImage) -> list[NDArray[Any]]:
    """What the segmenter finds on the original."""
    return list(task._segmented(image, image.array))


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(known)) if known else None


def _label_planes(image: BenchImage) -> list[NDArray[Any]]:
    assert image.labels is not None
    return list(planes_of(image.labels, image.axes.replace("c", "")))


def planes_of(array: NDArray[Any], axes: str) -> Iterator[NDArray[Any]]:
    """Yield the planes (y, x) or (y, x, channel) of an array.

    Raises
    ------
    InvalidArgument
        For axes that do not end with y and x, or with y, x and c.

    Examples
    --------
    >>> [plane.shape for plane in planes_of(np.zeros((2, 3, 4)), "zyx")]
    [(3, 4), (3, 4)]
    """
    inner = "yxc" if axes.endswith("c") else "yx"
    if not axes.endswith(inner):
        raise InvalidArgument(f"a task takes images whose axes end with yx or yxc, found {axes!r}")
    yield from array.reshape(-1, *array.shape[array.ndim - len(inner) :])
