"""One look through all samples, before the first chunk is coded, for the step that a PSNR needs.

Values: a Source and some of its regions in; the range of all samples, how active their cells are, and samples of the
regions out. A cell is 8 x 8 samples of a slice. Encoder side; implements no section of FORMAT.md. Guarantees results
that do not depend on the blocks in which the samples come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import UNKNOWN_ACTIVITY
from mmip_gpu._core import cell_activities as core_activities
from mmip_gpu.sources import Source
from mmip_gpu.store.group.grid import Region
from mmip_gpu.store.job.survey import Block, Survey
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import INDEX_LIMIT, to_indices
from mmip_gpu.volume.samples import finite_limits

__all__ = ["Overview", "cell_activities", "overview", "samples_by_activity"]

_CELL = 8
_EVERY = 4  # of so many rows of cells one is looked at in the whole array


@dataclass(frozen=True)
class Overview:
    """What all samples are like.

    `cells` counts samples by the activity of their cells, and is None where blocks cut cells; `parts` has those of the
    regions.
    """

    limits: tuple[float, float]
    cells: NDArray[np.int64] | None
    parts: tuple[NDArray[Any], ...]


def overview(source: Source, regions: Sequence[Region], step: float | None, survey: Survey) -> Overview:
    """Look through a source once; `step` is that of float32 samples."""
    look = _Look(source.axes, tuple(regions), step, bool(regions) and _keeps_cells(source))
    parts = [np.empty([s.stop - s.start for s in region], source.dtype) for region in regions]
    cells, limits = np.zeros(UNKNOWN_ACTIVITY, np.int64), []
    for found, counts, held in survey(look, source):
        limits += found
        cells += counts
        for number, place, samples in held:
            parts[number][place] = samples
    finite = [finite_limits(*pair) for pair in limits] or [(0, 0)]
    low, high = min(a for a, _ in finite), max(b for _, b in finite)
    return Overview((low, high), cells if cells.any() else None, tuple(parts))


def cell_activities(planes: NDArray[Any], first: int = 0, every: int = 1) -> NDArray[np.uint8]:
    """Activity of every cell (P, Z, gy, gx) of planes of integers, UNKNOWN_ACTIVITY of rows that are left out."""
    count, z, y, x = planes.shape
    found = np.empty((count, z, -(-y // _CELL), -(-x // _CELL)), np.uint8)
    if found.size:
        core_activities(planes, first, every, found)
    return found


def samples_by_activity(activities: NDArray[np.uint8], volume: Sequence[int]) -> NDArray[np.int64]:
    """Samples in the cells of each activity; those at the ends of rows and columns have fewer.

    Examples
    --------
    >>> planes = np.zeros((1, 1, 9, 12), np.uint8)
    >>> int(samples_by_activity(cell_activities(planes), planes.shape[1:])[0])
    108
    """
    rows, columns = (np.minimum(np.arange(0, n, _CELL) + _CELL, n) - np.arange(0, n, _CELL) for n in volume[1:])
    weights = np.broadcast_to(np.outer(rows, columns), activities.shape)
    found = np.bincount(activities.reshape(-1), weights.reshape(-1), UNKNOWN_ACTIVITY + 1)
    return found[:UNKNOWN_ACTIVITY].astype(np.int64)


@dataclass(frozen=True)
class _Look:
    """Sums up blocks: limits, counts of cells, and (region, place in it, samples) of what they hold of the regions."""

    axes: str
    regions: tuple[Region, ...]
    step: float | None
    counts_cells: bool

    def __call__(self, blocks: Iterable[Block]) -> tuple[list[Any], NDArray[np.int64], list[Any]]:
        limits: list[Any] = []
        held: list[Any] = []
        cells = np.zeros(UNKNOWN_ACTIVITY, np.int64)
        for start, part in blocks:
            if not part.size:
                continue
            low, high = part.min().item(), part.max().item()
            limits.append((low, high))
            has_indices = self.step is None or max(-low, high) <= INDEX_LIMIT * self.step  # others are refused later
            if self.counts_cells and has_indices:
                cells += self._counted(start, part)
            held += self._held(start, part)
        return limits, cells, held

    def _counted(self, start: tuple[int, ...], part: NDArray[Any]) -> NDArray[np.int64]:
        at = dict(zip(self.axes, start, strict=True))
        planes = to_indices(PlaneLayout.of(part.shape, self.axes).to_planes(part), self.step)
        found = cell_activities(planes, at.get("z", 0) + at.get("y", 0) // _CELL, _EVERY)
        return samples_by_activity(found, planes.shape[1:])

    def _held(self, start: tuple[int, ...], part: NDArray[Any]) -> Iterator[tuple[int, Region, NDArray[Any]]]:
        """What a block holds of the regions: the number of each, the place in it, and samples."""
        if not self.regions:
            return
        own = self._bounds
        first, end = np.maximum(own[..., 0], start), np.minimum(own[..., 1], np.add(start, part.shape))
        for number in np.flatnonzero((first < end).all(axis=1)).tolist():
            low, high = first[number], end[number]
            inside = tuple(map(slice, (low - start).tolist(), (high - start).tolist()))
            own_start = own[number, :, 0]
            place = tuple(map(slice, (low - own_start).tolist(), (high - own_start).tolist()))
            yield number, place, part[inside].copy()

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        """Start and end of every region on every axis."""
        return np.array([[(s.start, s.stop) for s in region] for region in self.regions], np.int64)


def _keeps_cells(source: Source) -> bool:
    """Whether the blocks of a Dask array end where cells do; those of other sources always do."""
    if not hasattr(source.origin, "__dask_graph__"):
        return True
    ends = {a: list(accumulate(lengths))[:-1] for a, lengths in zip(source.axes, source.origin.chunks, strict=True)}
    return all(end % _CELL == 0 for a in "yx" for end in ends.get(a, ()))
