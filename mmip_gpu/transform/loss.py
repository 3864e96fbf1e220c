"""The loss record of a chunk: what was asked for and what its decoder reaches.

Values: original planes and decoded integers (float32 samples: their indices) in host memory, or what was measured of
them elsewhere, in; a LossRecord out.
Implements the loss fields of FORMAT.md section 1. Guarantees exact sums for integers; for float32 binary64 sums and a
largest error that is rounded up.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from mmip_gpu._core import difference
from mmip_gpu.container.channel_fields import ChannelFields
from mmip_gpu.container.loss_record import UNKNOWN_ERROR, LossRecord
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.floats import squared_error, upper_float32

__all__ = ["channel_fields", "loss_record", "measured_error", "planes_of_channel"]


def measured_error(
    original: NDArray[Any], decoded: NDArray[Any], step: float | None, threads: int = 1
) -> tuple[float, float]:
    """(sum of squared errors, largest error) of decoded integers, in the unit of the original."""
    if step is None:
        return difference(original, decoded, threads)
    total, largest = squared_error(original, decoded, step)
    return total, upper_float32(largest)


def loss_record(
    plan: ChunkPlan,
    samples: int,
    limits: tuple[float, float],
    estimate: float,
    reached: tuple[float, float] | None,
) -> LossRecord:
    """Loss record of samples in these limits; `reached` is their `measured_error`, None where nothing was decoded."""
    config, step = plan.config, plan.config.step
    if reached is not None:
        sse, largest = reached
    elif step is not None:
        sse, largest = (estimate + samples / 12) * step**2, math.inf
    elif plan.lossless:
        sse, largest = 0, 0
    else:
        sse, largest = round(estimate), UNKNOWN_ERROR
    verified = reached is not None or (plan.lossless and step is None)
    return LossRecord(config.mode, config.value, verified, *limits, sse, largest)


def channel_fields(
    plan: ChunkPlan, original: NDArray[Any], loss: LossRecord, decoded: NDArray[Any] | None
) -> ChannelFields:
    """What was reached in each channel of planes; without decoded ones the error of `loss` is shared out by steps."""
    channels, losses = len(plan.units), []
    energy, is_float = [step * step for step in plan.steps[0]], original.dtype.kind == "f"
    for channel, planes in enumerate(planes_of_channel(len(original), channels)):
        part = original[planes]
        limits = part.min().item() + 0, part.max().item() + 0  # adding 0 leaves one of -0.0 and 0.0
        reached: tuple[float, float] = loss.sse * energy[channel] / sum(energy), loss.max_error
        if decoded is not None:
            each = [measured_error(original[i], decoded[i], plan.config.step) for i in range(len(original))[planes]]
            squares = [sse for sse, _ in each]
            reached = math.fsum(squares) if is_float else sum(squares), max(largest for _, largest in each)
        sse = reached[0] if is_float else round(reached[0])
        losses.append((*limits, sse, reached[1]))
    return ChannelFields(tuple(losses), plan.config.channel_values, plan.errors, is_float)


def planes_of_channel(planes: int, channels: int) -> list[slice]:
    """The planes of each channel, which is the innermost axis of them.

    Examples
    --------
    >>> [list(range(6)[part]) for part in planes_of_channel(6, 2)]
    [[0, 2, 4], [1, 3, 5]]
    """
    return [slice(channel, planes, channels) for channel in range(channels)]
