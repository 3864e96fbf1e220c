"""Samples and masks that come with the task of a chunk: how a Dask array is cut so that every chunk needs one box.

Values: a chunk grid and a Source of the array or of its mask in; box lengths, the index of the box of a chunk, and a
Source that holds no more than a box. Implements no section of FORMAT.md. Guarantees the samples of the whole Source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mmip_gpu.sources import Source
from mmip_gpu.sources.arrays import on_host

from .grid import ChunkGrid, Coordinates, Region
from .job import Job

__all__ = ["Boxes", "given_boxes"]


@dataclass(frozen=True)
class Boxes:
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
        region = dict(zip(self.grid.layout.axes, self.grid.region(at), strict=True))
        return tuple(region[a].start // length for a, length in zip(self.source.axes, self.lengths, strict=True))

    def holding(self, at: Coordinates, box: NDArray[Any]) -> Source:
        """Return the source, as far as the box of a chunk goes."""
        starts = [i * length for i, length in zip(self.index(at), self.lengths, strict=True)]

        def read(region: Region) -> NDArray[Any]:
            return on_host(box[tuple(slice(r.start - s, r.stop - s) for r, s in zip(region, starts, strict=True))])

        return replace(self.source, reader=read)


def given_boxes(grid: ChunkGrid, job: Job) -> dict[str, Boxes]:
    """What the chunks of a job are coded from: `samples`, and `mask` where there is one."""
    found = {"samples": Boxes(job.source, grid, job.classes.rule is not None)}  # a rule looks at all channels
    if job.classes.mask is not None:
        found["mask"] = Boxes(job.classes.mask, grid, True)
    return found
