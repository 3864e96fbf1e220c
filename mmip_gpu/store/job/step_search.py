"""One step for all chunks of a store that reaches a PSNR or a ratio: on a few chunks first, then in whole passes.

Values: a Job and a StoreDescription in; a plan, or the description of the next pass, out. Encoder side; implements no
section of FORMAT.md. Guarantees that a PSNR which is verified is reached, or refused with InvalidArgument. For a ratio
see store/job/ratio_search.py.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import ChunkGrid, Region
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.job.channel_plans import next_channel_pass
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.ratio_search import match_ratio, next_ratio_pass
from mmip_gpu.transform.plan import ChunkPlan, initial_step
from mmip_gpu.transform.planning.match_distortion import check_reached, search_step
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["matched_on_chunks", "next_pass"]

_PROBES = 8
_PROBE_SAMPLES = 2**22  # of all probes together: as much as one chunk
_PROBE_LENGTHS = {"z": 32, "y": 128, "x": 128}
_GOLDEN = (math.sqrt(5) - 1) / 2
_SMALLEST_STEP = 0.25
_MARGIN_DB = 0.03
_ATTEMPTS = 4


def matched_on_chunks(job: Job, description: StoreDescription, threads: int, channel: int | None = None) -> ChunkPlan:
    """Find the step that reaches the PSNR or the ratio on a few chunks, of all or of one channel, spread evenly."""
    plan = description.plan
    probes = [Trial(*job.read(region), threads) for region in _probe_regions(description.grid, channel)]
    if job.config.mode == "ratio":
        return match_ratio(plan, probes, description)
    total = sum(probe.array.size for probe in probes)

    def mean_error(tried: ChunkPlan) -> float:
        return sum(probe.mean_error(tried) * (probe.array.size / total) for probe in probes)

    return search_step(plan, description.peak / job.step_unit, mean_error)[0]


def next_pass(
    job: Job, description: StoreDescription, totals: Totals, passes: list[tuple[float, float]]
) -> StoreDescription | None:
    """Return what to write again with where the array missed its PSNR or ratio; None where it did not.

    `passes` holds (log10 of the step, PSNR in dB or log10 of the ratio over the request) of the passes before; this one
    is added.
    """
    config = job.config
    if config.mode == "ratio" and description.grid.chunk_count:
        return next_ratio_pass(description, totals, passes)
    if config.mode == "psnr" and description.plan.units:
        return next_channel_pass(description, totals, job.step_unit)
    if config.mode != "psnr" or totals.psnr() >= config.value:
        return None
    if description.plan.lossless:  # of float32: rounding to indices is all that was lost
        samples = description.grid.layout.samples
        check_reached(description.plan, description.peak / job.step_unit, totals.sse / job.step_unit**2 / samples)
        return None
    if not config.verify:
        return None
    return _next_psnr_pass(job, description, totals.psnr(), passes)


def _next_psnr_pass(
    job: Job, description: StoreDescription, psnr: float, passes: list[tuple[float, float]]
) -> StoreDescription:
    """Return what to write with after a pass that reached less than the PSNR."""
    plan, config = description.plan, job.config
    here = math.log10(plan.background_step), psnr
    passes.append(here)
    attempt = description.attempt + 1
    # The probes promised more: the same search for as much above as all passes missed, later misses twice.
    missing = sum((config.value - reached) * min(k, 2) + _MARGIN_DB * k for k, (_, reached) in enumerate(passes, 1))
    higher = replace(plan, config=replace(config, value=config.value + missing))
    step = matched_on_chunks(job, replace(description, plan=higher), 1).background_step
    sure = initial_step(config, description.peak / job.step_unit)  # plain rounding at this step is fine enough
    step = min(step, sure) if attempt == _ATTEMPTS - 1 else max(step, min(sure, 10 ** here[0] / 2))
    exact = attempt >= _ATTEMPTS or step < _SMALLEST_STEP
    return replace(description, plan=plan.exact() if exact else plan.with_step(step), attempt=attempt)


def _probe_regions(whole: ChunkGrid, channel: int | None = None) -> list[Region]:
    """Up to 8 spread chunks, or the middle of each where they are large."""
    grid = whole if channel is None else replace(whole, layout=whole.layout.of_channel)
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
        if channel is not None:
            named = zip(grid.layout.axes, region, strict=True)
            region = tuple(slice(channel, channel + 1) if a == "c" else s for a, s in named)
        regions.append(region)
    return regions


def _middle(part: slice, length: int | None) -> slice:
    if length is None or part.stop - part.start <= length:
        return part
    start = part.start + (part.stop - part.start - length) // 2 // 32 * 32
    return slice(start, start + length)
