"""Choices that the planner makes by coding samples both ways: cells, prediction, a padding mask, a DC image.

Values: a configuration or a plan, and a Trial of samples, in; a plan out. Encoder decisions only: nothing here is part
of the format. Guarantees choices that depend on the samples alone. The cell depth is tried on a quarter of the probe
first, and on all of it where the costs are close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.plan import ChunkPlan, class_steps, initial_step, tile_log2
from mmip_gpu.transform.planning.costs import (
    STEP_EFFORT,
    Ratios,
    at_choice,
    at_effort,
    cost,
    rate,
    tiled,
    with_tiles,
)
from mmip_gpu.transform.planning.match_distortion import QualityFactors, near_step
from mmip_gpu.transform.planning.match_size import first_bound, search_ratio
from mmip_gpu.transform.planning.plan_reader import PlanReader
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

__all__ = [
    "DEEP_SLICES",
    "choose_cells",
    "choose_dc_image",
    "choose_padding",
    "choose_prediction",
    "costs_less",
    "first_plans",
    "tries_prediction",
]

_PREDICTING_EFFORT = 3  # from which on prediction is tried unasked
DEEP_SLICES = 4  # from which on cells of eight slices come into question

_CLEAR = 1.015  # costs of two cell depths that differ by less on a quarter of the probe are compared on all of it
_LARGE_CHOICE = 2**18  # samples
_IMAGE_RATE = 0.1  # bits a sample below which a DC image is tried: above it none was worth its bits
_IMAGE_SPAN = 2**16  # steps in the range of the dtype: indices of a DC image then stay in 23 bits, which encoders hold


def choose_cells(plans: Sequence[ChunkPlan], probe: Trial, peak: float) -> ChunkPlan:
    """Make the plan of a probe out of `first_plans`: with the cell depth that costs less, about the steps needed.

    `peak` is the data range in whole samples or (of float32) steps, as in `search_step`.
    """
    if probe.array.size == 0:
        return plans[0]
    part = probe.quarter(plans[0].axes)
    near = _near(at_effort(plans[-1], STEP_EFFORT), part, peak)
    plans = [replace(p, steps=near.steps, reversible=near.reversible, correction=near.correction) for p in plans]
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


def _near(plan: ChunkPlan, samples: Trial, peak: float) -> ChunkPlan:
    """The plan with about the steps that give these samples what was asked for."""
    if plan.config.mode == "quality":
        return plan.with_factors(QualityFactors.first(plan.part_count).factors)
    if plan.config.mode == "psnr":
        return near_step(plan, peak, samples.kept_error)[0]
    if plan.config.mode == "ratio":
        return search_ratio(plan, Ratios(samples))[0]
    if plan.config.mode == "max_error":
        return first_bound(plan)
    return plan


def choose_prediction(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan, or one of 2D cells whose blocks are predicted: where that is asked for, or the probe costs less."""
    config = plan.config
    if not tries_prediction(config) or plan.lossless or probe.array.size == 0:
        return plan
    part = probe.quarter(plan.axes)
    predicted = replace(plan, depth=1, cuts=config.stage_cuts(1), prediction=True)
    predicted = with_tiles(predicted, part, rate(plan, part))
    if config.prediction:
        return predicted
    return predicted if costs_less(predicted, plan, probe) else plan


def tries_prediction(config: CodecConfig) -> bool:
    """Whether prediction is asked for, or is tried unasked."""
    unasked = config.prediction is None and config.effort >= _PREDICTING_EFFORT and config.cell_depth != 8
    return unasked or bool(config.prediction)


def costs_less(plan: ChunkPlan, other: ChunkPlan, probe: Trial, margin: float = 1.0) -> bool:
    """Whether a plan costs less than another: on a quarter of the probe, or on all of it where these are close.

    `margin` is how many times what it costs has to be less.
    """
    for samples in (probe.quarter(plan.axes), probe):
        costs = cost(plan, samples), cost(other, samples)
        if max(costs) > _CLEAR * min(costs):
            break
    return margin * costs[0] < costs[1]


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
