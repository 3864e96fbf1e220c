"""Making a plan for an array: cell depth, tiles and padding by trying, the step by search where a PSNR is asked for.

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

from . import _core
from .axes import PlaneLayout
from .codec import class_errors, encode_chunk, total_error
from .config import CodecConfig
from .padding import find_padding, given_padding
from .planning import ChunkPlan, class_steps, initial_step, probe_region, tile_log2

__all__ = ["make_plan", "padded_plan", "plan_for_probe", "search_step"]

_SMALLEST_STEP, _LARGEST_STEP = _core.MIN_STEP / _core.STEP_ONE, _core.MAX_STEP / _core.STEP_ONE
_TOLERANCE_DB = 0.1
_ROUNDS = 8
_SMALLEST_BRACKET = math.log10(1.004)
_SLOPE, _SMALLEST_SLOPE = 15.0, 1.0  # dB for a factor of ten in the step: typical, and on the plateau of noise
_FIRST_FACTOR, _SURE_FACTOR, _LARGEST_FACTOR = 0.9, 0.5, 1.5
_MATCH_ROUNDS = 5
_MARGIN = 0.98  # the seed's truncation to integers beats rounding by 0.05 dB where samples are clipped at 0


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
    peak = data_range if data_range is not None else _peak(array) if config.mode == "psnr" else 1
    region = probe_region(layout)
    probe_classes = None
    if classes is not None:
        probe_classes = classes[_without_c(region, layout.axes)]
    class_count = 1 if classes is None or classes.size == 0 else int(classes.max()) + 1
    probe, whole = array[region], array[region].size == array.size
    given = given_padding(config, array.dtype, colour)
    if given is not None and not (array == given).any():
        given = None
    plan = plan_for_probe(config, probe, layout.axes, probe_classes, class_count, colour, peak, threads, given)
    if config.padding == "auto" and not colour:
        candidate = find_padding(lambda part: array[part], layout)
        if candidate is not None:
            trial, trial_classes = probe, probe_classes
            if not whole:
                trial = array[candidate.region]
                trial_classes = None if classes is None else classes[_without_c(candidate.region, layout.axes)]
            padded = padded_plan(plan, candidate.value, trial, trial_classes, peak, threads)
            if padded is not None:
                plan = padded if whole else replace(plan, padding=padded.padding)
    if config.mode != "psnr" or whole:
        return plan
    return search_step(plan, peak, partial(_mean_error, array, classes, threads))


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
    """Plan from the middle of an array: both cell depths are coded and the smaller one is kept."""
    layout = PlaneLayout.of(probe.shape, axes)
    steps, reversible = class_steps(config, class_count, colour, initial_step(config, math.ceil(peak)))
    depths = (config.cell_depth,) if config.cell_depth is not None else (1,) if layout.volume[0] < 4 else (1, 8)
    best: tuple[int, ChunkPlan] | None = None
    for depth in depths:
        tiles = tile_log2(depth, layout.volume, 1.0)
        plan = ChunkPlan(config, axes, colour, depth, tiles, config.stage_cuts(depth), steps, reversible, padding)
        if probe.size == 0:
            return plan
        plan = _matched(plan, probe, classes, peak, threads)
        size = _coded_size(plan, probe, classes, threads)
        if best is None or size < best[0]:
            best = size, replace(plan, tile_log2=tile_log2(depth, layout.volume, 8 * size / probe.size))
    assert best is not None
    return best[1]


def padded_plan(
    plan: ChunkPlan,
    value: int,
    samples: NDArray[Any],
    classes: NDArray[np.uint8] | None,
    peak: float,
    threads: int,
) -> ChunkPlan | None:
    """Plan with the padding value, or None where the samples take no fewer bytes with it at the same target."""
    steps, flags = class_steps(plan.config, len(plan.steps), plan.colour, initial_step(plan.config, math.ceil(peak)))
    plain, padded = (
        _matched(replace(plan, steps=steps, reversible=flags, padding=p), samples, classes, peak, threads)
        for p in (None, value)
    )
    sizes = [_coded_size(p, samples, classes, threads) for p in (plain, padded)]
    if sizes[1] >= sizes[0]:
        return None
    layout = PlaneLayout.of(samples.shape, plan.axes)
    return replace(padded, tile_log2=tile_log2(plan.depth, layout.volume, 8 * sizes[1] / samples.size))


def _matched(
    plan: ChunkPlan, samples: NDArray[Any], classes: NDArray[np.uint8] | None, peak: float, threads: int
) -> ChunkPlan:
    """The plan with the steps that give these samples what was asked for."""
    if plan.config.mode == "quality":
        return match_quality(plan, samples, classes, threads)
    if plan.config.mode == "psnr":
        return search_step(plan, peak, partial(_mean_error, samples, classes, threads))
    return plan


def _coded_size(plan: ChunkPlan, samples: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int) -> int:
    trial = replace(plan, config=replace(plan.config, verify=False))
    return encode_chunk(samples, trial, classes, threads=threads, allow_raw=False).size


def _without_c(region: tuple[slice, ...], axes: str) -> tuple[slice, ...]:
    return tuple(s for s, a in zip(region, axes, strict=True) if a != "c")


def _mean_error(array: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int, plan: ChunkPlan) -> float:
    return total_error(array, plan, classes, threads) / array.size


def match_quality(plan: ChunkPlan, probe: NDArray[Any], classes: NDArray[np.uint8] | None, threads: int) -> ChunkPlan:
    """Steps that give each class the distortion of plain rounding at the quality rule's steps, from below.

    A dead zone and larger blocks need other steps for the same distortion; the rule fixes the distortion (design D11).
    """
    allowed = [_MARGIN * e for e in class_errors(probe, plan, classes, threads, plain=True)]
    factors, good = [_FIRST_FACTOR] * len(allowed), [_SURE_FACTOR] * len(allowed)
    for _ in range(_MATCH_ROUNDS):
        errors = class_errors(probe, plan.with_factors(factors), classes, threads)
        for c, (error, limit) in enumerate(zip(errors, allowed, strict=True)):
            if error <= limit and factors[c] > good[c]:
                good[c] = factors[c]
            if error > 0:
                factors[c] = min(max(factors[c] * (0.998 * limit / error) ** 0.6, _SURE_FACTOR), _LARGEST_FACTOR)
    return plan.with_factors(good)


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

    step = min(max(plan.background_step, _SMALLEST_STEP), _LARGEST_STEP)
    good, bad = None, None  # (log step, dB): the largest step known to reach the target, the smallest known not to
    slope, last = _SLOPE, None
    for _ in range(_ROUNDS):
        found = min(reached(step), target + 60)
        if last is not None and abs(last[0] - math.log10(step)) > _SMALLEST_BRACKET:
            slope = min(max((last[1] - found) / (math.log10(step) - last[0]), _SMALLEST_SLOPE), _SLOPE)
        last = math.log10(step), found
        if found >= target:
            good = last
            if found <= target + _TOLERANCE_DB or step >= _LARGEST_STEP:
                break
        else:
            bad = last
            if step <= _SMALLEST_STEP:
                break
        if good is not None and bad is not None and bad[0] - good[0] < _SMALLEST_BRACKET:
            break
        step = 10 ** _next_log_step(good, bad, target + _TOLERANCE_DB / 2, slope)
        step = min(max(step, _SMALLEST_STEP), _LARGEST_STEP)
    if good is None:
        flags = tuple(1 for _ in plan.reversible)
        return replace(plan, steps=tuple(tuple(256 for _ in row) for row in plan.steps), reversible=flags)
    return plan.with_step(10 ** good[0])


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


def _peak(array: NDArray[Any]) -> int:
    return int(array.max()) - int(array.min()) if array.size else 1
