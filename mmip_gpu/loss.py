"""The loss record of a chunk: what was asked for and what its decoder reaches.

Values: original planes and decoded integers (float32 samples: their indices) in, a LossRecord out; host memory.
Implements the loss fields of FORMAT.md section 1. Guarantees exact sums for integers; for float32 binary64 sums and a
largest error that is rounded up.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from . import _core
from .container import UNKNOWN_ERROR, LossRecord
from .floats import squared_error, upper_float32
from .planning import ChunkPlan

__all__ = ["loss_record", "reached_bound"]


def loss_record(
    original: NDArray[Any],
    decoded: NDArray[Any] | None,
    plan: ChunkPlan,
    estimate: float,
    statistics: tuple[int, int, int] | None,
) -> LossRecord:
    """Loss record of planes; `decoded` holds integers, or is None where nothing was decoded.

    `statistics` are the sum and range of the planes, None of float32 samples.
    """
    config, step = plan.config, plan.config.step
    low, high = (original.min().item(), original.max().item()) if statistics is None else statistics[1:]
    sse: float
    largest: float
    if step is not None:
        if decoded is None:
            sse, largest = (estimate + original.size / 12) * step**2, math.inf
        else:
            sse, error = squared_error(original, decoded, step)
            largest = upper_float32(error)
    elif decoded is not None:
        sse, largest = _core.difference(original, decoded)
    elif plan.lossless:
        sse, largest = 0, 0
    else:
        sse, largest = round(estimate), UNKNOWN_ERROR
    verified = decoded is not None or (plan.lossless and step is None)
    return LossRecord(config.mode, config.value, verified, low, high, sse, largest)


def reached_bound(mode: str, psnr: float | None, max_error: float | None, ratio: float) -> float | None:
    """What was reached of what a mode asks for, in its unit; None where that is not known, or infinite, or no number.

    Examples
    --------
    >>> reached_bound("psnr", 50.2, 7, 12.5), reached_bound("quality", 50.2, 7, 12.5)
    (50.2, None)
    """
    return {"psnr": psnr, "max_error": max_error, "ratio": ratio, "lossless": max_error}.get(mode)
