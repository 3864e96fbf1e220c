"""What the predictive codecs lose: samples are rounded to steps of 2e + 1 before they are predicted.

Values: original samples, planes of integers and the largest error e in; a LossRecord out. Implements the loss fields of
FORMAT.md section 1 and the steps of section 2.1. Guarantees exact sums for integers: those of all decoded samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import statistics as sample_statistics
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.volume.floats import sample_range, squared_error, upper_float32

__all__ = ["quantized_loss"]

_PIECE = 2**18  # samples that are counted together: as integers of 64 bits they stay in a cache


def quantized_loss(
    config: CodecConfig, original: NDArray[Any], planes: NDArray[Any], near: int, threads: int
) -> LossRecord:
    """What is lost of samples whose integers are within `near` of those that are decoded; of float32 rounding too."""
    _, least, greatest = sample_statistics(planes, threads)
    if config.step is not None:
        decoded = _decoded(planes, least, near, sample_range(original.dtype)[1]) if near else planes
        total, largest = squared_error(original, decoded, config.step)
        low, high = original.min().item() + 0, original.max().item() + 0  # -0.0 becomes 0.0
        return LossRecord(config.mode, config.value, True, low, high, total, upper_float32(largest))
    squares, most = _integer_errors(planes, least, near) if near else (0, 0)
    return LossRecord(config.mode, config.value, True, least, greatest, squares, most)


def _decoded(values: NDArray[Any], low: int, near: int, most: int) -> NDArray[Any]:
    """What integers decode to, the least of them being `low`."""
    step = 2 * near + 1
    decoded: NDArray[Any] = np.minimum((values - low + near) // step * step + low, most)
    return decoded


def _integer_errors(planes: NDArray[Any], low: int, near: int) -> tuple[int, int]:
    """(sum of squared errors, largest error): by how often each value occurs, since these are few."""
    bits = 8 * planes.itemsize
    numbers = planes.reshape(-1).view(f"u{planes.itemsize}")
    counts = np.zeros(1 << bits, np.int64)
    for at in range(0, numbers.size, _PIECE):
        counts += np.bincount(numbers[at : at + _PIECE], minlength=1 << bits)
    present = np.flatnonzero(counts)
    values = present.astype(numbers.dtype).view(planes.dtype).astype(np.int64)
    errors = np.abs(values - _decoded(values, low, near, sample_range(planes.dtype)[1]))
    return sum((counts[present].astype(object) * errors * errors).tolist()), int(errors.max())
