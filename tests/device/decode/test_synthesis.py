"""Decoded planes straight from coefficients, and sums over samples, by kernels on the CPU: as the core has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_batches import CASES, IDS, host_indices, plan_of, shape_of, uploaded
from helpers.strategies import DTYPES, make, make_roi
from numpy.typing import NDArray

from mmip_gpu import _core
from mmip_gpu.device.decode.synthesis import Reconstruction, Synthesizer
from mmip_gpu.device.encode.statistics import differences, sample_statistics
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.transform.analysis import Analysis, analyze, prepare
from mmip_gpu.volume.axes import PlaneLayout


def analysis_of(case: Any) -> Analysis:
    kind, shape, dtype, plan, roi = case
    array = make(kind, shape, dtype, 5)
    return analyze(prepare(array, plan, 1), plan, make_roi(array, plan.axes, roi, 3) if roi else None)


def planes_from_indices(executor: HostExecutor, cases: list[Any]) -> tuple[list[NDArray[Any]], list[Analysis]]:
    found, shapes = [analysis_of(case) for case in cases], [shape_of(case) for case in cases]
    indices = uploaded(executor, [host_indices(a.chunk, s) for a, s in zip(found, shapes, strict=True)])
    chunks = [Reconstruction(a.prepared.planes.dtype, a.offset, a.chunk.recon) for a in found]
    return Synthesizer(executor).planes(Batch(executor, shapes), indices, chunks), found


def test_decoded_planes_of_an_unequal_batch(executor: HostExecutor) -> None:
    planes, analyses = planes_from_indices(executor, CASES)
    for found, analysis, name in zip(planes, analyses, IDS, strict=True):
        assert found.dtype == analysis.prepared.planes.dtype
        assert np.array_equal(executor.download(found), analysis.decoded()), name


# Efforts 2 and 3 choose palettes and modes that effort 1 does not.
SEARCHED = [
    ("edges", (40, 70), "uint8", plan_of("yx", 1, 12.0, effort=3, cuts=(0, 4, 63)), 0),
    ("edges", (16, 24, 33), "uint16", plan_of("zyx", 8, 3000.0, effort=2, cuts=(0, 60, 511)), 0),
    ("slices", (17, 16, 16), "uint16", plan_of("zyx", 8, 900.0, effort=3), 0),
]


def test_decoded_planes_of_all_block_modes(executor: HostExecutor) -> None:
    planes, analyses = planes_from_indices(executor, SEARCHED)
    modes = np.sum([a.chunk.mode_counts() for a in analyses], axis=0)
    for found, analysis in zip(planes, analyses, strict=True):
        assert np.array_equal(executor.download(found), analysis.decoded())
    assert modes[7] > 0, "no palette was chosen"


def padding_words(planes: NDArray[Any], batch: Batch) -> NDArray[np.uint64]:
    """The mask of the one chunk of a batch as the kernels take it, by the words of FORMAT.md section 8.1."""
    shape = batch.shapes[0]
    depth, (z, y, x) = shape.plan.depth, shape.layout.volume
    masked = np.zeros((len(planes), *(n * c for n, c in zip(shape.grid, (depth, 8, 8), strict=True))), bool)
    masked[:, :z, :y, :x] = planes == shape.plan.padding
    words = np.zeros(depth * shape.cells, np.uint64)
    for tile in batch.tiles:
        word = depth * int(tile["first_cell"])
        for at in np.ndindex(*tile["size"]):
            cz, cy, cx = (int(a + b) for a, b in zip(tile["cell"], at, strict=True))
            part = masked[tile["plane"], cz * depth : (cz + 1) * depth, 8 * cy : 8 * cy + 8, 8 * cx : 8 * cx + 8]
            bits = np.packbits(part.reshape(depth, 64), axis=1, bitorder="little")
            words[word : word + depth] = bits.view(np.uint64)[:, 0]
            word += depth
    return words


@pytest.mark.parametrize("depth", [1, 8])
def test_padding_is_put_back(executor: HostExecutor, depth: int) -> None:
    array = make("textured", (9, 17, 30), "uint16", 5)
    array[:, 4:9, 11:] = 7
    plan = plan_of("zyx", depth, 900.0, padding=7)
    analysis = analyze(prepare(array, plan, 1), plan, None)
    batch = Batch(executor, [ChunkShape(PlaneLayout.of(array.shape, "zyx"), plan)])
    indices = uploaded(executor, [host_indices(analysis.chunk, batch.shapes[0])])
    mask = executor.upload(padding_words(analysis.prepared.planes, batch))
    chunk = Reconstruction(analysis.prepared.planes.dtype, analysis.offset, analysis.chunk.recon)
    (found,) = Synthesizer(executor).planes(batch, indices, [chunk], mask)
    assert np.array_equal(executor.download(found), analysis.decoded())
    assert np.all(found[0][array == 7] == 7)


@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
def test_statistics_and_differences(executor: HostExecutor, dtype: str) -> None:
    rng, info = np.random.default_rng(2), np.iinfo(dtype)
    low, high = (info.min, info.max) if dtype != "int32" else (-(2**18), 2**18)
    sizes = (1, 255, 256, 257, 65536, 65537, 140001)
    arrays = [rng.integers(low, high, n, dtype, endpoint=True) for n in sizes]
    others = [rng.integers(low, high, n, dtype, endpoint=True) for n in sizes]
    held = [executor.upload(a) for a in arrays]
    assert sample_statistics(executor, held) == [_core.statistics(a, 1) for a in arrays]
    expected = [_core.difference(a, b, 1) for a, b in zip(arrays, others, strict=True)]
    assert differences(executor, held, [executor.upload(b) for b in others]) == expected
    assert differences(executor, held, held) == [(0, 0)] * len(sizes)
