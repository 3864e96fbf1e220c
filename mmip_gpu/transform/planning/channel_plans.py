"""Plans whose channels have steps of their own: where the search of these steps begins.

Values: plans and the ranges of channels in; plans out. Encoder decisions only: nothing here is part of the format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmip_gpu.channel_targets import error_bounds
from mmip_gpu.container.channel_fields import check_channel_count
from mmip_gpu.transform.plan import ChunkPlan, initial_step

__all__ = ["RANGED_MODES", "with_channels"]

RANGED_MODES = ("psnr", "ratio")  # of which a channel of a smaller range gets a smaller step


def with_channels(plan: ChunkPlan, ranges: Sequence[float], peak: float) -> ChunkPlan:
    """The plan with a step for each channel, in proportion to what it may lose.

    Parameters
    ----------
    ranges : sequence of float
        Ranges of the channels, in any unit; 0 of a constant one. Equal ones where they do not count.
    peak : float
        The range that the first step follows, as in `initial_step`.

    Raises
    ------
    InvalidArgument
        For more channels than a header holds.
    """
    config = plan.config
    check_channel_count(len(ranges), len(plan.steps), is_listed=bool(config.channel_values))
    bounds = error_bounds(config)
    peaks = _shares(ranges) if config.mode in RANGED_MODES else ()
    weights = [2.0 * bound + 1 for bound in bounds] or config.channel_values or peaks or (1.0,) * len(ranges)
    plan = replace(plan, units=_shares(weights), peaks=peaks, errors=bounds)
    return plan.with_step(initial_step(config, peak))


def _shares(weights: Sequence[float]) -> tuple[float, ...]:
    """Positive numbers over the largest of them."""
    largest = max(weights) or 1.0
    return tuple(weight / largest for weight in weights)
