"""Search of the steps that give each channel of an array its PSNR, or all of them the same one at a ratio.

Values: a plan with channels, and the samples on which it is tried, in; the plan with other steps out. Encoder decisions
only: nothing here is part of the format. Every try measures all channels at once, and each has its own bracket.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.transform.planning.costs import ratio
from mmip_gpu.transform.planning.match_distortion import SLOPE, check_reached, decibels
from mmip_gpu.transform.planning.match_size import LARGEST_STEP, SMALLEST_STEP, search_ratio, unreachable_ratio
from mmip_gpu.transform.planning.trial import Trial

__all__ = ["equalized", "match_channels", "search_channel_steps"]

_TOLERANCE_DB, _NEAR_DB = 0.1, 0.4
_ROUNDS, _NEAR_ROUNDS, _RATIO_ROUNDS = 10, 4, 3
_SLOPES = 5.0, 20.0  # dB for a factor of ten in the step, as far as they are believed
_LARGEST_MOVE, _SMALLEST_MOVE = 0.5, math.log10(1.004)
_SMALLER = 0.99, 0.98, 0.96, 0.93, 0.88, 0.8, 0.7, 0.5, 0.25, 1.0  # in turn, of the steps that still miss
_MOST_DB = 60.0  # above the target; of no error at all
_LARGEST_SHIFT_DB = 6.0  # of one channel against the others in one round of a ratio

Measure = Callable[[ChunkPlan], list[float]]
"""Mean squared error of each channel by a plan, in steps of float32 samples or whole samples."""


@dataclass
class _Channel:
    """The search of the step of one channel; logarithms of steps, and dB above what is asked for."""

    allowed: float
    at: float
    good: tuple[float, float] | None = None
    bad: tuple[float, float] | None = None
    last: tuple[float, float] | None = None
    slope: float = SLOPE

    def learn(self, error: float, tolerance: float) -> bool:
        """Take what the step gave; choose the next one. Whether the channel may stay as it is."""
        above = _MOST_DB if error == 0 else min(10 * math.log10(self.allowed / error), _MOST_DB)
        here = self.at, above
        if self.last is not None and abs(self.last[0] - here[0]) > _SMALLEST_MOVE:
            found = (self.last[1] - here[1]) / (here[0] - self.last[0])
            self.slope = min(max(found, _SLOPES[0]), _SLOPES[1])
        self.last = here
        if above >= 0:
            self.good = here
            if above <= tolerance or 10**self.at >= LARGEST_STEP:
                return True
        else:
            self.bad = here
        if self.good is not None and self.bad is not None and abs(self.bad[0] - self.good[0]) < _SMALLEST_MOVE:
            if above >= 0:
                return True
            self.at, self.bad = self.good[0] - _SMALLEST_MOVE / 2, None  # other channels have changed what it reaches
            return False
        self._move(tolerance / 2)
        return False

    def _move(self, aim: float) -> None:
        """Choose the next step: inside the bracket, or along the slope."""
        good, bad = self.good, self.bad
        if good is not None and bad is not None and bad[0] > good[0]:
            share = (good[1] - aim) / max(good[1] - bad[1], 1e-9)
            self.at = good[0] + (bad[0] - good[0]) * min(max(share, 0.1), 0.9)
            return
        assert self.last is not None
        move = min(max((self.last[1] - aim) / self.slope, -_LARGEST_MOVE), _LARGEST_MOVE)
        self.at = min(max(self.last[0] + move, math.log10(SMALLEST_STEP)), math.log10(LARGEST_STEP))


def search_channel_steps(
    plan: ChunkPlan, allowed: Sequence[float], measure: Measure, rounds: int = _ROUNDS, tolerance: float = _TOLERANCE_DB
) -> ChunkPlan | None:
    """The plan with steps by which each channel loses what is allowed, from below; None where no try gave that.

    Parameters
    ----------
    allowed : sequence of float
        Mean squared error that each channel may have; 0 of a constant one, whose step is not searched.
    tolerance : float
        A channel may stay so many dB above what it has to reach.
    """
    first = [plan.background_step * unit for unit in plan.units]
    channels = [
        _Channel(most, math.log10(min(max(step, SMALLEST_STEP), LARGEST_STEP))) if most and step else None
        for most, step in zip(allowed, first, strict=True)
    ]
    best = None
    for _ in range(rounds):
        tried = plan.with_channel_steps([10**c.at if c is not None else 0.0 for c in channels])
        pairs = [(c, error) for c, error in zip(channels, measure(tried), strict=True) if c is not None]
        if all(error <= c.allowed for c, error in pairs):
            best = tried
        may_stay = [c.learn(error, tolerance) for c, error in pairs]
        if all(may_stay):
            return tried
    return best if rounds < _ROUNDS else _settled(plan, channels, measure) or best


def _settled(plan: ChunkPlan, channels: Sequence[_Channel | None], measure: Measure) -> ChunkPlan | None:
    """The plan with steps that reached what is asked for; those that do not beside the others are made smaller."""
    steps = [0.0 if c is None else 10 ** (c.at if c.good is None else c.good[0]) for c in channels]
    for factor in _SMALLER:
        tried = plan.with_channel_steps(steps)
        missed = [c is not None and error > c.allowed for c, error in zip(channels, measure(tried), strict=True)]
        if not any(missed):
            return tried
        smaller = [step * factor if miss else step for step, miss in zip(steps, missed, strict=True)]
        steps = [max(step, SMALLEST_STEP) if step else 0.0 for step in smaller]
    return None


def match_channels(plan: ChunkPlan, probe: Trial, whole: Trial, peak: float) -> ChunkPlan:
    """The plan with the steps that all samples need, so that each channel reaches the PSNR, or all equally the ratio.

    Parameters
    ----------
    peak : float
        The largest range of a channel, in whole samples or (of float32) steps.
    """
    return _ratio_plan(plan, probe, whole) if plan.config.mode == "ratio" else _psnr_plan(plan, probe, whole, peak)


def _psnr_plan(plan: ChunkPlan, probe: Trial, whole: Trial, peak: float) -> ChunkPlan:
    allowed = [(peak * share) ** 2 / 10 ** (plan.config.value / 10) for share in plan.peaks]
    part = probe.quarter(plan.axes)
    for samples in [part] if probe is whole else [part, probe]:
        if samples is not whole:
            plan = _near_steps(plan, allowed, samples)
    found = search_channel_steps(plan, allowed, whole.channel_errors) or plan.exact()
    if found.lossless and plan.config.step is not None:
        for share, error in zip(plan.peaks, whole.channel_errors(found), strict=True):
            if share:
                check_reached(found, peak * share, error)
    return found


def _near_steps(plan: ChunkPlan, allowed: Sequence[float], samples: Trial) -> ChunkPlan:
    """The plan with about the steps that these samples need, whether they reach what is asked or not."""
    steps: list[float] = []

    def measure(tried: ChunkPlan) -> list[float]:
        steps[:] = [tried.background_step * unit for unit in tried.units]
        return samples.channel_errors(tried)

    found = search_channel_steps(plan, allowed, measure, _NEAR_ROUNDS, _NEAR_DB)
    return found or plan.with_channel_steps(steps)


def _ratio_plan(plan: ChunkPlan, probe: Trial, whole: Trial) -> ChunkPlan:
    reached = 0.0
    for samples in [whole] if probe is whole else [probe, whole]:
        plan, reached = search_ratio(plan, partial(ratio, samples))
        for _ in range(_RATIO_ROUNDS):
            if plan.lossless or (moved := equalized(plan, samples.channel_errors(plan))) is None:
                break
            plan, reached = search_ratio(moved, partial(ratio, samples))
    if reached < plan.config.value:
        raise unreachable_ratio(plan.config.value, reached)
    return plan


def equalized(plan: ChunkPlan, errors: Sequence[float]) -> ChunkPlan | None:
    """The plan with steps that bring the PSNR of all channels together; None where they are together."""
    found = [decibels(peak, error, math.inf) for peak, error in zip(plan.peaks, errors, strict=True) if peak]
    finite = [db for db in found if math.isfinite(db)]
    mean = math.fsum(finite) / len(finite) if finite else math.inf
    shifts = [min(max(db - mean, -_LARGEST_SHIFT_DB), _LARGEST_SHIFT_DB) if finite else 0.0 for db in found]
    if all(abs(shift) <= _TOLERANCE_DB for shift in shifts):
        return None
    of_channels = iter(shifts)
    steps = [
        plan.background_step * unit * 10 ** (next(of_channels) / SLOPE if peak else 0.0)
        for unit, peak in zip(plan.units, plan.peaks, strict=True)
    ]
    return plan.with_channel_steps(steps)
