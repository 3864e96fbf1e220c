"""Stores of one array, by what codes them: a small array for each kind, and the options that ask for it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from helpers.stores import VOLUME

__all__ = ["KINDS", "jpeg_image", "objects", "options_of"]


def jpeg_image(shape: tuple[int, ...], quality: int = 80) -> np.ndarray:
    """A noisy image, grey or RGB, as its JPEG file gives it."""
    rng, held = np.random.default_rng(1), io.BytesIO()
    image = rng.normal(size=shape).cumsum(0).cumsum(1) / 20 + rng.normal(128, 8, shape)
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


def objects(shape: tuple[int, ...], dtype: str = "uint64") -> np.ndarray:
    """Boxes of one label each, some of them above 32 bits."""
    few = np.random.default_rng(3).integers(0, 30, [-(-n // 7) for n in shape])
    for axis in range(len(shape)):
        few = few.repeat(7, axis)
    return few[tuple(slice(n) for n in shape)].astype(dtype) * np.dtype(dtype).type(np.iinfo(dtype).max // 30)


def _half_jpeg() -> np.ndarray:
    """Chunks of which some were a JPEG file, others not."""
    image = jpeg_image((64, 96))
    return np.concatenate([image, np.random.default_rng(2).integers(0, 255, (64, 96)).astype(np.uint8)])


KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "fast": (VOLUME, {"lossless": True}),
    "small": (VOLUME, {"lossless": "small"}),
    "bounded": (VOLUME // 7 * 7, {"max_error": 3}),  # whose steps of 7 are exact
    "jpeg": (_half_jpeg(), {"lossless": "small"}),
    "labels": (objects(VOLUME.shape), {"labels": True}),
}


def options_of(kind: str) -> dict[str, Any]:
    """Options of `write_zarr` for a kind."""
    array, asked = KINDS[kind]
    return asked | {"chunks": (16, 32, 32)[-array.ndim :], "threads": 2, "progress": False}
