"""More effort never takes more bytes than effort 2, and all of them decode exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

import mmip_gpu as mmip


def amplitudes(shape: tuple[int, ...], dtype: str, seed: int, *, most: float = 300) -> NDArray[Any]:
    """A smooth ramp and noise that is weak on one side and strong on the other."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, shape[-1])
    return (1000 * ramp + rng.normal(0, 1, shape) * (1 + most * ramp**2)).clip(0, 4000).astype(dtype)


def sparse() -> NDArray[Any]:
    rng = np.random.default_rng(5)
    return np.where(rng.random((12, 96, 128)) < 0.02, rng.integers(0, 200, (12, 96, 128)), 0).astype(np.uint8)


CASES: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "2d": (amplitudes((256, 320), "uint16", 1), {"lossless": True}),
    "3d": (amplitudes((20, 70, 90), "int16", 2, most=20), {"lossless": True}),
    "colour": ((amplitudes((96, 128, 3), "uint16", 3) // 16).astype(np.uint8), {"lossless": True, "axes": "yxc"}),
    "sparse": (sparse(), {"lossless": True}),
    "near": (amplitudes((128, 192), "uint16", 4), {"max_error": 3}),
}


@pytest.mark.parametrize("name", CASES)
def test_more_effort_takes_no_more_bytes(name: str) -> None:
    array, options = CASES[name]
    blobs = [mmip.encode(array, effort=effort, threads=1, **options) for effort in (1, 2, 3)]
    assert len(blobs[2]) <= len(blobs[1])
    assert blobs[2] == mmip.encode(array, effort=3, threads=3, **options)
    for blob in blobs:
        error = np.abs(mmip.decode(blob).astype(np.int64) - array.astype(np.int64)).max()
        assert error <= options.get("max_error", 0)


def test_the_reference_decodes_all_efforts() -> None:
    array = amplitudes((70, 100), "uint16", 6)
    for effort in (1, 2, 3):
        blob = mmip.encode(array, lossless=True, effort=effort)
        assert np.array_equal(reference.decode(blob), array)
