"""The step that gives a whole array its PSNR, found on pieces that are spread over it.

Values: an array's layout in, the regions of the pieces out; then their samples and how active the cells of the whole
array are in, a plan out. Encoder side; implements no section of FORMAT.md. The pieces are coded as chunks are. What a
cell loses depends on how active it is: the errors of the pieces are weighted so that cells count as often as in the
array. That leaves a tenth of the error of the mean of the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import UNKNOWN_ACTIVITY, differences
from mmip_gpu.store.group.grid import Region
from mmip_gpu.store.job.overview import cell_activities
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.match_distortion import near_step, search_step
from mmip_gpu.transform.planning.trial import HostSamples
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Pieces", "piece_regions", "surveyed_plan"]

_SHARE = 12  # of the samples one in so many is coded before the chunks are
_FEWEST, _MOST = 2**20, 2**21  # samples of all pieces
_LENGTHS, _SMALL_LENGTHS, _SMALL_COUNT = {"z": 16, "y": 64, "x": 64}, {"z": 16, "y": 32, "x": 32}, 24
_INDEX_ERROR = 1 / 12  # mean square of rounding to indices, in steps


def piece_regions(layout: PlaneLayout, colour: bool) -> list[Region]:
    """Pieces of one size, spread evenly over all axes; the whole of a small array."""
    wanted = min(max(layout.samples // _SHARE, _FEWEST), _MOST)
    if layout.samples <= wanted:
        return [tuple(slice(0, n) for n in layout.shape)]
    found = _spread(layout, colour, _LENGTHS, wanted)
    return found if len(found) >= _SMALL_COUNT else _spread(layout, colour, _SMALL_LENGTHS, wanted)


def _spread(layout: PlaneLayout, colour: bool, lengths: dict[str, int], wanted: int) -> list[Region]:
    """Pieces out of a grid of them, by the additive recurrence that fills a box most evenly."""
    own = lengths | {"c": 3 if colour else 1}
    sizes = [min(own.get(a, 1), n) for a, n in zip(layout.axes, layout.shape, strict=True)]
    counts = [-(-n // size) for n, size in zip(layout.shape, sizes, strict=True)]
    strides = _irrationals(len(counts))
    chosen = {
        tuple(int((0.5 + k * stride) % 1 * m) for stride, m in zip(strides, counts, strict=True))
        for k in range(max(wanted // math.prod(sizes), 1))
    }
    last = [
        (n - size) // 8 * 8 if a in "yx" else n - size
        for a, n, size in zip(layout.axes, layout.shape, sizes, strict=True)
    ]
    starts = [[min(i * size, end) for i, size, end in zip(at, sizes, last, strict=True)] for at in sorted(chosen)]
    return [tuple(slice(s, s + size) for s, size in zip(start, sizes, strict=True)) for start in starts]


def _irrationals(count: int) -> list[float]:
    """Powers of the inverse of the positive root of x^(count + 1) = x + 1."""
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (count + 1))
    return [root**-k for k in range(1, count + 1)]


@dataclass
class Pieces:
    """Samples (with classes) of pieces of one shape, and how often each activity is found among the cells of all."""

    parts: Sequence[tuple[NDArray[Any], NDArray[np.uint8] | None]]
    axes: str
    cells: NDArray[np.int64] | None
    threads: int

    def __post_init__(self) -> None:
        self._samples = HostSamples.of_parts(self.parts, self.axes, self.threads)

    def mean_error(self, plan: ChunkPlan) -> float:
        """Mean squared error that the whole array may have; of float32 samples in steps, their rounding included."""
        found = self._samples.analyzed(plan).found
        planes, decoded = found.prepared.planes, found.decoded()
        activities = cell_activities(planes)
        squares = np.array(differences(planes, decoded, activities, 1, UNKNOWN_ACTIVITY, self.threads), np.float64)
        rounding = 0.0 if plan.config.step is None else _INDEX_ERROR
        if self.cells is None:
            return float(squares.sum()) / planes.size + rounding
        held = np.bincount(activities.reshape(-1), minlength=UNKNOWN_ACTIVITY)[:UNKNOWN_ACTIVITY]
        seen = np.flatnonzero(held)
        means = np.interp(np.arange(UNKNOWN_ACTIVITY), seen, squares[seen] / held[seen])
        in_array = float(np.dot(self.cells, means)) / int(self.cells.sum())
        return in_array * int(held.sum()) / planes.size + rounding


def surveyed_plan(plan: ChunkPlan, peak: float, pieces: Pieces) -> ChunkPlan:
    """The plan with the step that may give all samples the PSNR; exact where no step does on the pieces."""
    near, slope = near_step(plan, peak, pieces.mean_error)
    return search_step(near, peak, pieces.mean_error, slope)[0]
