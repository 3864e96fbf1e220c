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
from mmip_gpu.container.loss_record import UNKNOWN_ERROR, LossRecord
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.floats import squared_error, upper_float32

__all__ = [
    "loss_record",
    "measured_error",
]


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
