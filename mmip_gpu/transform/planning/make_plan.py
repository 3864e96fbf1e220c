"""Making a plan for an array: cell depth, padding and tiles by trying, the step by search where the target needs it.

Values: a configuration and the samples (or a probe of them) as a Trial in, a ChunkPlan out. Encoder decisions only:
nothing here is part of the format, but every decision is a function of the data alone, so that bytes do not depend
on the machine. Choices are made on a quarter of a probe, steps are then matched on all of it, and where the target
holds for the array, on all samples.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from operator import itemgetter

from mmip_gpu._core import SQUARED_STEPS_PER_BIT
from mmip_gpu.arguments import given_padding
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.plan import ChunkPlan, class_steps, initial_step, spread_probe, tile_log2
from mmip_gpu.transform.planning.find_padding import find_padding, may_hold_padding
from mmip_gpu.transform.planning.match_distortion import (
    SLOPE,
    QualityFactors,
    check_reached,
    decibels,
    match_quality,
    near_quality,
    near_step,
    quality_shares,
    search_step,
)
from mmip_gpu.transform.planning.match_size import (
    cheapest_bound,
    first_bound,
    near_bound,
    search_ratio,
    unreachable_ratio,
)
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import fits_deep, sample_range

__all__ = ["flattened", "imaged_plan", "make_plan", "matched_plan", "padded_plan", "probed_plan"]

# For steps that need not be exact; and at most for choices. At effort 1 those may be others: on one head CT at 44 dB
# 3D cells take 27 % more bits than 2D ones at effort 1, 7 % more at effort 2.
_STEP_EFFORT, _CHOICE_EFFORT = 1, 2
_CLEAR = 1.06  # costs of two cell depths that differ by less on a quarter of the probe are compared on all of it
_FEW, _LARGE_CHOICE = 2**15, 2**18  # samples
_IMAGE_RATE = 0.1  # bits a sample below which a DC image is tried: above it none was worth its bits
_IMAGE_SPAN = 2**16  # steps in the range of the dtype: indices of a DC image then stay in 23 bits, which encoders hold


def make_plan(
    config: CodecConfig, whole: Trial, layout: PlaneLayout, colour: bool, data_range: float | None
) -> ChunkPlan:
    """Plan for one array that is at hand."""
    array, classes = whole.array, whole.classes
    spread = array.max().item() - array.min().item() if array.size and config.mode in ("psnr", "ratio") else 1
    steps = (data_range if data_range is not None else spread) / (config.step or 1.0)
    if config.step is not None and array.size:
        config = flattened(config, array.min().item(), array.max().item())
    class_count = 1 if classes is None or classes.size == 0 else int(classes.max()) + 1
    given = given_padding(config, array.dtype, colour)
    if given is not None and not (array == given).any():
        given = None
    probe = whole.joined(spread_probe(layout), layout.axes)
    plan = probed_plan(config, probe, layout.axes, class_count, colour, steps, given)
    if config.padding == "auto" and may_hold_padding(array.dtype, colour):
        candidate = find_padding(whole.samples.read, layout)
        if candidate is not None:
            plan = padded_plan(plan, candidate.value, whole.joined([candidate.region], layout.axes))
        if candidate is not None and config.mode == "max_error":
            return _bound_plan_padded(plan, candidate.value, probe)
    plan = imaged_plan(plan, probe)
    plan = matched_plan(plan, probe)
    if array.size == 0 or config.mode not in ("psnr", "ratio"):
        return plan
    return _psnr_plan(plan, probe, whole, steps) if config.mode == "psnr" else _ratio_plan(plan, probe, whole)


def _psnr_plan(plan: ChunkPlan, probe: Trial, whole: Trial, peak: float) -> ChunkPlan:
    """The plan with the step that all samples need; a quarter of the probe and the probe tell where to begin."""
    part = probe.quarter(plan.axes)
    slope = SLOPE
    if part is not whole:
        plan, slope = near_step(plan, peak, part.mean_error)
    if probe is not whole:
        plan, slope = near_step(plan, peak, probe.mean_error, slope)
        part = probe
    if part is not whole and plan.config.effort > _STEP_EFFORT and not plan.lossless:
        rough = _at_effort(plan, _STEP_EFFORT)
        few, many = (decibels(peak, samples.mean_error(rough), 100.0) for samples in (part, whole))
        plan = plan.with_step(plan.background_step * 10 ** ((many - few) / slope))
    plan, _ = search_step(plan, peak, whole.mean_error, slope)
    if plan.lossless and plan.config.step is not None:
        check_reached(plan, peak, whole.mean_error(plan))
    return plan


def _ratio_plan(plan: ChunkPlan, probe: Trial, whole: Trial) -> ChunkPlan:
    """The plan with the step that all samples need; the probe tells where to begin."""
    if probe is not whole:
        plan, _ = search_ratio(plan, partial(_ratio, probe))
    plan, reached = search_ratio(plan, partial(_ratio, whole))
    if reached < plan.config.value:
        raise unreachable_ratio(plan.config.value, reached)
    return plan


def flattened(config: CodecConfig, low: float, high: float) -> CodecConfig:
    """The same with 2D cells, where float32 samples of this range exclude 3D ones and none are asked for."""
    if config.step is None or config.cell_depth is not None or fits_deep(low, high, config.step):
        return config
    return replace(config, cell_depth=1)


def probed_plan(
    config: CodecConfig,
    probe: Trial,
    axes: str,
    class_count: int,
    colour: bool,
    peak: float,
    padding: int | None = None,
) -> ChunkPlan:
    """Plan from a probe: the cell depth that costs less, and about the steps that are needed.

    `peak` is the data range in whole samples or (of float32) steps, as in `search_step`.
    """
    layout = PlaneLayout.of(probe.array.shape, axes)
    steps, reversible = class_steps(config, class_count, colour, initial_step(config, peak))
    depths = (config.cell_depth,) if config.cell_depth is not None else (1,) if layout.volume[0] < 4 else (1, 8)
    plans = [
        ChunkPlan(
            config,
            axes,
            colour,
            depth,
            tile_log2(depth, layout.volume, 1.0),
            config.stage_cuts(depth),
            steps,
            reversible,
            padding,
            config.error_bound or None,
        )
        for depth in depths
    ]
    if probe.array.size == 0:
        return plans[0]
    part = probe.quarter(axes)
    near = _near(_at_effort(plans[-1], _STEP_EFFORT), part, peak)
    plans = [replace(p, steps=near.steps, reversible=near.reversible, correction=near.correction) for p in plans]
    if len(plans) == 1:
        return _tiled(plans[0], part)
    for samples in (part, probe):
        tried = sorted(
            ((_cost(plan, samples), plan.depth, _tiled(plan, samples)) for plan in plans), key=itemgetter(0, 1)
        )
        if tried[0][0] * _CLEAR < tried[-1][0]:
            break
    return tried[0][2]


def padded_plan(plan: ChunkPlan, value: int, samples: Trial) -> ChunkPlan:
    """The plan, with the padding value where these samples cost less with it."""
    if samples.array.size > _LARGE_CHOICE:
        samples = samples.quarter(plan.axes)
    padded = replace(plan, padding=value)
    if _cost(plan, samples) <= _cost(padded, samples):
        return plan
    return _tiled(padded, samples)


def imaged_plan(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan, with a DC image where one is allowed and the probe costs less with it."""
    lossy = len(plan.steps) == 1 and not plan.lossless and plan.padding is None
    if not lossy or plan.depth != 1 or probe.array.size == 0:
        return plan
    low, high = sample_range(probe.array.dtype)
    if high - low > _IMAGE_SPAN * plan.background_step:
        return plan
    if plan.tile_log2 != tile_log2(plan.depth, PlaneLayout.of(probe.array.shape, plan.axes).volume, 0.0):
        return plan  # not at so low a rate
    plain = replace(plan, correction=None)
    cost = _cost(plain, probe)
    if 8 * probe.size(_at_choice(plain)) > _IMAGE_RATE * probe.array.size:
        return plan
    return replace(plan, dc_image=True) if _cost(replace(plain, dc_image=True), probe) < cost else plan


