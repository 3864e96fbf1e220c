"""Small images that every codec of the comparison is tried on: depths, signs, colours, odd sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.bench.adapters import Source

_SHAPE = (5, 33, 71)


def volume(bits: int, signed: bool = False, shape: tuple[int, ...] = _SHAPE) -> NDArray[np.integer]:
    """A phantom with noise that fills its depth."""
    smooth = mmip.phantom3d(_SHAPE).astype(float)
    noise = np.random.default_rng(bits).normal(0, 2.0 ** (bits - 8) + 0.5, _SHAPE)
    scaled = np.clip(smooth / smooth.max() * 0.9 * 2**bits + noise, 0, 2**bits - 1)
    scaled.flat[:2] = 0, 2**bits - 1
    whole = np.rint(scaled) - (2 ** (bits - 1) if signed else 0)
    width = 8 if bits == 8 else 16
    return whole.astype(f"{'' if signed else 'u'}int{width}")[tuple(slice(n) for n in shape)]


def rgb(bits: int) -> NDArray[np.integer]:
    """Three slices as channels."""
    return np.ascontiguousarray(np.moveaxis(volume(bits)[:3], 0, -1))


DEPTHS = {
    **{f"{bits} bits": Source(volume(bits)) for bits in (8, 10, 12, 16)},
    **{f"{bits} bits, signed": Source(volume(bits, signed=True)) for bits in (8, 12, 16)},
    **{f"RGB of {bits} bits": Source(rgb(bits), "yxc") for bits in (8, 12, 16)},
    "slices of RGB": Source(np.stack([rgb(8), rgb(8)[::-1]]), "zyxc"),
}
SIZES = {
    "a row": Source(volume(8)[2, 16:17]),
    "a column": Source(np.ascontiguousarray(volume(10)[2, :, 35:36])),
    "a sample": Source(volume(8)[0, :1, :1].copy()),
    "an odd height": Source(volume(8)[:2, :31, :40].copy()),
    "three slices": Source(volume(10)[:3, :, :48].copy()),
    "time": Source(volume(8), "tyx"),
    "one value": Source(np.full((2, 20, 31), 300, np.uint16)),
}
