"""Samples and masks that come with a task, and the sources that hold no more than these.

Values: a chunk grid, and a Source of the array or of its mask, in; the box that a chunk needs, and a Source of its
samples, out. Implements no section of FORMAT.md. Guarantees the samples of the whole Source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.sources import Source
from mmip_gpu.sources.arrays import on_host
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates, Region
from mmip_gpu.store.job.job import Job

__all__ = ["SourceBoxes", "TaskSamples", "task_boxes"]


@dataclass(frozen=True)
class SourceBoxes:
    """A source, cut as the chunks are; `is_joined`: with all channels in one box."""

    source: Source
    grid: ChunkGrid
    is_joined: bool

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples of a box, one number per axis of the source."""
        chunks = dict(zip(self.grid.layout.axes, self.grid.chunks, strict=True))
        axes = zip(self.source.axes, self.source.shape, strict=True)
        return tuple(max(n, 1) if a == "c" and self.is_joined else chunks[a] for a, n in axes)

    def index(self, at: Coordinates) -> tuple[int, ...]:
        """Say which box a chunk needs."""
        return tuple(s.start // length for s, length in zip(self.region(at), self.lengths, strict=True))

    def region(self, at: Coordinates) -> Region:
        """Give the samples of the box that a chunk needs."""
        region = dict(zip(self.grid.layout.axes, self.grid.region(at), strict=True))
        axes = zip(self.source.axes, self.source.shape, strict=True)
        return tuple(slice(0, n) if a == "c" and self.is_joined else region[a] for a, n in axes)


@dataclass(frozen=True)
class TaskSamples:
    """Samples that came with a task, of a part of its source that begins at `start`."""

    start: tuple[int, ...]
    samples: NDArray[Any]

    def as_source(self, source: Source) -> Source:
        """Return the source, as far as these samples go."""

        def read(region: Region) -> NDArray[Any]:
            inside = tuple(slice(r.start - s, r.stop - s) for r, s in zip(region, self.start, strict=True))
            return on_host(self.samples[inside])

        return replace(source, reader=read)


def task_boxes(grid: ChunkGrid, job: Job) -> dict[str, SourceBoxes]:
    """What the chunks of a job are coded from: `samples`, and `mask` where there is one."""
    found = {"samples": SourceBoxes(job.source, grid, job.classes.rule is not None)}  # a rule looks at all channels
    if job.classes.mask is not None:
        found["mask"] = SourceBoxes(job.classes.mask, grid, True)
    return found
