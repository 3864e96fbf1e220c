"""Making a plan for an array: cell depth and tiles by trying, the step by search where a PSNR or a ratio is asked for.

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
from .floats import fits_deep
from .planning import ChunkPlan, class_steps, initial_step, probe_region, tile_log2
from .sizing import LARGEST_STEP, SMALLEST_STEP, cheapest_bound, search_ratio, unreachable_ratio

__all__ = ["check_reached", "flattened", "make_plan", "plan_for_probe", "search_step"]

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
    peak = data_range if data_range is not None else _peak(array) if config.mode in ("psnr", "ratio") else 1.0
    steps = peak / (config.step or 1.0)
    config = flattened(config, array.min().item(), array.max().item()) if array.size else config
    region = probe_region(layout)
    probe_classes = None
    if classes is not None:
        probe_classes = classes[tuple(s for s, a in zip(region, layout.axes, strict=True) if a != "c")]
    class_count = 1 if classes is None or classes.size == 0 else int(classes.max()) + 1
    plan = plan_for_probe(config, array[region], layout.axes, probe_classes, class_count, colour, steps, threads)
    if config.mode == "ratio" and array.size:
        plan, reached = search_ratio(plan, partial(_ratio, array, classes, threads))
        if reached < config.value:
            raise unreachable_ratio(config.value, reached)
        return plan
    if config.mode == "psnr" and array.size:
        if array[region].size < array.size:
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
) -> ChunkPlan:
    """Plan from the middle of an array: both cell depths are coded, the smaller (of one size: the better) is kept.

    `peak` is the data range in whole samples or (of float32) steps, as in `search_step`.
    """
    layout = PlaneLayout.of(probe.shape, axes)
    steps, reversible = class_steps(config, class_count, colour, initial_step(config, peak))
    depths = (config.cell_depth,) if config.cell_depth is not None else (1,) if layout.volume[0] < 4 else (1, 8)
    best: tuple[tuple[float, float], ChunkPlan] | None = None
    for depth in depths:
        tiles = tile_log2(depth, layout.volume, 1.0)
        bound = config.error_bound or None
        plan = ChunkPlan(config, axes, colour, depth, tiles, config.stage_cuts(depth), steps, reversible, bound)
        if probe.size == 0:
            return plan
        if config.mode == "quality":
            plan = match_quality(plan, probe, classes, threads)
        elif config.mode == "psnr":
            plan = search_step(plan, peak, partial(_mean_error, probe, classes, threads))
        elif config.mode == "ratio":
            plan, _ = search_ratio(plan, partial(_ratio, probe, classes, threads))
        elif config.mode == "max_error":
            plan = cheapest_bound(plan, partial(_size, probe, classes, threads))
        size = _size(probe, classes, threads, plan)
        error = _mean_error(probe, classes, threads, plan) if config.mode == "ratio" else 0.0
        if best is None or (error, size) < best[0]:
            best = (error, size), replace(plan, tile_log2=tile_log2(depth, layout.volume, 8 * size / probe.size))
    assert best is not None
    return best[1]


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
