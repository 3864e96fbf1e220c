"""Images whose blocks are predicted, their containers, and columns of a stage 2 with predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference
from numpy.typing import NDArray
from reference.random_streams import CASES, random_coefficients

import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.stage_arrays.options import StageOptions


def sloped_edges(shape: tuple[int, ...], seed: int) -> NDArray[np.uint16]:
    """Straight edges of all directions that move from slice to slice, on a slope, with some noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((1, *shape)[-3:], np.float64)
    image = 900 + 3 * y + x
    for _ in range(7):
        angle, place = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9)
        side = (
            np.cos(angle) * (x - place * x.shape[2]) + np.sin(angle) * (y - place * y.shape[1]) + rng.uniform(-3, 3) * z
        )
        image = image + rng.uniform(100, 900) * (side > 0)
    return (image + rng.normal(0, 4, image.shape)).astype(np.uint16).reshape(shape)


def predicted_blob(shape: tuple[int, ...] = (3, 100, 170), seed: int = 2, **options: Any) -> bytes:
    """A container with predicted blocks."""
    samples = sloped_edges(shape, seed)
    samples[..., :20, :30] = 900
    blob = mmip.encode(samples, prediction=True, effort=2, **(options or {"qstep": 30}))
    assert Header.parse(blob)[0].fields.prediction
    return blob


def predicted_columns(name: str = "predicted_slices", seed: int = 7) -> tuple[StageOptions, NDArray[np.int32]]:
    """How a stage 2 with predictions is coded, and its columns."""
    header = CASES[name]
    coefficients = random_coefficients(np.random.default_rng([seed, *name.encode()]), header)
    assert coefficients.predictions
    edges = reference.container.read_header(reference.encode(header, coefficients, {}))[0].edges
    return StageOptions(2, 1, header.tile_log2, edges), coefficients.store(1, edges)[1]