def matched_plan(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan with the steps that the probe alone decides: of a quality, and of an error bound."""
    if plan.config.mode == "quality":
        return _quality_plan(plan, probe)
    if plan.config.mode == "max_error" and probe.array.size:
        return _bound_plan(plan, probe)
    return plan


def _bound_plan(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan with the step that makes the error bound cheapest on the probe."""
    near = near_bound(_at_choice(plan), probe.quarter(plan.axes).size)
    return cheapest_bound(replace(near, config=plan.config), probe.size)


def _bound_plan_padded(plan: ChunkPlan, value: int, probe: Trial) -> ChunkPlan:
    """`_bound_plan` with the padding value or without: what the corrections cost tells at the right step only."""
    plan = _bound_plan(plan, probe)
    other = replace(plan, padding=value if plan.padding is None else None)
    if probe.size(_at_choice(other)) >= probe.size(_at_choice(plan)):
        return plan
    return _bound_plan(other, probe)


def _quality_plan(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan with the steps that give the probe the quality rule's distortion."""
    config = plan.config
    steps, reversible = class_steps(config, len(plan.steps), plan.colour, initial_step(config, 1))
    rule = replace(plan, steps=steps, reversible=reversible)
    if probe.array.size == 0:
        return rule
    near, part = QualityFactors.first(len(steps)), probe.quarter(plan.axes)
    if part is probe:
        return _tiled(match_quality(rule, probe, near), probe)
    near, rough = near_quality(rule, part, near), _at_effort(rule, _STEP_EFFORT)
    few = quality_shares(rough, part, near.factors)
    rule = replace(rule, tile_log2=_tiled(rough.with_factors(near.factors), part).tile_log2)
    if config.effort > _STEP_EFFORT:
        many = quality_shares(rough, probe, near.factors)
        near = near.towards([m / f if f > 0 else 0.0 for f, m in zip(few, many, strict=True)], None, ())
    return match_quality(rule, probe, near)


def _near(plan: ChunkPlan, samples: Trial, peak: float) -> ChunkPlan:
    """The plan with about the steps that give these samples what was asked for."""
    if plan.config.mode == "quality":
        return plan.with_factors(QualityFactors.first(len(plan.steps)).factors)
    if plan.config.mode == "psnr":
        return near_step(plan, peak, samples.mean_error)[0]
    if plan.config.mode == "ratio":
        return search_ratio(plan, partial(_ratio, samples))[0]
    if plan.config.mode == "max_error":
        return first_bound(plan)
    return plan


def _cost(plan: ChunkPlan, samples: Trial) -> float:
    """Bits, with what the errors are worth in bits.

    Plans of the same steps trade error for bits at the same rate; which costs less would also take fewer bits at
    equal error. Where errors are corrected or there are none, the bits alone count.
    """
    plan = _at_choice(plan)
    bits = 8.0 * samples.size(plan)
    if plan.correction is None and not plan.lossless:
        for index, error in enumerate(samples.errors(plan)):
            bits += error / (plan.class_step(index) ** 2 * SQUARED_STEPS_PER_BIT)
    return bits


def _at_effort(plan: ChunkPlan, effort: int) -> ChunkPlan:
    return replace(plan, config=replace(plan.config, effort=effort))


def _at_choice(plan: ChunkPlan) -> ChunkPlan:
    return _at_effort(plan, min(plan.config.effort, _CHOICE_EFFORT))


def _tiled(plan: ChunkPlan, samples: Trial) -> ChunkPlan:
    """The plan with the tiles for its rate on these samples; what heads take of few samples counts in it."""
    few = samples.array.size < _FEW
    size = (samples.size if few else samples.body_size)(_at_choice(plan))
    volume = PlaneLayout.of(samples.array.shape, plan.axes).volume
    return replace(plan, tile_log2=tile_log2(plan.depth, volume, 8 * size / samples.array.size))


def _ratio(samples: Trial, plan: ChunkPlan) -> float:
    return samples.array.nbytes / samples.size(plan, allow_raw=True)
