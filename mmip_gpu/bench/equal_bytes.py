"""A container of a wanted size, so that codings with and without a region of interest are compared at equal bytes.

Values: an array and a number of bytes in; a container out, the nearest that a step of the quantizer gives.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

import mmip_gpu as mmip

__all__ = ["coded_to_bytes"]

_TOLERANCE = 0.0025  # of the bytes: nearer is not looked for
_MOST_TRIES = 24


def coded_to_bytes(array: NDArray[Any], size: int, axes: str, **options: Any) -> bytes:
    """Return a container without a region of interest, by the step whose bytes are nearest to a size.

    Parameters
    ----------
    array : numpy.ndarray
        Samples, as `mmip_gpu.encode` takes them.
    size : int
        Wanted bytes.
    axes : str
        Axis letters.
    **options
        Further options of `mmip_gpu.encode`, without a target.

    Examples
    --------
    >>> image = mmip.phantom2d(64)
    >>> abs(len(coded_to_bytes(image, 2000, "yx")) - 2000) <= 20
    True
    """
    low, high = 1.0, 2.0 * max(float(array.max()) - float(array.min()), 1.0)
    best = b""
    for _ in range(_MOST_TRIES):
        step = math.sqrt(low * high)
        blob = mmip.encode(array, qstep=step, axes=axes, verify=False, **options)
        best = min(best or blob, blob, key=lambda found: abs(len(found) - size))
        if abs(len(best) - size) <= _TOLERANCE * size or high / low < 1.0001:
            break
        low, high = (step, high) if len(blob) > size else (low, step)
    return best
