"""Search of a step by the encoded size: the smallest that reaches a ratio, or the cheapest for an error bound.

Values: a plan, and a function that tells how many bytes the encoding by a plan has, in; a plan out.
Encoder decisions only: nothing here is part of the format. Guarantees results that depend on the sizes alone. It codes
nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mmip_gpu._core import MAX_STEP, MIN_STEP, STEP_ONE
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.plan import ChunkPlan

__all__ = [
    "LARGEST_STEP",
    "RATIO_AIM",
    "RATIO_SLOPE",
    "SMALLEST_STEP",
    "RatioStep",
    "cheapest_bound",
    "first_bound",
    "near_bound",
    "next_ratio_step",
    "search_ratio",
    "unreachable_ratio",
]

SMALLEST_STEP, LARGEST_STEP = MIN_STEP / STEP_ONE, MAX_STEP / STEP_ONE
RATIO_TOLERANCE = math.log10(1.03)  # above the request
RATIO_AIM = 1.012
_AIM = math.log10(RATIO_AIM)
_SMALLEST_BRACKET = math.log10(1.002)
RATIO_SLOPE, _SMALLEST_SLOPE, _LARGEST_SLOPE = 0.6, 0.1, 3.0  # of log ratio over log step: typical, plateau, cliff
_LARGEST_MOVE = 0.8  # decades
_ROUNDS = 14
_EXACT_BELOW = 2.0  # bit-exact coding costs no more than the double of this step does

# Steps over the unit of the corrections: total sizes have a bump near 2 and differ little between half octaves.
_BOUND_FACTORS = (0.5, 1.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_FIRST_BOUND = 3
_HALF_OCTAVES = 4  # to either side

RatioStep = tuple[float, float]
"""(log10 of a step, log10 of its ratio over the requested one)"""


def search_ratio(
    plan: ChunkPlan, ratio: Callable[[ChunkPlan], float], slope: float = RATIO_SLOPE
) -> tuple[ChunkPlan, float]:
    """(plan, ratio) of the smallest step that reaches the ratio asked for, from the plan's own step on.

    Bit-exact coding is taken where it reaches the ratio. Where nothing does, the largest step is the result.

    Parameters
    ----------
    ratio : callable
        Bytes of the samples over bytes of their encoding by a plan.
    slope : float
        Of log ratio over log step, as far as it is known.
    """
    target = plan.config.value

    def exact() -> tuple[ChunkPlan, float] | None:
        found = ratio(plan.exact())
        return (plan.exact(), found) if found >= target else None

    tried = plan.lossless or plan.background_step <= _EXACT_BELOW
    kept = exact() if tried else None
    if kept is not None:
        return kept
    fine, coarse = _bracket(plan, ratio, target, slope)
    best = coarse if coarse is not None else fine
    assert best is not None
    if not tried and 10 ** best[0] <= _EXACT_BELOW:
        kept = exact()
    return kept if kept is not None else (plan.with_step(10 ** best[0]), target * 10 ** best[1])


def _bracket(
    plan: ChunkPlan, ratio: Callable[[ChunkPlan], float], target: float, slope: float
) -> tuple[RatioStep | None, RatioStep | None]:
    """(largest step known to miss the ratio, smallest known to reach it), close together or at the limits."""
    fine, coarse, last = None, None, None
    step = min(max(plan.background_step, SMALLEST_STEP), LARGEST_STEP)
    for _ in range(_ROUNDS):
        here = math.log10(step), math.log10(ratio(plan.with_step(step)) / target)
        if last is not None and abs(last[0] - here[0]) > _SMALLEST_BRACKET:
            slope = min(max((here[1] - last[1]) / (here[0] - last[0]), _SMALLEST_SLOPE), _LARGEST_SLOPE)
        last = here
        if here[1] >= 0:
            coarse = here
            if here[1] <= RATIO_TOLERANCE or step <= SMALLEST_STEP:
                break
        else:
            fine = here
            if step >= LARGEST_STEP:
                break
        if fine is not None and coarse is not None and coarse[0] - fine[0] < _SMALLEST_BRACKET:
            break
        step = next_ratio_step(fine, coarse, slope)
    return fine, coarse


def next_ratio_step(fine: RatioStep | None, coarse: RatioStep | None, slope: float = RATIO_SLOPE) -> float:
    """Step to try next: inside the bracket, off its ends; without one, along the slope from the only point."""
    if fine is not None and coarse is not None:
        share = (_AIM - fine[1]) / max(coarse[1] - fine[1], 1e-9)
        log_step = fine[0] + (coarse[0] - fine[0]) * min(max(share, 0.1), 0.9)
    else:
        at = fine if fine is not None else coarse
        assert at is not None
        log_step = at[0] + min(max((_AIM - at[1]) / slope, -_LARGEST_MOVE), _LARGEST_MOVE)
    return float(min(max(10**log_step, SMALLEST_STEP), LARGEST_STEP))


def first_bound(plan: ChunkPlan) -> ChunkPlan:
    """The plan with the step that is most often about the cheapest one for its error bound."""
    return plan if plan.correction is None else plan.with_step(_bound_steps(plan)[_FIRST_BOUND])


def near_bound(plan: ChunkPlan, size: Callable[[ChunkPlan], int]) -> ChunkPlan:
    """The plan with about the step whose encoding and corrections together are smallest, or bit-exact.

    Parameters
    ----------
    size : callable
        Bytes of the encoding by a plan, corrections included.
    """
    if plan.correction is None:
        return plan
    tried = [plan.with_step(step) for step in _bound_steps(plan)]
    at, least = _lowest(len(tried), _FIRST_BOUND, lambda i: size(tried[i]))
    return plan.exact() if size(plan.exact()) <= least else tried[at]


def cheapest_bound(plan: ChunkPlan, size: Callable[[ChunkPlan], int]) -> ChunkPlan:
    """The plan with the best of the steps half octaves around its own."""
    if plan.correction is None:
        return plan
    here = plan.background_step
    tried = [plan.with_step(_limited(here * 2 ** (i / 2))) for i in range(-_HALF_OCTAVES, _HALF_OCTAVES + 1)]
    return tried[_lowest(len(tried), _HALF_OCTAVES, lambda i: size(tried[i]))[0]]


def _bound_steps(plan: ChunkPlan) -> list[float]:
    assert plan.correction is not None
    return [_limited(factor * (2 * plan.correction + 1)) for factor in _BOUND_FACTORS]


def _lowest(count: int, start: int, value: Callable[[int], int]) -> tuple[int, int]:
    """(place of 0 .. count - 1 whose value is less than those beside it, the value): down from the start, or up."""
    at, least = start, value(start)
    for way in (-1, 1):
        while 0 <= at + way < count and (found := value(at + way)) < least:
            at, least = at + way, found
        if at != start:
            break
    return at, least


def _limited(step: float) -> float:
    return min(max(step, SMALLEST_STEP), LARGEST_STEP)


def unreachable_ratio(target: float, reached: float) -> InvalidArgument:
    """Error for a ratio that the largest step misses."""
    return InvalidArgument(f"ratio={target:g}: the largest that these samples and options allow is {reached:.4g}")
