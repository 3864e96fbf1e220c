"""Making a plan for an array: cell depth, tiles and padding by trying, the step by search where the target needs it.

Values: a configuration and the array (or a probe of it) in, a ChunkPlan out. Encoder decisions only: nothing here is
part of the format, but every decision is a function of the data alone, so that bytes do not depend on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axes import PlaneLayout
from .codec import class_errors, encode_chunk, total_error
from .config import CodecConfig
from .errors import InvalidArgument
from .floats import fits_deep, sample_range
from .padding import find_padding, given_padding, may_hold_padding
from .planning import ChunkPlan, class_steps, initial_step, spread_probe, tile_log2
from .sizing import LARGEST_STEP, SMALLEST_STEP, cheapest_bound, search_ratio, unreachable_ratio

__all__ = ["check_reached", "flattened", "imaged_plan", "make_plan", "padded_plan", "plan_for_probe", "search_step"]

_TOLERANCE_DB = 0.1
_ROUNDS = 8
_SMALLEST_BRACKET = math.log10(1.004)
_SLOPE, _SMALLEST_SLOPE = 15.0, 1.0  # dB for a factor of ten in the step: typical, and on the plateau of noise
_FIRST_FACTOR, _SURE_FACTOR, _LARGEST_FACTOR = 0.9, 0.5, 1.5
_MATCH_ROUNDS = 5
_TRIAL_EFFORT = 1  # where only cell depth and padding are chosen
_IMAGE_RATE = 0.1  # bits a sample below which a DC image is tried: above it none was worth its bits
_IMAGE_SPAN = 2**16  # steps in the range of the dtype: indices of a DC image then stay in 23 bits, which encoders hold
_LAMBDA = 29 / 256  # squared steps that are worth a bit (kLambda of rules/decide.h)
_CLOSE, _AIM = 0.99, 0.996  # of the distortion that is allowed; 1 % is 0.04 dB
_ERROR_SLOPE, _ERROR_SLOPES = 1.7, (1.0, 4.0)  # of log error over log step: typical, and what is believed
_MARGIN = 0.97  # the seed's truncation to integers beats rounding by 0.05 dB where samples are clipped at 0


def make_plan(
    config: CodecConfig,
    array: NDArray[Any],
    layout: PlaneLayout,
    classes: NDArray[np.uint8] | None,
    colour: bool,
    data_range: float | None,
    threads: int,
) -> ChunkPlan:
    """Plan for one array that is at hand."""
    peak = data_range if data_range is not None else _peak(array) if config.mode in ("psnr", "ratio") else 1.0
    steps = peak / (config.step or 1.0)
    if config.step is not None and array.size:
        config = flattened(config, array.min().item(), array.max().item())
    regions = spread_probe(layout)
    probe, probe_classes = _joined(array, regions, layout.axes), None
    if classes is not None:
        flat = [_without_c(region, layout.axes) for region in regions]
        probe_classes = _joined(classes, flat, layout.axes.replace("c", ""))
    class_count = 1 if classes is None or classes.size == 0 else int(classes.max()) + 1
    whole = probe.size == array.size
    given = given_padding(config, array.dtype, colour)
    if given is not None and not (array == given).any():
        given = None
    plan = plan_for_probe(config, probe, layout.axes, probe_classes, class_count, colour, steps, threads, given)
    if config.padding == "auto" and may_hold_padding(array.dtype, colour):
        candidate = find_padding(lambda part: array[part], layout)
        if candidate is not None:
            trial, trial_classes = probe, probe_classes
            if not whole:
                trial = array[candidate.region]
                trial_classes = None if classes is None else classes[_without_c(candidate.region, layout.axes)]
            padded = padded_plan(plan, candidate.value, trial, trial_classes, steps, threads)
            if padded is not None:
                plan = padded if whole else replace(plan, padding=padded.padding)
    plan = imaged_plan(plan, probe, probe_classes, steps, threads) or plan
    if config.mode == "ratio" and array.size:
        plan, reached = search_ratio(plan, partial(_ratio, array, classes, threads))
        if reached < config.value:
            raise unreachable_ratio(config.value, reached)
        return plan
    if config.mode == "psnr" and array.size:
        if not whole:
            plan = search_step(plan, steps, partial(_mean_error, array, classes, threads))
        if plan.lossless and config.step is not None:
            check_reached(plan, steps, _mean_error(array, classes, threads, plan))
    return plan


def flattened(config: CodecConfig, low: float, high: float) -> CodecConfig:
    """The same with 2D cells, where float32 samples of this range exclude 3D ones and none are asked for."""
    if config.step is None or config.cell_depth is not None or fits_deep(low, high, config.step):
        return config
    return replace(config, cell_depth=1)


def plan_for_probe(
    config: CodecConfig,
    probe: NDArray[Any],
    axes: str,
    classes: NDArray[np.uint8] | None,
    class_count: int,
    colour: bool,
    peak: float,
    threads: int,
    padding: int | None = None,
) -> ChunkPlan:
    """Plan from the middle of an array: both cell depths are coded, the smaller (of one size: the better) is kept.

    `peak` is the data range in whole samples or (of float32) steps, as in `search_step`.
    """
    layout = PlaneLayout.of(probe.shape, axes)
    steps, reversible = class_steps(config, class_count, colour, initial_step(config, peak))
    depths = (config.cell_depth,) if config.cell_depth is not None else (1,) if layout.volume[0] < 4 else (1, 8)
    trial = config if len(depths) == 1 else replace(config, effort=_TRIAL_EFFORT)
    best: tuple[tuple[float, int], ChunkPlan] | None = None
    for depth in depths:
        tiles = tile_log2(depth, layout.volume, 1.0)
        bound, cuts = config.error_bound or None, config.stage_cuts(depth)
        plan = ChunkPlan(trial, axes, colour, depth, tiles, cuts, steps, reversible, padding, bound)
        if probe.size == 0:
            return replace(plan, config=config)
        plan = _matched(plan, probe, classes, peak, threads)
        cost = _cost(plan, probe, classes, threads)
        if best is None or cost < best[0]:
            best = cost, replace(plan, tile_log2=tile_log2(depth, layout.volume, 8 * cost[1] / probe.size))
    assert best is not None
    return _with_config(best[1], config, probe, classes, peak, threads)


def padded_plan(
    plan: ChunkPlan,
    value: int,
    samples: NDArray[Any],
    classes: NDArray[np.uint8] | None,
    peak: float,
    threads: int,
) -> ChunkPlan | None:
    """Plan with the padding value, or None where the samples cost no less with it at the same target."""
    config = replace(plan.config, effort=_TRIAL_EFFORT)
    steps, flags = class_steps(config, len(plan.steps), plan.colour, initial_step(config, peak))
    start = replace(plan, config=config, steps=steps, reversible=flags, correction=config.error_bound or None)
    plain, padded = (_matched(replace(start, padding=p), samples, classes, peak, threads) for p in (None, value))
    costs = [_cost(p, samples, classes, threads) for p in (plain, padded)]
    if costs[1] >= costs[0]:
        return None
    layout = PlaneLayout.of(samples.shape, plan.axes)
    padded = replace(padded, tile_log2=tile_log2(plan.depth, layout.volume, 8 * costs[1][1] / samples.size))
    return _with_config(padded, plan.config, samples, classes, peak, threads)


def imaged_plan(
    plan: ChunkPlan, samples: NDArray[Any], classes: NDArray[np.uint8] | None, peak: float, threads: int
) -> ChunkPlan | None:
    """Plan with a DC image, or None where it is not allowed or distortion + lambda * bits is no less with it."""
    lossy = len(plan.steps) == 1 and not plan.lossless and plan.padding is None
    if not lossy or plan.depth != 1 or min(plan.tile_log2[1:]) < 3 or samples.size == 0:
        return None
    low, high = sample_range(samples.dtype)
    if high - low > _IMAGE_SPAN * plan.background_step:
        return None
    step, costs = plan.background_step * (plan.config.step or 1.0), []
    trial = replace(plan, config=replace(plan.config, verify=True), correction=None)
    for dc_image in (False, True):
        coded = encode_chunk(samples, replace(trial, dc_image=dc_image), classes, threads=threads, allow_raw=False)
        if 8 * coded.size > _IMAGE_RATE * samples.size:
            return None
        costs.append(coded.header.loss.sse / step**2 + _LAMBDA * 8 * coded.size)
    return _matched(replace(plan, dc_image=True), samples, classes, peak, threads) if costs[1] < costs[0] else None


def _with_config(
    plan: ChunkPlan,
    config: CodecConfig,
    samples: NDArray[Any],
    classes: NDArray[np.uint8] | None,
    peak: float,
    threads: int,
) -> ChunkPlan:
    """A plan found at the effort of trials, with its steps as the effort asked for needs them."""
    if plan.config == config:
        return plan
    if config.mode == "quality":  # the rule's own steps, which what is matched is measured at
        steps, flags = class_steps(config, len(plan.steps), plan.colour, initial_step(config, peak))
        plan = replace(plan, steps=steps, reversible=flags)
    return _matched(replace(plan, config=config), samples, classes, peak, threads)


def _matched(
    plan: ChunkPlan, samples: NDArray[Any], classes: NDArray[np.uint8] | None, peak: float, threads: int
) -> ChunkPlan:
    """The plan with the steps that give these samples what was asked for."""
    if plan.config.mode == "quality":
        return match_quality(plan, samples, classes, threads)
    if plan.config.mode == "psnr":
        return search_step(plan, peak, partial(_mean_error, samples, classes, threads))
    if plan.config.mode == "ratio":
        return search_ratio(plan, partial(_ratio, samples, classes, threads))[0]
    if plan.config.mode == "max_error":
        return cheapest_bound(plan, partial(_size, samples, classes, threads))
    return plan


def _cost(plan: ChunkPlan, samples: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int) -> tuple[float, int]:
    """(mean squared error where the ratio is what is asked for, bytes): the less, the better the plan."""
    error = _mean_error(samples, classes, threads, plan) if plan.config.mode == "ratio" else 0.0
    return error, _size(samples, classes, threads, plan)


def _joined(array: NDArray[Any], regions: list[tuple[slice, ...]], axes: str) -> NDArray[Any]:
    parts = [array[region] for region in regions]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axes.index("x"))


def _without_c(region: tuple[slice, ...], axes: str) -> tuple[slice, ...]:
    return tuple(s for s, a in zip(region, axes, strict=True) if a != "c")


def _mean_error(array: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int, plan: ChunkPlan) -> float:
    return total_error(array, plan, classes, threads) / array.size


def _ratio(array: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int, plan: ChunkPlan) -> float:
    return array.nbytes / _size(array, classes, threads, plan, allow_raw=True)


def _size(
    array: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int, plan: ChunkPlan, allow_raw: bool = False
) -> int:
    trial = replace(plan, config=replace(plan.config, verify=False))
    return encode_chunk(array, trial, classes, threads=threads, allow_raw=allow_raw).size


def match_quality(plan: ChunkPlan, probe: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int) -> ChunkPlan:
    """Steps that give each class the distortion of plain rounding at the quality rule's steps, from below.

    A dead zone and larger blocks need other steps for the same distortion; the rule fixes the distortion (design D11).
    """
    allowed = [_MARGIN * e for e in class_errors(probe, plan, classes, threads, plain=True)]
    factors, good = [_FIRST_FACTOR] * len(allowed), [_SURE_FACTOR] * len(allowed)
    last: list[tuple[float, float] | None] = [None] * len(allowed)  # (log factor, log error)
    for _ in range(_MATCH_ROUNDS):
        errors = class_errors(probe, plan.with_factors(factors), classes, threads)
        close = all(e == 0 or _CLOSE * limit <= e <= limit for e, limit in zip(errors, allowed, strict=True))
        for c, (error, limit) in enumerate(zip(errors, allowed, strict=True)):
            if error <= limit and factors[c] > good[c]:
                good[c] = factors[c]
            if error > 0 and limit > 0:
                here = math.log(factors[c]), math.log(error)
                slope = _secant(last[c], here)
                last[c] = here
                factors[c] = math.exp(here[0] + (math.log(_AIM * limit) - here[1]) / slope)
                factors[c] = min(max(factors[c], _SURE_FACTOR), _LARGEST_FACTOR)
        if close:
            break
    return plan.with_factors(good)


def _secant(before: tuple[float, float] | None, here: tuple[float, float]) -> float:
    if before is None or abs(here[0] - before[0]) < 1e-6:
        return _ERROR_SLOPE
    low, high = _ERROR_SLOPES
    return min(max((here[1] - before[1]) / (here[0] - before[0]), low), high)


def search_step(plan: ChunkPlan, peak: float, mean_error: Callable[[ChunkPlan], float]) -> ChunkPlan:
    """The largest step (within 0.1 dB) whose mean squared error reaches the PSNR, from the plan's own step on.

    Parameters
    ----------
    mean_error : callable
        Mean squared error that a plan gives.
    """
    target = plan.config.value
    peak = max(peak, 1)

    def reached(step: float) -> float:
        error = mean_error(plan.with_step(step))
        return math.inf if error == 0 else 10 * math.log10(peak * peak / error)

    step = min(max(plan.background_step, SMALLEST_STEP), LARGEST_STEP)
    good, bad = None, None  # (log step, dB): the largest step known to reach the target, the smallest known not to
    slope, last = _SLOPE, None
    for _ in range(_ROUNDS):
        found = min(reached(step), target + 60)
        if last is not None and abs(last[0] - math.log10(step)) > _SMALLEST_BRACKET:
            slope = min(max((last[1] - found) / (math.log10(step) - last[0]), _SMALLEST_SLOPE), _SLOPE)
        last = math.log10(step), found
        if found >= target:
            good = last
            if found <= target + _TOLERANCE_DB or step >= LARGEST_STEP:
                break
        else:
            bad = last
            if step <= SMALLEST_STEP:
                break
        if good is not None and bad is not None and bad[0] - good[0] < _SMALLEST_BRACKET:
            break
        step = 10 ** _next_log_step(good, bad, target + _TOLERANCE_DB / 2, slope)
        step = min(max(step, SMALLEST_STEP), LARGEST_STEP)
    if good is None:
        return plan.exact()
    return plan.with_step(10 ** good[0])


def check_reached(plan: ChunkPlan, peak: float, mean_error: float) -> None:
    """Raise InvalidArgument where the rounding to indices alone misses the PSNR."""
    found = math.inf if mean_error == 0 else 10 * math.log10(max(peak, 1) ** 2 / mean_error)
    if found < plan.config.value:
        target, step = plan.config.value, plan.config.step
        raise InvalidArgument(f"psnr={target:g}: with step={step:g} the largest is {found:.2f} dB; pass a smaller step")


def _next_log_step(
    good: tuple[float, float] | None, bad: tuple[float, float] | None, aim: float, slope: float
) -> float:
    """Interpolate inside the bracket, kept off its ends; without one, follow the slope seen last."""
    if good is not None and bad is not None:
        share = (good[1] - aim) / max(good[1] - bad[1], 1e-9)
        return good[0] + (bad[0] - good[0]) * min(max(share, 0.1), 0.9)
    at = good if good is not None else bad
    assert at is not None
    return at[0] + min(max((at[1] - aim) / slope, -0.5), 0.5)


def _peak(array: NDArray[Any]) -> float:
    return array.max().item() - array.min().item() if array.size else 1
