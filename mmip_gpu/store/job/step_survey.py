"""The step that gives a whole array its PSNR, found on pieces that are spread over it.

Values: an array's layout in, the regions of the pieces out; then their samples and how active the cells of the whole
array are in, a plan out. Encoder side; implements no section of FORMAT.md. All chunks of a small array are coded, so
that its step is known. Pieces of others are coded in groups, each as a chunk: flat parts lose what their distance from
the mean of a chunk leaves in steps. What a cell loses depends on how active it is, so that the errors of the pieces are
weighted: samples of an activity count as often as in the array.
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
from mmip_gpu.store.job.overview import cell_activities, samples_by_activity
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.match_distortion import near_step, search_step
from mmip_gpu.transform.planning.trial import HostSamples
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["Chunks", "Pieces", "piece_regions", "surveyed_plan"]

_SHARE = 12  # of the samples one in so many is coded before the chunks are
_FEWEST, _MOST = 2**20, 2**21  # samples of all pieces
_LENGTHS, _FEW = ({"z": 16, "y": 64, "x": 64}, {"z": 16, "y": 32, "x": 64}, {"z": 16, "y": 32, "x": 32}), 20
_GROUPS = 8  # of pieces, at least
_SURENESS, _MOST_DOUBT = 0.45, 0.06  # standard errors that are allowed for; at most a quarter of a decibel
_INDEX_ERROR = 1 / 12  # mean square of rounding to indices, in steps


def piece_regions(layout: PlaneLayout, colour: bool) -> list[Region]:
    """Pieces of one size, spread evenly over all axes, smaller ones where they are few; the whole of a small array."""
    wanted = min(max(layout.samples // _SHARE, _FEWEST), _MOST)
    if layout.samples <= wanted:
        return [tuple(slice(0, n) for n in layout.shape)]
    found: list[Region] = []
    for lengths in _LENGTHS:
        if len(found) < _FEW:
            found = _spread(layout, colour, lengths, wanted)
    return found


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
    """Samples (with classes) of pieces of one shape, and how many samples of all are in cells of each activity."""

    parts: Sequence[tuple[NDArray[Any], NDArray[np.uint8] | None]]
    axes: str
    cells: NDArray[np.int64] | None
    threads: int
    chunk_samples: int = 0  # of the whole array where it is 0

    def __post_init__(self) -> None:
        total = sum(samples.size for samples, _ in self.parts)
        groups = min(max(total // (self.chunk_samples or total), _GROUPS), len(self.parts))
        self._last: tuple[float, NDArray[np.float64]] = 0.0, np.zeros(groups)
        self._groups = [HostSamples.of_parts(self.parts[i::groups], self.axes, self.threads) for i in range(groups)]

    def mean_error(self, plan: ChunkPlan) -> float:
        """Mean squared error that the whole array may have; of float32 samples in steps, their rounding included."""
        self._last = self._estimate(plan)
        return self._last[0]

    @property
    def doubt(self) -> float:
        """Standard error of the last `mean_error` as a share of it, by what the groups of pieces differ in."""
        mean, of_groups = self._last
        count = len(of_groups)
        return math.sqrt(count / (count - 1) * float(np.square(of_groups).sum())) / mean if count > 1 and mean else 0.0

    def _estimate(self, plan: ChunkPlan) -> tuple[float, NDArray[np.float64]]:
        """(mean error of the whole array, what each group adds to it beside the means of its activities)."""
        found = [self._of_group(samples, plan) for samples in self._groups]
        squares, held = (np.array(numbers) for numbers in zip(*found, strict=True))
        seen = np.flatnonzero(held.sum(0))
        means = squares.sum(0)[seen] / held.sum(0)[seen]
        cells = held.sum(0) if self.cells is None else self.cells
        weights = cells[seen] / held.sum(0)[seen] / cells.sum()
        mean = float(np.dot(cells, np.interp(np.arange(UNKNOWN_ACTIVITY), seen, means))) / int(cells.sum())
        rounding = 0.0 if plan.config.step is None else _INDEX_ERROR
        return mean + rounding, (squares[:, seen] - held[:, seen] * means) @ weights

    def _of_group(self, samples: HostSamples, plan: ChunkPlan) -> tuple[Any, Any]:
        """(sum of squared errors, how many samples) of the cells of each activity."""
        found = samples.analyzed(plan).found
        planes, decoded = found.prepared.planes, found.decoded()
        activities = cell_activities(planes)
        squares = differences(planes, decoded, activities, 1, UNKNOWN_ACTIVITY, self.threads)
        return squares, samples_by_activity(activities, planes.shape[1:])


class Chunks:
    """The samples (with classes) of all chunks of a small array: what each of them will lose is measured."""

    def __init__(self, parts: Sequence[tuple[NDArray[Any], NDArray[np.uint8] | None]], threads: int) -> None:
        self._samples = [HostSamples(*part, threads) for part in parts]

    def mean_error(self, plan: ChunkPlan) -> float:
        """Mean squared error of the whole array; of float32 samples in steps, their rounding included."""
        sums = [one.analyzed(plan).mean_error() * one.array.size for one in self._samples]
        return math.fsum(sums) / sum(one.array.size for one in self._samples)

    @property
    def doubt(self) -> float:
        """Nothing: the error is known."""
        return 0.0


def surveyed_plan(plan: ChunkPlan, peak: float, pieces: Pieces | Chunks) -> ChunkPlan:
    """The plan with the step that should give all samples the PSNR; exact where no step does on the pieces.

    It allows for a part of the standard error of what the pieces show, since a miss costs a part of all chunks.
    """
    near, slope, _, _ = near_step(plan, peak, pieces.mean_error)
    factor = 1 + min(_SURENESS * pieces.doubt, _MOST_DOUBT)
    near = near.with_step(near.background_step * factor ** (-10 / slope))
    return search_step(near, peak, lambda plan: factor * pieces.mean_error(plan), slope)[0]
