"""Palette cells in the packing of the GPU path: sub-streams that end with a range code, equal to the core's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_arrays import analyzed, few_values
from helpers.device_batches import core_payloads, plan_of, uploaded
from helpers.strategies import DTYPES, make
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu.device.encode.packing import pack
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.transform.plan import ChunkPlan

PALETTE = 7
FLAT = plan_of("yx", 1, 4000.0, effort=3, cuts=(0, 9, 63))
CHUNKS: list[tuple[NDArray[Any], ChunkPlan]] = [
    (few_values((75, 101), "uint16", 2, 1), FLAT),
    (few_values((40, 130), "int16", 4, 2), plan_of("yx", 1, 2500.0, effort=2, cuts=(0, 20, 40, 63))),
    (few_values((2, 33, 64), "uint8", 3, 3), plan_of("zyx", 1, 9.0, effort=3, tile_log2=(1, 2, 2))),
    (few_values((19, 37, 45), "uint8", 4, 4), plan_of("zyx", 8, 12.0, effort=2)),
    (few_values((24, 32, 40), "int8", 3, 5), plan_of("zyx", 8, 20.0, effort=3, cuts=(0, 46, 100, 511))),
    (make("edges", (20, 64, 64), "uint16"), plan_of("zyx", 8, 3000.0, effort=3, tile_log2=(1, 3, 3))),
    (make("textured", (70, 60), "uint16"), FLAT),
    (make("checkerboard", (64, 64), "uint16"), plan_of("yx", 1, 64.0, effort=3, tile_log2=(0, 2, 2))),
]


@pytest.mark.parametrize("descending", [False, True])
def test_payloads_with_palettes_are_those_of_the_core(descending: bool) -> None:
    executor = HostExecutor(descending)
    found = [analyzed(array, plan) for array, plan in CHUNKS]
    many = [np.count_nonzero(indices["modes"] == PALETTE) for _, _, indices in found]
    assert all(many[:6]), many
    expected = [core_payloads(chunk, len(shape.plan.cuts)) for chunk, shape, _ in found]
    indices = uploaded(executor, [indices for _, _, indices in found])
    assert pack(Batch(executor, [shape for _, shape, _ in found]), indices) == expected


def test_all_numbers_of_colours_occur() -> None:
    counts: set[int] = set()
    for array, plan in CHUNKS:
        _, shape, indices = analyzed(array, plan)
        for cell in np.flatnonzero(indices["modes"] == PALETTE):
            positions = indices["positions"][cell * shape.per_cell :][: indices["counts"][cell]]
            counts.add(np.count_nonzero(positions < 3) + 1)
    assert counts == {2, 3, 4}


@given(st.integers(0, 2**31), st.sampled_from((1, 8)), st.sampled_from(DTYPES), st.integers(2, 5), st.booleans())
def test_any_palettes_are_packed_as_the_core_does(
    seed: int, depth: int, dtype: str, values: int, descending: bool
) -> None:
    rng = np.random.default_rng(seed)
    most = (18, 34, 34) if depth == 8 else (2, 50, 70)
    size = [int(rng.integers(1, n + 1)) for n in most]
    step = float(np.iinfo(dtype).max) * float(rng.choice([0.02, 0.1, 0.3]))
    cuts = (0, 46 + int(rng.integers(0, 200)), 511) if depth == 8 else (0, 9 + int(rng.integers(0, 40)), 63)
    plan = plan_of("zyx", depth, step, effort=int(rng.integers(2, 4)), cuts=cuts)
    chunk, shape, indices = analyzed(few_values((size[0], size[1], size[2]), dtype, values, seed), plan)
    executor = HostExecutor(descending)
    assert pack(Batch(executor, [shape]), uploaded(executor, [indices])) == [core_payloads(chunk, len(cuts))]
