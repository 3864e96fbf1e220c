"""Images whose blocks are worth predicting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def edges(shape: tuple[int, ...], seed: int, slope: float = 0.4) -> NDArray[np.uint16]:
    """Smooth regions with straight edges that move a little from slice to slice, and some noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((1, *shape)[-3:], np.float64)
    image = 900 + 3 * y + x
    for _ in range(6):
        angle, place = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8)
        side = np.cos(angle) * (x - place * shape[-1]) + np.sin(angle) * (y - place * shape[-2]) + slope * z
        image = image + rng.uniform(100, 900) * (side > 0)
    return (image + rng.normal(0, 4, image.shape)).astype(np.uint16).reshape(shape)
