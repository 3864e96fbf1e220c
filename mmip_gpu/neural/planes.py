"""Planes as the networks see them: scaled by percentiles, channels first, padded to what the network can halve.

Values: an integer plane (y, x) or (y, x, channel) in, float32 (channel, y, x) out.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument

__all__ = ["fingerprint", "normalized", "padded"]

_PERCENTILES = (1.0, 99.8)  # as StarDist's examples have them


def fingerprint(plane: NDArray[Any]) -> str:
    """Return the SHA-256 of shape and values of a plane, whatever its dtype: by it a network knows what it has seen.

    Examples
    --------
    >>> fingerprint(np.zeros((2, 3), np.uint8)) == fingerprint(np.zeros((2, 3), np.uint16))
    True
    """
    values = np.ascontiguousarray(plane, "<i8")
    return hashlib.sha256(f"{plane.shape}".encode() + values.tobytes()).hexdigest()


def normalized(plane: NDArray[Any], channels: int) -> NDArray[np.float32]:
    """Return (channel, y, x) in which the 1st percentile is 0 and the 99.8th is 1; a grey plane has equal channels.

    Raises
    ------
    InvalidArgument
        For a plane of other axes, or of more channels than the network takes.

    Examples
    --------
    >>> normalized(np.arange(1000).reshape(10, 100), 1).shape
    (1, 10, 100)
    """
    if plane.ndim not in {2, 3} or plane.shape[2:] not in {(), (channels,)}:
        raise InvalidArgument(f"expected a plane (y, x) or (y, x, {channels}), found shape {plane.shape}")
    low, high = np.percentile(plane, _PERCENTILES)
    scaled = ((plane - low) / max(high - low, 1e-6)).astype(np.float32)
    if scaled.ndim == 2:
        return np.repeat(scaled[None], channels, axis=0)
    return np.ascontiguousarray(np.moveaxis(scaled, 2, 0))


def padded(planes: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """Return the planes with their last rows and columns mirrored up to multiples of the stride."""
    rows, columns = (-size % stride for size in planes.shape[1:])
    if not rows and not columns:
        return planes
    mode: Any = "symmetric"  # other than "reflect", it takes planes smaller than what is added
    return np.pad(planes, [(0, 0), (0, rows), (0, columns)], mode)
