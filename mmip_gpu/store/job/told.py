"""Warnings about a store that was written: what all its chunks together show.

Values: a Job and the Totals of its chunks in; warnings out. Implements no section of FORMAT.md.
"""

from __future__ import annotations

from math import prod

from mmip_gpu.caution import warn, warn_of_channels, warn_of_ratio, warn_of_region
from mmip_gpu.store.group.grid import ChunkGrid
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.job.job import Job

__all__ = ["warn_of_chunks", "warn_of_totals"]


def warn_of_chunks(job: Job, grid: ChunkGrid) -> None:
    """Warn of chunks that became longer than was asked for, on axes that go on beyond them."""
    asked, axes = job.chunks or (), job.layout.axes
    named = axes if len(asked) == len(axes) else [a for a in axes if a in "zyx"]
    lengths = dict(zip(axes, zip(grid.chunks, job.layout.shape, strict=True), strict=True))
    grown = [(a, n, lengths[a][0]) for a, n in zip(named, asked, strict=False) if n < min(lengths[a])]
    if grown:
        text = ", ".join(f"{axis} {length} to {chosen}" for axis, length, chosen in grown)
        more = prod(chosen / length for _, length, chosen in grown) - 1
        warn(f"chunks={asked}: rounded up to whole cells ({text}): each chunk holds {more:.0%} more samples")


def warn_of_totals(job: Job, totals: Totals) -> None:
    """Warn of a region that holds nothing or everything, and of a ratio that is far above what was asked for."""
    layout = job.layout
    voxels = layout.samples // max(layout.channels, 1)
    if voxels and job.classes.identity is not None:
        inside = totals.roi_voxels
        warn_of_region(job.classes.rule, int(inside == voxels), int(inside > 0))
    channels = totals.report()["loss"].get("channels", ())
    if job.config.mode == "psnr" and job.data_range is None:
        warn_of_channels(job.config.value, [channel["psnr"] for channel in channels])
    if job.config.mode == "ratio" and totals.sse and not totals.description.plan.lossless:
        warn_of_ratio(job.config.value, totals.description.raw_bytes / totals.bytes)
