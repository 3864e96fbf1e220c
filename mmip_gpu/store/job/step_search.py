"""What is written again where a store missed its PSNR or its ratio: a part of its chunks, or all.

Values: a Job, a StoreDescription and what its chunks add up to in; the description of the next pass out. Encoder side;
implements no section of FORMAT.md. Guarantees that a PSNR which is verified is reached, or refused with
InvalidArgument, and that chunks of a part depend on nothing but that part. For a ratio see store/job/ratio_search.py.
"""

from __future__ import annotations

import math
from dataclasses import replace

from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.finer import PARTS, FinerPart
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.job.channel_plans import next_channel_pass
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.ratio_search import next_ratio_pass
from mmip_gpu.transform.plan import initial_step
from mmip_gpu.transform.planning.match_distortion import SLOPE, check_reached

__all__ = ["next_pass"]

_SMALLEST_STEP = 0.25
_MARGIN_DB = 0.03
_ATTEMPTS = 6
_SURE_SLOPE = 8.0  # dB for a factor of ten in the step: few arrays gain less
_FINER = 0.7  # step of the part that is written again, over that of the others
_FINER_GAIN = 1 - _FINER ** (_SURE_SLOPE / 10)  # of its squared error
_SURE = 1.05  # so much more is taken than what is missing
_LARGEST_PART = 0.5  # of the squared error, above which all chunks are written again
_PART_ATTEMPTS = 2


def next_pass(
    job: Job, description: StoreDescription, totals: Totals, passes: list[tuple[float, float]]
) -> StoreDescription | None:
    """Return what to write again with where the array missed its PSNR or ratio; None where it did not.

    With a `finer` part that is new, chunks outside of it stay. `passes` holds (log10 of the step, PSNR in dB or log10
    of the ratio over the request) of the passes before; this one is added.
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
    return _with_finer_part(description, totals) or _next_psnr_pass(job, description, totals.psnr(), passes)


def _with_finer_part(description: StoreDescription, totals: Totals) -> StoreDescription | None:
    """The same store, of which a part is coded by a finer step; None where that would have to be most of it."""
    plan, grid = description.plan, description.grid
    finer = description.finer or FinerPart(plan.with_step(plan.background_step * _FINER).steps, 0)
    too_fine = plan.background_step * _FINER < _SMALLEST_STEP or finer.steps == plan.steps
    if len(plan.steps) > 1 or too_fine or description.attempt >= _PART_ATTEMPTS:
        return None
    allowed = description.peak**2 * grid.layout.samples / 10 ** (plan.config.value / 10)
    missing, parts = (totals.sse - allowed) * _SURE / _FINER_GAIN, finer.parts
    errors = totals.part_errors
    while missing > 0 and parts < PARTS:
        missing -= errors[parts]
        parts += 1
    if missing > 0 or sum(errors[:parts]) > _LARGEST_PART * totals.sse:
        return None
    return replace(description, finer=replace(finer, parts=parts), attempt=description.attempt + 1)


def _next_psnr_pass(
    job: Job, description: StoreDescription, psnr: float, passes: list[tuple[float, float]]
) -> StoreDescription:
    """Return what to write with after a pass that reached less than the PSNR."""
    plan, config = description.plan, job.config
    here = math.log10(plan.background_step), psnr
    passes.append(here)
    attempt = description.attempt + 1
    step = 10 ** (here[0] - (config.value - psnr + _MARGIN_DB * len(passes)) / SLOPE)
    sure = initial_step(config, description.peak / job.step_unit)  # plain rounding at this step is fine enough
    step = min(step, sure) if attempt == _ATTEMPTS - 1 else max(step, min(sure, 10 ** here[0] / 2))
    exact = attempt >= _ATTEMPTS or step < _SMALLEST_STEP
    return replace(description, plan=plan.exact() if exact else plan.with_step(step), attempt=attempt, finer=None)
