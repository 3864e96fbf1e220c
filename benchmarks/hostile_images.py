"""Images that are made to hurt a block codec: every pattern at any shape and dtype, by seed.

Values: a name, a shape (1D to 3D) and an integer dtype in; a C-ordered array out, in host memory.
Guarantees the same samples on every machine; all but the constant, the ramp and the fading noise reach both ends of the
dtype.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Shape = tuple[int, ...]
Maker = Callable[[Shape, int, int], np.ndarray]

PERIODS = (1, 2, 4, 8)  # of a checkerboard's squares, in samples


def _noise(shape: Shape, low: int, high: int) -> np.ndarray:
    array = np.random.default_rng(1).integers(low, high, shape, endpoint=True)
    array.flat[0], array.flat[-1] = low, high
    return array


def _checkerboard(period: int) -> Maker:
    def make(shape: Shape, low: int, high: int) -> np.ndarray:
        return np.where((np.indices(shape) // period).sum(axis=0) % 2 == 0, low, high)

    return make


def _spikes(shape: Shape, low: int, high: int) -> np.ndarray:
    """Single samples at the top, on a floor at the bottom."""
    array = np.full(shape, low)
    array.reshape(-1)[:: max(array.size // 7, 1)] = high
    return array


def _equal(shape: Shape, low: int, high: int) -> np.ndarray:
    return np.full(shape, (low + high) // 2 + 1)


def _two_values(shape: Shape, low: int, high: int) -> np.ndarray:
    return np.where(np.random.default_rng(2).random(shape) < 0.5, low, high)


def _ramp(shape: Shape, low: int, high: int) -> np.ndarray:
    """A ramp along every axis that jumps from the top back to the bottom."""
    slope = max((high - low) // 37, 1)
    return low + np.indices(shape).sum(axis=0) * slope % (high - low + 1)


def _alternating(shape: Shape, low: int, high: int) -> np.ndarray:
    """Rows of extremes: the highest frequency of one axis at the largest amplitude."""
    return np.broadcast_to(np.where(np.arange(shape[-1]) % 2 == 0, low, high), shape)


def _repeated(shape: Shape, low: int, high: int) -> np.ndarray:
    """One slice of noise again and again: what a prediction from the slice before finds at once."""
    return np.broadcast_to(_noise(shape[1:], low, high) if len(shape) > 1 else low, shape)


def _alternating_slices(shape: Shape, low: int, high: int) -> np.ndarray:
    """Noise and its negative by turns: the slice before is the worst prediction."""
    slices = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    repeated = _repeated(shape, low, high)
    return np.where(slices % 2 == 0, repeated, low + high - repeated)


def _fading(shape: Shape, low: int, high: int) -> np.ndarray:
    """Noise whose amplitude falls from the whole range to nothing: every rate in one image."""
    amplitude = (high - low) / 2.0 ** np.linspace(0, 17, shape[-1])
    return np.rint((low + high) / 2 + np.random.default_rng(3).uniform(-0.5, 0.5, shape) * amplitude)


PATTERNS: dict[str, Maker] = {
    "noise": _noise,
    **{f"checkerboard {period}": _checkerboard(period) for period in PERIODS},
    "spikes": _spikes,
    "all equal": _equal,
    "two values": _two_values,
    "wrapping ramp": _ramp,
    "alternating extremes": _alternating,
    "alternating slices": _alternating_slices,
    "one slice repeated": _repeated,
    "fading noise": _fading,
}


def hostile_image(name: str, shape: Shape, dtype: str) -> np.ndarray:
    """One of PATTERNS over the whole range of a dtype."""
    info = np.iinfo(dtype)
    values = PATTERNS[name](shape, int(info.min), int(info.max))
    return np.ascontiguousarray(values).clip(info.min, info.max).astype(dtype)
