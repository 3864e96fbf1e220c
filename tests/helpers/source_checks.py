"""Samples for tests of sources, and what holds for every source."""

from __future__ import annotations

import json

import numpy as np

from mmip_gpu.sources import Source


def ramp(shape: tuple[int, ...], dtype: str = "int16") -> np.ndarray:
    return (
        (np.arange(np.prod(shape, dtype=int)) % 251 - (100 if np.dtype(dtype).kind == "i" else 0))
        .reshape(shape)
        .astype(dtype)
    )


def check_common(opened: Source) -> None:
    """What holds for every source."""
    assert {"kind", "file", "spacing", "slope", "intercept"} <= opened.metadata.keys()
    assert json.loads(json.dumps(opened.metadata, allow_nan=False)) == opened.metadata
    assert opened.dtype.isnative
    assert len(opened.axes) == len(opened.shape) == opened.ndim
    assert opened.fingerprint.isascii()
    assert " " not in opened.fingerprint
