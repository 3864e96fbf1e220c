"""What every sample has subtracted before it is transformed.

Values: planes and their statistics in, an integer out. Encoder side of FORMAT.md section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.volume.floats import DEEP_LIMIT

__all__ = ["mean_offset", "sample_offset"]


def sample_offset(planes: NDArray[Any], statistics: tuple[int, int, int]) -> int:
    """The rounded mean, which every sample has subtracted; `statistics` are the sum and range of the planes.

    Of indices of float32 samples as near to it as keeps the differences of 3D blocks within +-2^17.
    """
    total, low, high = statistics
    mean = mean_offset(total, planes.size)
    if planes.dtype != np.int32 or high - low > 2 * DEEP_LIMIT:
        return mean
    return min(max(mean, high - DEEP_LIMIT), low + DEEP_LIMIT)


def mean_offset(total: int, samples: int) -> int:
    """The mean of integer samples of this sum, rounded half up.

    Examples
    --------
    >>> mean_offset(-5, 2)
    -2
    """
    return (2 * total + samples) // (2 * samples)
