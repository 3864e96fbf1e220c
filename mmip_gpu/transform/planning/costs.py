"""What a plan costs on samples, in bits, and the tiles for its rate.

Values: a plan and a Trial in; bits, a ratio, or a plan with other tiles out.
Encoder decisions only: nothing here is part of the format. Guarantees results that depend on the samples alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

from mmip_gpu._core import SQUARED_STEPS_PER_BIT
from mmip_gpu.transform.plan import ChunkPlan, tile_log2
from mmip_gpu.transform.planning.match_size import RATIO_SLOPE
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["STEP_EFFORT", "Ratios", "at_choice", "at_effort", "cost", "rate", "ratio", "tiled", "with_tiles"]

# For steps that need not be exact; and at most for choices. At effort 1 those may be others: on one head CT at 44 dB
# 3D cells take 27 % more bits than 2D ones at effort 1, 7 % more at effort 2.
STEP_EFFORT, _CHOICE_EFFORT = 1, 2
_FEW = 2**15  # samples


def cost(plan: ChunkPlan, samples: Trial) -> float:
    """Bits, with what the errors are worth in bits.

    Plans of the same steps trade error for bits at the same rate. The one that costs less would also take fewer bits
    at equal error. Where errors are corrected or there are none, the bits alone count.
    """
    plan = at_choice(plan)
    bits = 8.0 * samples.size(plan)
    if plan.correction is None and not plan.lossless:
        for index, error in enumerate(samples.errors(plan)):
            bits += error / (plan.class_step(index) ** 2 * SQUARED_STEPS_PER_BIT)
    return bits


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
