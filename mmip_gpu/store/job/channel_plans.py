"""The plan of a store whose channels have steps of their own: each channel is searched as an array of its own.

Values: a configuration and what reads one channel of a job, in; the plan of all channels out. Encoder side; implements
no section of FORMAT.md. Cells, tiles and padding are chosen on one channel, and are those of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from mmip_gpu.channel_targets import error_bounds, of_channel
from mmip_gpu.config import CodecConfig
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.records import Totals
from mmip_gpu.transform.channel_plan import channel_plan, plan_of_channels
from mmip_gpu.transform.plan import ChunkPlan, initial_step
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.match_channels import equalized
from mmip_gpu.transform.planning.match_distortion import check_reached
from mmip_gpu.transform.planning.match_probe import match_on_probe
from mmip_gpu.transform.planning.match_size import search_ratio
from mmip_gpu.transform.planning.plan_reader import PlanReader

__all__ = ["next_channel_pass", "plan_channels"]

_ATTEMPTS, _MARGIN_DB, _SLOPE = 4, 0.03, 10.0  # dB for a factor of ten in the step, at least
_SMALLEST_STEP = 0.25
_RATIO_ROUNDS = 3

Reader = Callable[[int], PlanReader]
"""What reads one channel of the source, by its number."""


def plan_channels(
    config: CodecConfig, reader: Reader, ranges: Sequence[float], data_range: float | None
) -> tuple[ChunkPlan, ChunkPlan]:
    """(the plan of one channel, on which choices were made; the plan of all channels).

    Parameters
    ----------
    ranges : sequence of float
        Range of each channel, in whole samples or (of float32) steps; equal ones where the target does not follow them.
    """
    weights, bounds = config.channel_values or ranges, error_bounds(config)
    lead = max(range(len(ranges)), key=lambda channel: weights[channel])
    first = make_plan(of_channel(config, lead), reader(lead), data_range)
    if len(first.steps) > 1 and config.mode == "qstep" and config.channel_values:
        raise InvalidArgument("qstep=[..]: in a store with regions all channels have one step: pass one number")
    if config.mode == "ratio" and not first.lossless:
        return first, _ratio_plan(config, first, reader, ranges)
    plans = [first if c == lead else _matched(config, first, reader, c, lead, ranges[c]) for c in range(len(ranges))]
    return first, plan_of_channels(plans, config, bounds)


def _matched(config: CodecConfig, first: ChunkPlan, reader: Reader, channel: int, lead: int, peak: float) -> ChunkPlan:
    """The plan of a channel with the choices of the first one, and steps of its own."""
    own = of_channel(config, channel)
    plan = replace(first, config=own)
    if config.exact or first.lossless:
        return plan
    if config.mode == "max_error":
        bounds = error_bounds(config) or (first.correction or 0,) * (max(channel, lead) + 1)
        scaled = first.with_step(first.background_step * (2 * bounds[channel] + 1) / (2 * bounds[lead] + 1))
        return replace(scaled, config=own)
    if config.mode == "psnr" and not peak:
        return plan  # exact at any step: the offset of its chunks is its value
    plan = plan.with_step(initial_step(own, peak))
    read = reader(channel)
    read.cut(plan)
    found = read.match(match_on_probe(plan, read.probe()), read.probe(), peak)
    return replace(found, tile_log2=first.tile_log2)


def _ratio_plan(config: CodecConfig, first: ChunkPlan, reader: Reader, ranges: Sequence[float]) -> ChunkPlan:
    """The plan with the steps by which the probes of all channels together reach the ratio, each at the same PSNR."""
    plan = plan_of_channels([first] * len(ranges), config)
    peaks = tuple(peak / (max(ranges) or 1.0) for peak in ranges)
    if len(first.steps) == 1:
        plan = replace(plan, peaks=peaks).with_channel_steps([first.background_step * peak for peak in peaks])
    probes = [reader(channel).probe() for channel in range(len(ranges))]
    raw_bytes = sum(probe.array.nbytes for probe in probes)

    def ratio(tried: ChunkPlan) -> float:
        return raw_bytes / sum(probe.payload_size(channel_plan(tried, c)) for c, probe in enumerate(probes))

    plan, _ = search_ratio(plan, ratio)
    for _ in range(_RATIO_ROUNDS if plan.peaks else 0):
        errors = [probe.mean_error(channel_plan(plan, c)) for c, probe in enumerate(probes)]
        if plan.lossless or (moved := equalized(plan, errors)) is None:
            break
        plan, _ = search_ratio(moved, ratio)
    return plan


def next_channel_pass(description: StoreDescription, totals: Totals, unit: float) -> StoreDescription | None:
    """Return what to write again with where channels missed their PSNR; None where none did.

    `unit` is the step of float32 samples, 1 of others.
    """
    plan, config = description.plan, description.plan.config
    reached = totals.channel_psnrs()
    missing = [max(config.value - psnr, 0.0) for psnr in reached]
    if not any(missing):
        return None
    if plan.lossless:
        for channel, loss in sorted(totals.channels.items()):
            samples = description.grid.layout.samples // len(reached)
            if missing[channel]:
                check_reached(plan, totals.channel_peak(channel) / unit, loss.sse / unit**2 / samples)
        return None
    attempt = description.attempt + 1
    if not config.verify:
        return None
    steps = [plan.background_step * u for u in plan.units]
    finer = []
    for channel, (step, short) in enumerate(zip(steps, missing, strict=True)):
        sure = initial_step(config, totals.channel_peak(channel) / unit)  # plain rounding at this step is fine enough
        less = step * 10 ** (-(short + _MARGIN_DB * attempt) / _SLOPE)
        finer.append(step if not short else min(less, sure) if attempt == _ATTEMPTS - 1 else less)
    if len(plan.steps) > 1:
        finer = [min(step for step in finer if step)] * len(finer)
    exact = attempt >= _ATTEMPTS or any(math.isfinite(s) and 0 < s < _SMALLEST_STEP for s in finer)
    return replace(description, plan=plan.exact() if exact else plan.with_channel_steps(finer), attempt=attempt)
