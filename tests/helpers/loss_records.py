"""What a container says about its loss, against what is measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mmip_gpu as mmip


def measured(array: NDArray[Any], decoded: NDArray[Any]) -> tuple[int, int, float]:
    """(sum of squared errors, largest error, PSNR in dB on the data range of `array`), in binary64."""
    difference = array.astype(np.int64) - decoded.astype(np.int64)
    squares, largest = int((difference**2).sum()), int(np.abs(difference).max(initial=0))
    if squares == 0:
        return 0, largest, math.inf
    peak = float(array.max()) - float(array.min())
    return squares, largest, 10 * math.log10(peak**2 * array.size / squares) if peak else -math.inf


def assert_record_is_true(array: NDArray[Any], blob: bytes, decoded: NDArray[Any]) -> None:
    loss = mmip.inspect(blob)["loss"]
    squares, largest, psnr = measured(array, decoded)
    assert loss["verified"]
    assert (loss["minimum"], loss["maximum"]) == ((int(array.min()), int(array.max())) if array.size else (0, 0))
    assert loss["max_error"] == largest
    assert loss["lossless"] == (squares == 0)
    if math.isfinite(psnr):
        assert loss["psnr"] == pytest.approx(psnr, abs=1e-9)
    else:
        assert loss["psnr"] is None
