"""Search of the steps that give a distortion: that of a PSNR, or that of the quality rule's plain rounding.

Values: a plan, and the samples on which it is tried or a function that measures a plan, in; steps out.
Encoder decisions only: nothing here is part of the format. Guarantees results that depend on the measured errors alone.
Where it may be, the last plan that is measured is the one that is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmip_gpu._core import STEP_ONE
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.costs import STEP_EFFORT, at_effort
from mmip_gpu.transform.planning.match_size import LARGEST_STEP, SMALLEST_STEP
from mmip_gpu.transform.planning.trial import Trial

__all__ = [
    "NEAR_DB",
    "SLOPE",
    "NearStep",
    "QualityFactors",
    "carried_step",
    "check_reached",
    "decibels",
    "decoding_shift",
    "match_quality",
    "near_quality",
    "near_step",
    "quality_shares",
    "search_step",
    "settle_step",
]

_TOLERANCE_DB = 0.1
_ROUNDS = 10
_SAME_SIDE = 2
_SMALLEST_BRACKET = math.log10(1.004)
# dB for a factor of ten in the step: typical, on the plateau of noise, and of plain rounding at high rates.
SLOPE, _SMALLEST_SLOPE, _LARGEST_SLOPE = 15.0, 1.0, 20.0
_NEAR_ROUNDS, NEAR_DB = 5, 0.4
_SETTLE_ROUNDS, _MOVES, _AIM_DB, _NEAR_AIM_DB = 3, 3, 0.03, 0.012
_CARRIED_AIM_DB, _CARRIED_DB = 0.04, 0.1  # many have 0.01 dB more than few tell; how near the slope is enough
_SLOPE_DB = 0.1  # less tells no slope
_CHOICE_SHARE = 0.92  # of the step: blocks that are chosen by a smaller one are no worse, on one CT by 1 % better
_FIRST_FACTOR, _SURE_FACTOR, _LARGEST_FACTOR = 0.9, 0.5, 1.5
_NEAR_FACTOR = 1e-6  # difference of logarithms, below which two factors tell no slope
_MATCH_ROUNDS = 5
_CLOSE, _AIM = 0.98, 0.992  # of the distortion that is allowed; 1 % is 0.04 dB
_ERROR_SLOPE, _ERROR_SLOPES = 1.7, (1.0, 4.0)  # of log error over log step: typical, and what is believed
_MARGIN = 0.97  # the seed's truncation to integers beats rounding by 0.05 dB where samples are clipped at 0


@dataclass(frozen=True)
class QualityFactors:
    """Factors on the quality rule's steps, one a class, and how the distortion follows them.

    `slopes` are those of log error over log factor, as far as they are known.
    """

    factors: tuple[float, ...]
    slopes: tuple[float, ...]

    @classmethod
    def first(cls, classes: int) -> QualityFactors:
        """What to begin with."""
        return cls((_FIRST_FACTOR,) * classes, (_ERROR_SLOPE,) * classes)

    def towards(self, shares: Sequence[float], last: QualityFactors | None, seen: Sequence[float]) -> QualityFactors:
        """Factors that lead to the distortion that is allowed, from its shares that these and the last ones reach."""
        factors, slopes = list(self.factors), list(self.slopes)
        for c, share in enumerate(shares):
            if share <= 0:
                continue
            here = math.log(self.factors[c]), math.log(share)
            if last is not None and seen[c] > 0 and abs(here[0] - math.log(last.factors[c])) > _NEAR_FACTOR:
                found = (here[1] - math.log(seen[c])) / (here[0] - math.log(last.factors[c]))
                slopes[c] = min(max(found, _ERROR_SLOPES[0]), _ERROR_SLOPES[1])
            factor = math.exp(here[0] + (math.log(_AIM) - here[1]) / slopes[c])
            factors[c] = min(max(factor, _SURE_FACTOR), _LARGEST_FACTOR)
        return QualityFactors(tuple(factors), tuple(slopes))


def quality_shares(rule: ChunkPlan, trial: Trial, factors: Sequence[float]) -> list[float]:
    """Share of the distortion allowed in each class that the rule's steps times these factors make; 0 of nothing.

    Allowed is what plain rounding at the rule's steps makes: it is what the rule fixes (design D11).
    """
    allowed = trial.plain_errors(rule)
    errors = trial.errors(trial.keeping(rule.with_factors(factors)))
    return [e / (_MARGIN * a) if a > 0 else 0.0 for e, a in zip(errors, allowed, strict=True)]


def near_quality(rule: ChunkPlan, trial: Trial, start: QualityFactors) -> QualityFactors:
    """About the factors that `match_quality` finds: what it starts from on more samples."""
    seen = quality_shares(rule, trial, start.factors)
    near = start.towards(seen, None, ())
    return near.towards(quality_shares(rule, trial, near.factors), start, seen)


def match_quality(rule: ChunkPlan, trial: Trial, start: QualityFactors) -> ChunkPlan:
    """The rule's plan with the steps that give each class the distortion that is allowed, from below.

    A dead zone and larger blocks need other steps for the same distortion as plain rounding.
    """
    now, good = start, [_SURE_FACTOR] * len(start.factors)
    last: tuple[QualityFactors | None, list[float]] = None, []
    for _ in range(_MATCH_ROUNDS):
        shares = quality_shares(rule, trial, now.factors)
        good = [max(g, f) if s <= 1 else g for g, f, s in zip(good, now.factors, shares, strict=True)]
        if all(s == 0 or _CLOSE <= s <= 1 for s in shares):
            break
        last, now = (now, shares), now.towards(shares, *last)
    return rule.with_factors(good)


class NearStep(NamedTuple):
    """About the step that reaches a PSNR: the plan with it, the slope there, and the last plan tried with its PSNR."""

    plan: ChunkPlan
    slope: float
    tried: ChunkPlan
    reached: float


def near_step(
    plan: ChunkPlan,
    peak: float,
    mean_error: Callable[[ChunkPlan], float],
    slope: float = SLOPE,
    near: float = NEAR_DB,
) -> NearStep:
    """About the step that reaches the PSNR: what a search on more samples starts from."""
    aim = plan.config.value + _TOLERANCE_DB / 2
    step, last, tried = _limited(plan.background_step), None, plan
    for _ in range(_NEAR_ROUNDS):
        tried = plan.with_step(step)
        here = math.log10(step), decibels(peak, mean_error(tried), aim + 60)
        slope, last = _slope(last, here, slope), here
        step = _moved(here, aim, slope)
        if abs(here[1] - aim) < near:
            break
    return NearStep(plan.with_step(step), slope, tried, here[1])


def carried_step(near: NearStep, peak: float, few: Trial, many: Trial) -> tuple[ChunkPlan, float]:
    """(plan with the step at which many samples should have the PSNR, slope there), from what few have.

    Effort 1 tells how many differ from few, by coefficients of blocks that are chosen once; what decoding adds to their
    error is measured once. What the effort of the plan adds to that is taken to be what it adds for few.
    """
    rough, last, slope, step = at_effort(near.plan, STEP_EFFORT), None, near.slope, near.plan.background_step
    target = near.plan.config.value + _CARRIED_AIM_DB
    most = target + 60
    aim = target - near.reached + decibels(peak, few.kept_error(at_effort(near.tried, STEP_EFFORT)), most)
    shift = decoding_shift(many.keeping(rough), peak, many)
    for _ in range(_MOVES):
        shown = decibels(peak, many.estimate(many.keeping(rough.with_step(step))), most)
        here = math.log10(step), shown + shift
        slope, last = _slope(last, here, slope), here
        step = _moved(here, aim, slope)
        if abs(here[1] - aim) < _CARRIED_DB:
            break
    return near.plan.with_step(step), slope


def search_step(
    plan: ChunkPlan, peak: float, mean_error: Callable[[ChunkPlan], float], slope: float = SLOPE
) -> tuple[ChunkPlan, float]:
    """(plan with the largest step, within 0.1 dB, that reaches the PSNR, slope there), from the plan's own step on.

    Parameters
    ----------
    peak : float
        Data range in whole samples or (of float32) steps.
    mean_error : callable
        Mean squared error that a plan gives.
    slope : float
        dB for a factor of ten in the step, as far as it is known.
    """
    target = plan.config.value
    good, bad, last = None, None, None  # (log step, dB): the largest step known to reach the target, the smallest not
    sides = 0  # how often in a row the same end of the bracket has moved
    step = _limited(plan.background_step)
    for _ in range(_ROUNDS):
        here = math.log10(step), decibels(peak, mean_error(plan.with_step(step)), target + 60)
        slope = _slope(last, here, slope)
        sides = 1 if last is None or (here[1] >= target) != (last[1] >= target) else sides + 1
        last = here
        if here[1] >= target:
            good = here
            if here[1] <= target + _TOLERANCE_DB or step >= LARGEST_STEP:
                break
        else:
            bad = here
            if step <= SMALLEST_STEP:
                break
        if good is not None and bad is not None and bad[0] - good[0] < _SMALLEST_BRACKET:
            break
        step = _limited(10 ** _next_log_step(good, bad, target + _TOLERANCE_DB / 2, slope, sides))
    return plan.exact() if good is None else plan.with_step(10 ** good[0]), slope


def settle_step(plan: ChunkPlan, peak: float, samples: Trial, slope: float, shift: float = 0.0) -> ChunkPlan:
    """The plan with the step that the samples need for the PSNR, and the blocks that it was found with.

    Blocks are chosen once, unless the step turns out to be more than a decibel off. What the coefficients show of the
    error leads to the step; what decoding adds to it (`shift`, in dB) is measured, then allowed for.
    """
    target = plan.config.value
    plan = samples.keeping(plan.with_step(_fixed(_CHOICE_SHARE * plan.background_step)))
    for _ in range(_SETTLE_ROUNDS):
        for _ in range(_MOVES):
            shown = decibels(peak, samples.estimate(plan), target + 60)
            above = shown + shift - target - _AIM_DB
            if abs(above) < _NEAR_AIM_DB:
                break
            step = _fixed(plan.background_step * 10 ** min(max(above / slope, -0.5), 0.5))
            moved = samples.keeping(plan.with_step(step))
            if moved.steps == plan.steps:
                break
            found = decibels(peak, samples.estimate(moved), target + 60)
            points = (math.log10(plan.background_step), shown), (math.log10(moved.background_step), found)
            slope, plan = slope if abs(above) < _SLOPE_DB else _slope(*points, slope), moved
        reached = decibels(peak, samples.mean_error(plan), target + 60)
        if target <= reached <= target + _TOLERANCE_DB:
            return plan
        shift = decoding_shift(plan, peak, samples)
    tried: dict[float, ChunkPlan] = {}

    def mean_error(other: ChunkPlan) -> float:
        kept = tried[other.background_step] = samples.keeping(other.with_step(other.background_step))
        return samples.mean_error(kept)

    searched, _ = search_step(plan, peak, mean_error, slope)
    return searched if searched.lossless else tried.get(searched.background_step, searched)


def decoding_shift(plan: ChunkPlan, peak: float, samples: Trial) -> float:
    """What decoding adds to the PSNR that the coefficients show, in dB: samples under a mask, rounding, clipping."""
    most = plan.config.value + 60
    return decibels(peak, samples.mean_error(plan), most) - decibels(peak, samples.estimate(plan), most)


def check_reached(plan: ChunkPlan, peak: float, mean_error: float) -> None:
    """Raise InvalidArgument where the rounding to indices alone misses the PSNR; it names a step that does not."""
    target, step = plan.config.value, plan.config.step or 1.0
    found = decibels(peak, mean_error, math.inf)
    if found < target:
        sure = step * min(2 * peak / 10 ** (target / 20), 1)  # its largest rounding error is within the PSNR
        raise InvalidArgument(
            f"psnr={target:g}: with step={step:g} the largest is {found:.2f} dB; pass a smaller step, such as "
            f"step={0.95 * sure:.2g}"
        )


def decibels(peak: float, mean_error: float, most: float) -> float:
    """PSNR of a mean squared error on a range above 0, at most `most`."""
    return most if mean_error == 0 else min(10 * math.log10(peak**2 / mean_error), most)


def _moved(here: tuple[float, float], aim: float, slope: float) -> float:
    """The step that leads from a point (log step, dB) to the aim."""
    return _limited(10 ** (here[0] + min(max((here[1] - aim) / slope, -0.5), 0.5)))


def _limited(step: float) -> float:
    return min(max(step, SMALLEST_STEP), LARGEST_STEP)


def _fixed(step: float) -> float:
    """A step as it is stored, so that those of other classes follow from it."""
    return _limited(round(step * STEP_ONE) / STEP_ONE)


def _slope(last: tuple[float, float] | None, here: tuple[float, float], before: float) -> float:
    """Slope between the last two points; the one before where they are too close to tell."""
    if last is None or abs(last[0] - here[0]) <= _SMALLEST_BRACKET:
        return before
    return min(max((last[1] - here[1]) / (here[0] - last[0]), _SMALLEST_SLOPE), _LARGEST_SLOPE)


def _next_log_step(
    good: tuple[float, float] | None, bad: tuple[float, float] | None, aim: float, slope: float, sides: int
) -> float:
    """Interpolate inside the bracket, off its ends, or halve it where only one end moves; without one, by the slope."""
    if good is not None and bad is not None:
        share = (good[1] - aim) / max(good[1] - bad[1], 1e-9)
        return good[0] + (bad[0] - good[0]) * (0.5 if sides > _SAME_SIDE else min(max(share, 0.1), 0.9))
    at = good if good is not None else bad
    assert at is not None
    return at[0] + min(max((at[1] - aim) / slope, -0.5), 0.5)
