"""What a plan costs on samples, in bits, and the tiles for its rate.

Values: a plan and a Trial in; bits, a ratio, or a plan with other tiles out.
Encoder decisions only: nothing here is part of the format. Guarantees results that depend on the samples alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from mmip_gpu._core import SQUARED_STEPS_PER_BIT
from mmip_gpu.transform.plan import ChunkPlan, tile_log2
from mmip_gpu.transform.planning.match_size import LARGEST_STEP, RATIO_AIM, RATIO_SLOPE, SMALLEST_STEP
from mmip_gpu.transform.planning.trial import Trial

__all__ = [
    "STEP_EFFORT",
    "Ratios",
    "at_choice",
    "at_effort",
    "carried_ratio",
    "cost",
    "rate",
    "ratio",
    "saving",
    "tiled",
    "with_tiles",
]

# For steps that need not be exact; and at most for choices. At effort 1 those may be others: on one head CT at 44 dB
# 3D cells take 27 % more bits than 2D ones at effort 1, 7 % more at effort 2.
STEP_EFFORT, _CHOICE_EFFORT = 1, 2
_FEW = 2**15  # samples
_CHOICE_SHARE = 0.95  # of the first step of a ratio: its blocks serve steps as far above as below
_CARRIED_ROUNDS, _NEAR_SIZE = 3, 0.06  # of log size
_FAR, _STEP_POWER = 1.25, 0.6  # how errors are far from one another; of the share of errors, for that of steps


def cost(plan: ChunkPlan, samples: Trial) -> float:
    """Bits, with what the errors are worth in bits.

    Plans of the same steps trade error for bits at the same rate. The one that costs less would also take fewer bits
    at equal error, where errors are near. Where they are corrected or there are none, the bits alone count.
    """
    plan = at_choice(plan)
    errors = _errors(plan, samples)
    return 8.0 * samples.size(plan) + sum(error * _bits_of_error(plan, i) for i, error in enumerate(errors))


def saving(plan: ChunkPlan, other: ChunkPlan, samples: Trial) -> float:
    """Share of the bits of the other plan that this one saves at the error of that one, at their own effort.

    Bits fall with the logarithm of the error. Where errors are far from one another this tells too little: a plan that
    seems to save bits is then tried at another step. A volume of soft edges took 17 % more bits with predictions where
    it seemed to take 2 % less.
    """
    bits, aims = 8.0 * samples.size(other), _errors(other, samples)
    saved = bits - _bits_at(plan, samples, aims)
    share = sum(aims) / (sum(_errors(plan, samples)) or 1.0)
    if saved > 0 and share > 0 and not 1 / _FAR < share < _FAR:
        saved = bits - _bits_at(plan.with_factors([share**_STEP_POWER] * plan.part_count), samples, aims)
    return saved / bits


def _bits_at(plan: ChunkPlan, samples: Trial, aims: Sequence[float]) -> float:
    """Bits of a plan if its errors were these."""
    bits = 8.0 * samples.size(plan)
    for i, (error, aim) in enumerate(zip(_errors(plan, samples), aims, strict=True)):
        bits += _bits_of_error(plan, i) * (error * math.log(error / aim) if error and aim else error - aim)
    return bits


def _errors(plan: ChunkPlan, samples: Trial) -> list[float]:
    """Errors of each part; none where they are corrected, or every class is exact."""
    return [] if plan.correction is not None or plan.lossless else samples.errors(plan)


def _bits_of_error(plan: ChunkPlan, part: int) -> float:
    """What a unit of error is worth in bits, by the step of its part."""
    return 1 / (plan.class_step(part) ** 2 * SQUARED_STEPS_PER_BIT)


def ratio(samples: Trial, plan: ChunkPlan) -> float:
    """Bytes of the samples over the bytes of their encoding."""
    return samples.array.nbytes / samples.size(plan, allow_raw=True)


class Ratios:
    """Bytes of samples over the bytes of their encoding by a plan, of which the blocks are kept for plans alike."""

    def __init__(self, samples: Trial) -> None:
        self._samples = samples
        self._coded: dict[tuple[tuple[int, ...], ...], ChunkPlan] = {}
        self._points: list[tuple[float, float]] = []

    def __call__(self, plan: ChunkPlan) -> float:
        """The ratio of a plan."""
        kept = self._samples.keeping(plan)
        if kept.choice_steps == plan.steps:  # of its own, which are to serve other steps
            kept = replace(plan, choice_steps=plan.with_step(_CHOICE_SHARE * plan.background_step).steps)
        self._coded[plan.steps] = kept
        found = ratio(self._samples, kept)
        self._points = [*self._points[-1:], (math.log(plan.background_step), math.log(found))]
        return found

    @property
    def slope(self) -> float:
        """Of log ratio over log step, by the last two plans."""
        if len(self._points) < 2 or self._points[0][0] == self._points[1][0]:
            return RATIO_SLOPE
        (step, ratio), (last_step, last_ratio) = self._points
        return min(max((last_ratio - ratio) / (last_step - step), RATIO_SLOPE / 2), 2 * RATIO_SLOPE)

    def coded(self, plan: ChunkPlan) -> ChunkPlan:
        """The plan as its ratio was found."""
        return self._coded.get(plan.steps, plan)


def carried_ratio(plan: ChunkPlan, reached: float, few: Trial, many: Trial) -> tuple[ChunkPlan, float]:
    """(plan with about the step at which many samples reach the ratio, slope there), from that of few, which reach it.

    Effort 1 tells, by blocks that are chosen once.
    """
    rough, ratios, step = at_effort(plan, STEP_EFFORT), Ratios(many), plan.background_step
    aim = RATIO_AIM * plan.config.value * Ratios(few)(rough) / reached
    for _ in range(_CARRIED_ROUNDS):
        off = math.log(aim / ratios(rough.with_step(step)))
        step = min(max(step * math.exp(off / ratios.slope), SMALLEST_STEP), LARGEST_STEP)
        if abs(off) < _NEAR_SIZE:
            break
    return plan.with_step(step), ratios.slope


def rate(plan: ChunkPlan, samples: Trial) -> float:
    """Bits a sample; what heads take of few samples counts in it."""
    few = samples.array.size < _FEW
    size = (samples.size if few else samples.body_size)(at_choice(plan))
    return 8 * size / samples.array.size


def tiled(plan: ChunkPlan, samples: Trial) -> ChunkPlan:
    """The plan with the tiles for its rate on these samples."""
    return with_tiles(plan, samples, rate(plan, samples))


def with_tiles(plan: ChunkPlan, samples: Trial, bits: float) -> ChunkPlan:
    """The plan with the tiles for a rate."""
    volume = plan.layout(samples.array.shape).volume
    return replace(plan, tile_log2=tile_log2(plan.depth, volume, bits, plan.prediction))


def at_effort(plan: ChunkPlan, effort: int) -> ChunkPlan:
    """The plan with another effort."""
    return plan if plan.config.effort == effort else replace(plan, config=replace(plan.config, effort=effort))


def at_choice(plan: ChunkPlan) -> ChunkPlan:
    """The plan with the effort at which plans are compared."""
    return at_effort(plan, min(plan.config.effort, _CHOICE_EFFORT))
