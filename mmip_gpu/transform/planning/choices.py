"""Choices that the planner makes by coding samples both ways: cells, a padding mask, a DC image.

Values: a configuration or a plan, and a Trial of samples, in; a plan out. Encoder decisions only: nothing here is part
of the format. Guarantees choices that depend on the samples alone. The cell depth is tried on a quarter of the probe
first, and on all of it where the costs are close, or the effort is 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.plan import ChunkPlan, class_steps, initial_step, tile_log2
from mmip_gpu.transform.planning.costs import STEP_EFFORT, Ratios, at_choice, at_effort, cost, saving, tiled
from mmip_gpu.transform.planning.match_distortion import QualityFactors, carried_step, near_step
from mmip_gpu.transform.planning.match_size import first_bound, search_ratio
from mmip_gpu.transform.planning.plan_reader import PlanReader
from mmip_gpu.transform.planning.probe_regions import DEEP_SLICES
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

__all__ = ["choose_cells", "choose_dc_image", "choose_padding", "first_plans"]


_CLEAR = 1.015  # costs of two cell depths that differ by less on a quarter of the probe are compared on all of it
# From which on they always are, at a step found by the effort that chooses: a quarter of a CT at 50 dB favoured 3D
# cells by 11 % of the costs, which took 9 % more bits of all of it.
CAREFUL_EFFORT = 3
_LARGE_CHOICE = 2**18  # samples
_IMAGE_RATE = 0.1  # bits a sample below which a DC image is tried: above it none was worth its bits
_IMAGE_SPAN = 2**16  # steps in the range of the dtype: indices of a DC image then stay in 23 bits, which encoders hold


def choose_cells(plans: Sequence[ChunkPlan], probe: Trial, peak: float) -> ChunkPlan:
    """Make the plan of a probe out of `first_plans`: with the cell depth that costs less, about the steps needed.

    `peak` is the data range in whole samples or (of float32) steps, as in `search_step`.
    """
    if probe.array.size == 0:
        return plans[0]
    part, is_careful = probe.quarter(plans[0].axes), plans[0].config.effort >= CAREFUL_EFFORT
    near = (
        _near_of_both(plans[-1], part, probe, peak)
        if is_careful
        else _near(at_effort(plans[-1], STEP_EFFORT), part, peak)
    )
    plans = [replace(p, steps=near.steps, reversible=near.reversible, correction=near.correction) for p in plans]
    if is_careful:
        last = tiled(plans[-1], probe)
        saves = len(plans) > 1 and saving(at_choice(plans[0]), at_choice(plans[-1]), probe) > 0
        return tiled(plans[0], probe) if saves else last
    if len(plans) == 1:
        return tiled(plans[0], part)
    for samples in (part, probe):
        tried = sorted(
            ((cost(plan, samples), plan.depth, tiled(plan, samples)) for plan in plans), key=itemgetter(0, 1)
        )
        if tried[0][0] * _CLEAR < tried[-1][0]:
            break
    return tried[0][2]


def first_plans(
    config: CodecConfig, reader: PlanReader, probe: Trial, peak: float, padding: int | None, slice_axis: str
) -> list[ChunkPlan]:
    """One plan for each cell depth that comes into question, with the step that its target begins with."""
    axes, colour = reader.layout.axes, reader.colour
    volume = PlaneLayout.of(probe.array.shape, axes).sliced_along(slice_axis).volume
    steps, reversible = class_steps(config, reader.class_count, colour, initial_step(config, peak))
    depths = (1,) if config.prediction or volume[0] < DEEP_SLICES else (1, 8)
    depths = depths if config.cell_depth is None else (config.cell_depth,)
    return [
        ChunkPlan(
            config,
            axes,
            colour,
            depth,
            tile_log2(depth, volume, 1.0),
            config.stage_cuts(depth),
            steps,
            reversible,
            padding,
            config.error_bound or None,
            slice_axis=slice_axis,
        )
        for depth in depths
    ]


def _near_of_both(plan: ChunkPlan, part: Trial, probe: Trial, peak: float) -> ChunkPlan:
    """As `_near` of the probe, with a part of it to begin with, by the effort that chooses."""
    plan = at_choice(plan)
    if part is not probe and plan.config.mode == "psnr":
        plan, _ = carried_step(near_step(plan, peak, part.kept_error), peak, part, probe)
    elif part is not probe:
        plan = _near(plan, part, peak)
    return _near(plan, probe, peak)


def _near(plan: ChunkPlan, samples: Trial, peak: float) -> ChunkPlan:
    """The plan with about the steps that give these samples what was asked for."""
    if plan.config.mode == "quality":
        return plan.with_factors(QualityFactors.first(plan.part_count).factors)
    if plan.config.mode == "psnr":
        return near_step(plan, peak, samples.kept_error).plan
    if plan.config.mode == "ratio":
        return search_ratio(plan, Ratios(samples))[0]
    if plan.config.mode == "max_error":
        return first_bound(plan)
    return plan


def choose_padding(plan: ChunkPlan, value: int, samples: Trial) -> ChunkPlan:
    """The plan, with the padding value where these samples cost less with it."""
    if samples.array.size > _LARGE_CHOICE:
        samples = samples.quarter(plan.axes)
    padded = replace(plan, padding=value)
    if cost(plan, samples) <= cost(padded, samples):
        return plan
    return tiled(padded, samples)


def choose_dc_image(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan, with a DC image where one is allowed and the probe costs less with it."""
    lossy = len(plan.steps) == 1 and not plan.lossless and plan.padding is None
    if not lossy or plan.depth != 1 or probe.array.size == 0:
        return plan
    low, high = sample_range(probe.array.dtype)
    if high - low > _IMAGE_SPAN * plan.background_step:
        return plan
    volume = plan.layout(probe.array.shape).volume
    if plan.tile_log2 != tile_log2(plan.depth, volume, 0.0, plan.prediction):
        return plan  # not at so low a rate
    plain = replace(plan, correction=None)
    plain_cost = cost(plain, probe)
    if 8 * probe.size(at_choice(plain)) > _IMAGE_RATE * probe.array.size:
        return plan
    return replace(plan, dc_image=True) if cost(replace(plain, dc_image=True), probe) < plain_cost else plan
