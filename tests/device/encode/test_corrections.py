"""Corrections by the encoding kernels on the CPU: payloads, and corrected samples, as the core has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_batches import plan_of, shape_of, with_step
from helpers.strategies import DTYPES, make, make_roi
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu import _core
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.encode.corrections import _tile_records, encode_corrections
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.transform.analysis import ROUNDING, empty_chunk
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.corrections import encode_corrections as encode_on_host
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.floats import sample_range

CASES: list[Any] = [
    ("textured", (70, 101), "uint16", plan_of("yx", 1, 900.0, correction=40), 0),
    ("half", (40, 33), "int16", plan_of("yx", 1, 300.0, cuts=(0, 5, 20, 63), correction=0), 0),
    ("noise", (17, 130), "int8", plan_of("yx", 1, 40.0, correction=3), 0),
    ("textured", (19, 37, 45), "uint8", plan_of("zyx", 8, 6.0, correction=1), 0),
    ("edges", (24, 20, 50), "int16", plan_of("zyx", 8, 500.0, classes=4, correction=17), 4),
    ("spikes", (1, 9), "int16", plan_of("yx", 1, 30.0, tile_log2=(0, 2, 2), correction=200), 0),
    ("constant", (2, 90, 40), "uint8", plan_of("tyx", 1, 4.0, correction=0), 0),
    ("textured", (33, 40, 3), "uint8", plan_of("yxc", 1, 6.0, classes=2, colour=True, correction=2), 2),
    ("checkerboard", (3, 20, 40), "uint16", plan_of("zyx", 1, 60000.0, tile_log2=(1, 2, 2), correction=2**18), 0),
]


def test_payloads_of_an_unequal_batch(executor: HostExecutor) -> None:
    arrays = [make(kind, shape, dtype, 5) for kind, shape, dtype, _, _ in CASES]
    classes = [make_roi(a, c[3].axes, c[4], 3) if c[4] else None for a, c in zip(arrays, CASES, strict=True)]
    plans = [case[3] for case in CASES]
    arrays.append((make("textured", (30, 41), "uint16", 7) * 0.3).astype(np.float32))
    plans.append(with_step(plan_of("yx", 1, 200.0, correction=5), 0.25))
    classes.append(None)
    arrays.append(make("smooth", (20, 20), "uint8", 1))
    plans.append(plan_of("yx", 1, 20.0))  # without corrections
    classes.append(None)
    chunks = [
        Chunk(executor.upload(a), plan, None if c is None else executor.upload(c))
        for a, plan, c in zip(arrays, plans, classes, strict=True)
    ]
    coded = encode_batch(executor, chunks, ROUNDING)
    for array, plan, of_class, found in zip(arrays, plans, classes, coded, strict=True):
        expected = encode_chunk(array, plan, of_class, allow_raw=False)
        assert tuple(found.payloads) == expected.payloads
        if plan.correction is not None and plan.config.step is None:
            planes = PlaneLayout.of(array.shape, plan.axes).to_planes(array)
            loss, decoded = expected.header.loss, executor.download(found.decoded)
            assert _core.difference(planes, decoded, 1) == (loss.sse, loss.max_error)
            assert loss.max_error <= plan.correction


def sparse(shape: tuple[int, ...], dtype: str, density: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """An array, and one that differs from it here and there, by a little or a lot."""
    rng, (low, high) = np.random.default_rng(seed), sample_range(np.dtype(dtype))
    original = rng.integers(low, high, shape, dtype, endpoint=True)
    apart = rng.integers(-9, 9, shape, endpoint=True) * (rng.random(shape) < density)
    apart[rng.random(shape) < density / 50] = high
    return original, np.clip(original.astype(np.int64) + apart, low, high).astype(dtype)


def both_ways(
    executor: HostExecutor, shape: ChunkShape, original: NDArray[Any], decoded: NDArray[Any]
) -> tuple[tuple[bytes, NDArray[Any]], tuple[bytes, NDArray[Any]]]:
    """(payload, corrected planes) of the core and of the kernels."""
    expected, found = decoded.copy(), executor.upload(decoded)
    chunk = empty_chunk(shape.plan, shape.layout)
    error = shape.plan.correction
    assert error is not None
    payload = encode_on_host(chunk, original, expected, [error], 1)
    (other,) = encode_corrections(Batch(executor, [shape]), [executor.upload(original)], [found])
    return (payload, expected), (other, executor.download(found))


@pytest.mark.parametrize(("density", "all_runs"), [(0.0, 0), (0.0005, 1), (0.01, 1), (0.2, 1), (1.0, 0)])
@pytest.mark.parametrize("depth", [1, 8])
def test_runs_that_span_lanes(executor: HostExecutor, depth: int, density: float, all_runs: int) -> None:
    """Of few and of many corrections; the first bit of a sub-stream tells which way the tile took."""
    plan = plan_of("zyx", depth, 9.0, tile_log2=(1, 2, 3) if depth == 8 else (2, 4, 4), correction=0)
    shape = ChunkShape(PlaneLayout.of((19, 70, 131), "zyx"), plan)
    planes = sparse((1, 19, 70, 131), "int16", density, 4)
    core, device = both_ways(executor, shape, *planes)
    assert core[0] == device[0]
    assert np.array_equal(core[1], device[1])
    assert core[0][int.from_bytes(core[0][:4], "little")] >> 7 == all_runs


@given(st.data())
def test_any_residuals(data: st.DataObject) -> None:
    depth = data.draw(st.sampled_from((1, 8)))
    size = data.draw(st.integers(2, 4))
    plan = plan_of(
        "zyx",
        depth,
        9.0,
        tile_log2=(data.draw(st.integers(1, 2)), size // 2, size // 2) if depth == 8 else (0, size, size),
        correction=data.draw(st.sampled_from((0, 1, 5, 1000))),
    )
    shape = tuple(data.draw(st.integers(1, n)) for n in ((18, 40, 40) if depth == 8 else (2, 80, 80)))
    dtype = data.draw(st.sampled_from((*DTYPES, "int32")))
    density = data.draw(st.sampled_from((0.001, 0.03, 0.5)))
    planes = sparse((1, *shape), dtype, density, data.draw(st.integers(0, 99)))
    chunk = ChunkShape(PlaneLayout.of(shape, "zyx"), plan)
    core, device = both_ways(HostExecutor(data.draw(st.booleans())), chunk, *planes)
    assert core[0] == device[0]
    assert np.array_equal(core[1], device[1])


def test_places_past_two_to_the_31_samples() -> None:
    plan: ChunkPlan = plan_of("zyx", 8, 6.0, tile_log2=(3, 3, 3), correction=1)
    shape = shape_of(("textured", (2100, 2048, 2048), "uint16", plan, 0))
    tiles, values = _tile_records(Batch(HostExecutor(), [shape]))
    assert tiles[-1]["first"].tolist() == [2048, 1984, 1984]
    assert tiles[-1]["size"].tolist() == [52, 64, 64]
    assert 2**33 < int(tiles[-1]["frame"]) < values < 2**34
