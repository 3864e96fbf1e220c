"""What the predictive codecs lose: samples are rounded to steps of 2e + 1 before they are predicted.

Values: original samples, planes of integers and fields of a header in; a LossRecord out. Implements the loss fields of
FORMAT.md section 1 and the steps of section 2.1. Guarantees exact sums for integers: those of all decoded samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import statistics as sample_statistics
from mmip_gpu.config import CodecConfig
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.volume.floats import sample_range, squared_error, upper_float32

__all__ = ["quantized_loss"]

_PIECE = 2**18  # samples that are counted together: as integers of 64 bits they stay in a cache


def quantized_loss(
    config: CodecConfig, original: NDArray[Any], planes: NDArray[Any], fields: PredictiveFields, threads: int
) -> LossRecord:
    """What is lost of samples that are coded with the offset and the largest error of these fields."""
    near, offset = fields.near, fields.offset
    _, least, greatest = sample_statistics(planes, threads)
    if config.step is not None:
        decoded = _decoded(planes, offset, near, sample_range(original.dtype)[1]) if near else planes
        total, largest = squared_error(original, decoded, config.step)
        low, high = original.min().item() + 0, original.max().item() + 0  # -0.0 becomes 0.0
        return LossRecord(config.mode, config.value, True, low, high, total, upper_float32(largest))
    squares, most = _integer_errors(planes, offset, near) if near else (0, 0)
    return LossRecord(config.mode, config.value, True, least, greatest, squares, most)


def _decoded(values: NDArray[Any], offset: int, near: int, most: int) -> NDArray[Any]:
    """What integers from an offset on decode to."""
    step = 2 * near + 1
    decoded: NDArray[Any] = np.minimum((values - offset + near) // step * step + offset, most)
    return decoded


def _integer_errors(planes: NDArray[Any], offset: int, near: int) -> tuple[int, int]:
    """(sum of squared errors, largest error): by how often each value occurs, since these are few."""
    bits = 8 * planes.itemsize
    numbers = planes.reshape(-1).view(f"u{planes.itemsize}")
    counts = np.zeros(1 << bits, np.int64)
    for at in range(0, numbers.size, _PIECE):
        counts += np.bincount(numbers[at : at + _PIECE], minlength=1 << bits)
    present = np.flatnonzero(counts)
    values = present.astype(numbers.dtype).view(planes.dtype).astype(np.int64)
    errors = np.abs(values - _decoded(values, offset, near, sample_range(planes.dtype)[1]))
    return sum((counts[present].astype(object) * errors * errors).tolist()), int(errors.max())
