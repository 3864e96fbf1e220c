"""Images with padding around a field of view, and what a container says about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from reference.mask import scaled_mask

import mmip_gpu as mmip

Array = NDArray[Any]
DISC = -2000


def disc(shape: tuple[int, ...], seed: int = 0) -> Array:
    """A noisy int16 field of view, as a CT has it, with -2000 around it."""
    rng = np.random.default_rng(seed)
    places = [(2 * place - n + 1) / n for place, n in zip(np.indices(shape[-2:]), shape[-2:], strict=True)]
    smooth = 300 * np.cos(5 * places[0]) * np.sin(4 * places[1])
    image = np.rint(smooth + rng.normal(0, 12, shape)).astype(np.int16)
    return np.where(places[0] ** 2 + places[1] ** 2 > 0.9, DISC, image).astype(np.int16)


def recorded(blob: bytes) -> int | None:
    """The padding value that a container names."""
    found = mmip.inspect(blob)["config"]["padding"]
    assert found is None or isinstance(found, int)
    return found


def assert_mask_holds(blob: bytes, array: Array, value: int, depth: int) -> None:
    """Masked samples are the value in every decode, and nothing else of the mask is wrong."""
    masked = array == value
    volume = masked.reshape((1,) * (3 - masked.ndim) + masked.shape)
    for scale in (1, 2, 4, 8):
        expected = scaled_mask(volume, scale, depth == 8)
        for stages in range(1, len(mmip.inspect(blob)["stages"]) + 1):
            found = mmip.decode(blob, stages=stages, scale=scale)
            assert (found[expected.reshape(found.shape)] == value).all(), f"stages {stages}, scale {scale}"
