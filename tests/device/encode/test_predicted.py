"""Predicted blocks by the encoding kernels, run on the CPU in both lane orders: all that the core makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import device_batches
from helpers.device_arrays import few_values, padded
from helpers.edges import edges
from helpers.searched_chunks import mixed
from helpers.strategies import DTYPES, make, make_roi
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu.device.decode.synthesis import Synthesizer
from mmip_gpu.device.encode import closing, search
from mmip_gpu.device.encode.batch import Chunk, encode_batch, quantize_batch
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import ChunkShape
from mmip_gpu.transform.analysis import ROUNDING, analyze, prepare
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan

Case = tuple[NDArray[Any], ChunkPlan, NDArray[np.uint8] | None]
LARGE, WIDE = (2, 4, 4), {"cuts": (0, 9, 30, 63)}


def plan_of(step: float, effort: int, tile: tuple[int, int, int] = LARGE, **more: Any) -> ChunkPlan:
    return device_batches.plan_of("zyx", 1, step, effort, prediction=True, tile_log2=tile, **more)


def cases(effort: int) -> list[Case]:
    """Chunks of all kinds of blocks and predictions, and some in which nothing is predicted."""
    regions = edges((3, 70, 90), 4)
    return [
        (edges((3, 150, 210), 1), plan_of(30.0, effort), None),
        (edges((5, 130, 100), 2), plan_of(12.0, effort, **WIDE), None),
        (mixed((2, 130, 140), "uint16", 5), plan_of(1500.0, effort, (0, 4, 4), **WIDE), None),
        (np.repeat(make("smooth", (1, 150, 140), "uint16", 5), 3, axis=0), plan_of(1000.0, effort), None),
        (padded("edges", (6, 40, 50), "int16", -7, "ellipsoid"), plan_of(300.0, effort, padding=-7, **WIDE), None),
        (make("constant", (2, 50, 40), "uint8", 5), plan_of(60.0, effort), None),
        (edges((2, 150, 210), 3), plan_of(100.0, effort, dc_image=True), None),
        (edges((2, 150, 90), 5), plan_of(100.0, effort, dc_image=True, correction=90), None),
        (regions, plan_of(90.0, effort, classes=3), make_roi(regions, "zyx", 3, 3)),
        (make("spikes", (1, 9, 200), "int8", 3), plan_of(3.0, effort, (0, 5, 4)), None),
    ]


def check_cases(executor: HostExecutor, given_cases: list[Case]) -> None:
    """Payloads, side information and estimates are those of the core."""
    held = [Chunk(executor.upload(a), p, None if c is None else executor.upload(c)) for a, p, c in given_cases]
    for (array, plan, classes), found in zip(given_cases, encode_batch(executor, held, ROUNDING), strict=True):
        expected = encode_chunk(array, plan, classes, allow_raw=False)
        assert tuple(found.payloads) == expected.payloads
        analysis = analyze(prepare(array, plan, 1), plan, classes)
        assert (found.recon, found.errors) == (analysis.chunk.recon, analysis.errors)


@pytest.mark.parametrize("effort", [2, 3])
def test_an_unequal_batch_is_coded_as_the_core_does(executor: HostExecutor, effort: int) -> None:
    check_cases(executor, cases(effort))


def test_what_is_compared_covers_all_blocks_and_predictions() -> None:
    found: set[tuple[int, int]] = set()
    for array, plan, classes in cases(3):
        chunk, shape = analyze(prepare(array, plan, 1), plan, classes).chunk, ChunkShape(plan.layout(array.shape), plan)
        columns = np.zeros((shape.layout.planes, *shape.grid, 1 + plan.cuts[1]), np.int32)
        chunk.to_columns(2, columns)
        found |= {(int(kind) % 256, int(kind) // 256) for kind in np.unique(columns[..., 0])}
    angles = {mode for mode, kind in found if 3 <= kind < 35}
    assert angles == {0, 1, 4, 5}
    assert found >= {(0, 1), (0, 35), (4, 35), (5, 35), (6, 35), (7, 0)}


@pytest.mark.parametrize("effort", [2, 3])
def test_tiles_and_superblocks_of_several_launches(effort: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "_WAVE", 2)
    monkeypatch.setattr(search, "_WAVE", 3)
    check_cases(HostExecutor(), cases(effort)[:3])


def test_chunks_without_predicted_blocks_do_not_say_that_there_are_some() -> None:
    executor = HostExecutor()
    chunks = [Chunk(executor.upload(array), plan) for array, plan, _ in cases(3)[:6]]
    said = {}
    for indices, quantized in quantize_batch(executor, chunks, ROUNDING, synthesizer=Synthesizer(executor)):
        said |= {i: shape.plan.prediction for i, shape in zip(indices, quantized.batch.shapes, strict=True)}
    assert [said[i] for i in range(6)] == [True, True, True, True, True, False]


@pytest.mark.parametrize("effort", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_extreme_samples(dtype: str, effort: int) -> None:
    chunks: list[Case] = []
    for kind in ("checkerboard", "noise", "spikes", "constant"):
        for step in (0.25, 65536.0):
            chunks.append((make(kind, (3, 17, 133), dtype, 5), plan_of(step, effort, cuts=(0, 1, 63)), None))
    check_cases(HostExecutor(), chunks)


@given(
    st.integers(0, 2**16),
    st.sampled_from(("edges", "textured", "few", "noise", "half")),
    st.sampled_from((0.25, 7.0, 60.0, 900.0, 9000.0)),
    st.sampled_from(DTYPES),
    st.sampled_from((2, 3)),
    st.booleans(),
)
def test_any_chunk_is_coded_as_the_core_does(
    seed: int, kind: str, step: float, dtype: str, effort: int, descending: bool
) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(rng.integers(1, n, endpoint=True)) for n in (4, 100, 150))
    array = few_values(shape, dtype, 2 + seed % 4, seed) if kind == "few" else make(kind, shape, dtype, seed)
    tile = (int(rng.integers(0, 3)), 4 + int(rng.integers(0, 2)), 4 + int(rng.integers(0, 2)))
    inner = sorted(set(rng.integers(1, 63, int(rng.integers(0, 4))).tolist()))
    plan = plan_of(step, effort, tile, cuts=(0, *inner, 63), classes=1 + 2 * int(rng.integers(0, 2)))
    classes = make_roi(array, "zyx", 3, seed) if len(plan.steps) > 1 else None
    check_cases(HostExecutor(descending), [(array, plan, classes)])
