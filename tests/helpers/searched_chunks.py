"""Chunks and plans whose analysis uses every mode, palettes and later passes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from helpers import device_batches
from helpers.device_arrays import few_values
from helpers.strategies import make
from mmip_gpu.transform.plan import ChunkPlan


def plan_of(depth: int, step: float, effort: int, **more: Any) -> ChunkPlan:
    return device_batches.plan_of("zyx", depth, step, effort, **more)


def mixed(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """Flat parts with edges beside texture and noise, so that every mode wins somewhere."""
    array = few_values(shape, dtype, 3, seed)
    half = shape[-1] // 2
    array[..., half:] = make("textured", shape, dtype, seed)[..., half:]
    array[: shape[0] // 2, ..., : half // 2] = make("slices", shape, dtype, seed)[: shape[0] // 2, ..., : half // 2]
    return array


CHUNKS: list[tuple[NDArray[Any], ChunkPlan]] = [
    (few_values((1, 70, 150), "uint16", 4, 1), plan_of(1, 900.0, 3, tile_log2=(0, 4, 4))),
    (few_values((3, 33, 64), "int8", 3, 2), plan_of(1, 5.0, 2, tile_log2=(1, 2, 2))),
    (few_values((17, 25, 40), "int16", 3, 3), plan_of(8, 700.0, 3, cuts=(0, 46, 511))),
    (few_values((16, 32, 32), "uint8", 2, 4), plan_of(8, 0.25, 3)),
    (mixed((2, 130, 140), "uint16", 5), plan_of(1, 1500.0, 3, tile_log2=(0, 4, 4), cuts=(0, 9, 30, 63))),
    (mixed((24, 48, 48), "uint8", 6), plan_of(8, 6.0, 3, cuts=(0, 64, 511))),
    (make("smooth", (1, 150, 140), "uint16", 5), plan_of(1, 6000.0, 3, tile_log2=(0, 4, 4))),
    (mixed((16, 40, 40), "int16", 7), plan_of(8, 300.0, 2, cuts=(0, *range(46, 60), 511))),
]
