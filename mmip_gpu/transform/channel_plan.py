"""The plan of one channel out of that of all, and the other way round: chunks of a store hold one channel each.

Values: ChunkPlans in and out. Encoder side of FORMAT.md section 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmip_gpu.channel_targets import of_channel
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.plan import ChunkPlan

__all__ = ["channel_plan", "plan_of_channels", "units_of"]


def channel_plan(plan: ChunkPlan, channel: int) -> ChunkPlan:
    """The plan by which one channel is coded alone; a plan without channels as it is."""
    if not plan.units:
        return plan
    bound = plan.errors[channel] if plan.errors and plan.correction is not None else plan.correction
    steps = tuple((row[channel],) for row in plan.steps)
    config = of_channel(plan.config, channel)
    alone = replace(plan, config=config, steps=steps, correction=bound, units=(), peaks=(), errors=())
    return replace(alone, choice_steps=None)


def plan_of_channels(plans: Sequence[ChunkPlan], config: CodecConfig, errors: tuple[int, ...] = ()) -> ChunkPlan:
    """The plan of all channels of a store, from one for each, which differ in their steps and error bounds alone.

    With several classes all channels get the smallest steps: a chunk of stage 1 is read without its record, and needs
    the ratio of the steps of its classes. Where one channel is bit-exact, all are.
    """
    if exact := next((plan for plan in plans if plan.lossless), None):
        return replace(exact, config=config, steps=tuple(row * len(plans) for row in exact.steps), units=_ones(plans))
    if len(plans[0].steps) > 1:
        plans = [min(plans, key=lambda plan: plan.background_step)] * len(plans)
    steps = tuple(tuple(plan.steps[k][0] for plan in plans) for k in range(len(plans[0].steps)))
    bound = None if plans[0].correction is None else max(errors, default=plans[0].correction)
    joined = replace(plans[0], config=config, steps=steps, correction=bound, units=units_of(steps[0]), errors=errors)
    return replace(joined, choice_steps=None)


def units_of(steps: Sequence[int]) -> tuple[float, ...]:
    """Steps of the channels over the largest."""
    return tuple(step / max(steps) for step in steps)


def _ones(plans: Sequence[ChunkPlan]) -> tuple[float, ...]:
    return (1.0,) * len(plans)
