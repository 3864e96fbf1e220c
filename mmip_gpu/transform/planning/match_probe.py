"""Steps that the probe alone decides: those of a quality, and those of an error bound.

Values: a plan and a Trial of the probe in; the plan with other steps out.
Encoder decisions only: nothing here is part of the format. Guarantees results that depend on the probe alone.
"""

from __future__ import annotations

from dataclasses import replace

from mmip_gpu.transform.plan import ChunkPlan, class_steps, initial_step
from mmip_gpu.transform.planning.costs import STEP_EFFORT, at_choice, at_effort, tiled
from mmip_gpu.transform.planning.match_distortion import QualityFactors, match_quality, near_quality, quality_shares
from mmip_gpu.transform.planning.match_size import cheapest_bound, near_bound
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["match_bound_and_padding", "match_on_probe"]


def match_on_probe(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan with the steps that the probe alone decides; other targets keep the plan as it is."""
    if plan.config.mode == "quality":
        return _quality_plan(plan, probe)
    if plan.config.mode == "max_error" and probe.array.size:
        return _bound_plan(plan, probe)
    return plan


def match_bound_and_padding(plan: ChunkPlan, value: int, probe: Trial) -> ChunkPlan:
    """The plan with the step of its error bound, and with the padding value or without.

    The value was chosen at another step. What the corrections cost tells at the right step only.
    """
    plan = _bound_plan(plan, probe)
    other = replace(plan, padding=value if plan.padding is None else None)
    part = probe.quarter(plan.axes)
    if part.size(at_choice(other)) >= part.size(at_choice(plan)):
        return plan
    return _bound_plan(other, probe)


def _bound_plan(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan with the step that makes the error bound cheapest on the probe; at effort 1 on a quarter of it."""
    part = probe.quarter(plan.axes)
    near = near_bound(at_choice(plan), part.size)
    return cheapest_bound(
        replace(near, config=plan.config), (part if plan.config.effort == STEP_EFFORT else probe).size
    )


def _quality_plan(plan: ChunkPlan, probe: Trial) -> ChunkPlan:
    """The plan with the steps that give the probe the quality rule's distortion."""
    config = plan.config
    steps, reversible = class_steps(config, len(plan.steps), plan.colour, initial_step(config, 1), plan.units)
    rule = replace(plan, steps=steps, reversible=reversible)
    if probe.array.size == 0:
        return rule
    near, part = QualityFactors.first(rule.part_count), probe.quarter(plan.axes)
    if part is probe:
        return tiled(match_quality(rule, probe, near), probe)
    near, rough = near_quality(rule, part, near), at_effort(rule, STEP_EFFORT)
    few = quality_shares(rough, part, near.factors)
    rule = replace(rule, tile_log2=tiled(rough.with_factors(near.factors), part).tile_log2)
    if config.effort > STEP_EFFORT:
        many = quality_shares(rough, probe, near.factors)
        near = near.towards([m / f if f > 0 else 0.0 for f, m in zip(few, many, strict=True)], None, ())
    return match_quality(rule, probe, near)
