"""Containers with predicted blocks, and columns of a stage 2 with predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference
from numpy.typing import NDArray
from reference.random_streams import CASES, random_coefficients

import mmip_gpu as mmip
from helpers.edges import edges
from mmip_gpu.container.header import Header
from mmip_gpu.stage_arrays.options import StageOptions


def predicted_blob(shape: tuple[int, ...] = (3, 100, 170), seed: int = 2, **options: Any) -> bytes:
    """A container with predicted blocks."""
    samples = edges(shape, seed)
    samples[..., :20, :30] = 900
    blob = mmip.encode(samples, prediction=True, effort=2, **(options or {"qstep": 30}))
    assert Header.parse(blob)[0].fields.prediction
    return blob


def predicted_columns(name: str = "predicted_slices", seed: int = 7) -> tuple[StageOptions, NDArray[np.int32]]:
    """How a stage 2 with predictions is coded, and its columns."""
    header = CASES[name]
    coefficients = random_coefficients(np.random.default_rng([seed, *name.encode()]), header)
    assert coefficients.predictions
    cuts = reference.container.read_header(reference.encode(header, coefficients, {}))[0].edges
    return StageOptions(2, 1, header.tile_log2, cuts), coefficients.store(1, cuts)[1]
