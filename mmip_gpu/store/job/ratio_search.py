"""One step for all chunks of a store that reaches a compression ratio: on probes first, then in whole passes.

Values: a Job and descriptions in; a plan or the next description out. Encoder side; implements
no section of FORMAT.md. Guarantees that the ratio is never missed silently: passes end at the request or with
InvalidArgument. transform/planning/match_size.py has the search.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import ChunkGrid, Region
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.job.job import Job
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.match_size import (
    LARGEST_STEP,
    RATIO_TOLERANCE,
    RatioStep,
    next_ratio_step,
    search_ratio,
    unreachable_ratio,
)
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["next_ratio_pass", "ratio_plan"]

_PROBES = 8
_PROBE_SAMPLES = 2**22  # of all probes together: as much as one chunk
_PROBE_LENGTHS = {"z": 32, "y": 128, "x": 128}
_GOLDEN = (math.sqrt(5) - 1) / 2
_ATTEMPTS = 4  # passes that may aim for the tolerance; later ones take whatever reaches the ratio
_SURE_FACTOR = 1.3


def ratio_plan(job: Job, description: StoreDescription, threads: int) -> ChunkPlan:
    """Plan whose step reaches the ratio on a few chunks, which are spread evenly, each with its share of a record."""
    plan, probes = description.plan, [Trial(*job.read(region), threads) for region in _probe_regions(description.grid)]
    samples = sum(probe.array.size for probe in probes)
    raw_bytes = sum(probe.array.nbytes for probe in probes)
    grid = description.grid
    records = description.record_bytes * grid.chunk_count * samples / grid.layout.samples

    def ratio(tried: ChunkPlan) -> float:
        return raw_bytes / (records + sum(probe.payload_size(tried) for probe in probes))

    found: ChunkPlan = search_ratio(plan, ratio)[0]
    return found


def _probe_regions(grid: ChunkGrid) -> list[Region]:
    """Up to 8 spread chunks, or the middle of each where they are large."""
    count = min(_PROBES, grid.chunk_count)
    # Multiples of the golden ratio spread over all axes of the grid, where even strides would meet the same columns.
    indices = sorted({int(grid.chunk_count * ((k + 0.5) * _GOLDEN % 1)) for k in range(count)})
    regions = []
    for index in indices:
        at = tuple(int(i) for i in np.unravel_index(index, grid.counts))
        region = grid.region((at[0], at[1], at[2], at[3]))
        samples = math.prod(s.stop - s.start for s in region)
        if samples > _PROBE_SAMPLES // count:
            region = tuple(_middle(s, _PROBE_LENGTHS.get(a)) for a, s in zip(grid.layout.axes, region, strict=True))
        regions.append(region)
    return regions


def _middle(part: slice, length: int | None) -> slice:
    if length is None or part.stop - part.start <= length:
        return part
    start = part.start + (part.stop - part.start - length) // 2 // 32 * 32
    return slice(start, start + length)


def next_ratio_pass(description: StoreDescription, totals: Totals, passes: list[RatioStep]) -> StoreDescription | None:
    """What to write again with where a pass is off its ratio; None where it is not.

    `passes` holds the passes before, the lossy ones; this one is added.

    Raises
    ------
    InvalidArgument
        Where the largest step misses the ratio.
    """
    plan, target = description.plan, description.plan.config.value
    reached = description.raw_bytes / totals.bytes
    attempt = description.attempt + 1
    if plan.lossless:
        return None if reached >= target else replace(description, plan=plan.with_step(1.0), attempt=attempt)
    here = math.log10(plan.background_step), math.log10(reached / target)
    passes.append(here)
    if 0 <= here[1] <= RATIO_TOLERANCE:
        return None
    if here[1] < 0 and plan.background_step >= LARGEST_STEP:
        raise unreachable_ratio(target, reached)
    fine = max((p for p in passes if p[1] < 0), default=None)
    coarse = min((p for p in passes if p[1] >= 0), default=None)
    finer = plan.with_step(next_ratio_step(fine, coarse))
    if attempt > _ATTEMPTS or finer.steps == plan.steps:
        if here[1] >= 0:
            return None
        finer = plan.with_step(10 ** coarse[0] if coarse is not None else 10 ** here[0] * _SURE_FACTOR)
    return replace(description, plan=finer, attempt=attempt)
