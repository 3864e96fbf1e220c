"""Padding in the encoding half of the GPU path, run on the CPU: samples and payload bytes equal to the core's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.device_arrays import Case, check_payloads, few_values, padded, roi_of
from helpers.device_batches import core_payloads, host_indices, plan_of, uploaded
from helpers.strategies import DTYPES, make
from hypothesis import given
from hypothesis import strategies as st

from mmip_gpu import _core
from mmip_gpu.device.encode.masks import fill_padding
from mmip_gpu.device.encode.packing import pack
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch, ChunkShape
from mmip_gpu.transform.analysis import ROUNDING, cell_map, empty_chunk
from mmip_gpu.transform.offset import sample_offset
from mmip_gpu.volume.axes import PlaneLayout

CASES: list[Case] = [
    (padded("textured", (70, 101), "uint16", 0, "ellipsoid"), plan_of("yx", 1, 900.0, padding=0), 0),
    (padded("smooth", (130, 90), "int16", -2000, "box"), plan_of("yx", 1, 300.0, padding=-2000, cuts=(0, 5, 63)), 0),
    (padded("noise", (33, 40), "uint8", 255, "scattered"), plan_of("yx", 1, 8.0, padding=255), 0),
    (padded("textured", (19, 37, 45), "uint8", 7, "ellipsoid"), plan_of("zyx", 8, 6.0, padding=7), 0),
    (padded("edges", (24, 40, 50), "int16", -1, "ellipsoid"), plan_of("zyx", 8, 500.0, padding=-1, classes=3), 3),
    (padded("smooth", (17, 33, 20), "uint16", 9, "box"), plan_of("zyx", 8, 0.0, padding=9), 0),
    (padded("textured", (2, 3, 40, 70), "int8", 0, "ellipsoid"), plan_of("tzyx", 1, 0.0, padding=0), 0),
    (padded("smooth", (40, 40), "uint16", 3, "nothing"), plan_of("yx", 1, 50.0, padding=3), 0),
    (padded("smooth", (40, 40), "uint16", 3, "all"), plan_of("yx", 1, 50.0, padding=3), 0),
    (make("textured", (50, 60), "uint16"), plan_of("yx", 1, 900.0), 0),
    (make("textured", (9, 17, 33), "int16"), plan_of("zyx", 8, 900.0), 0),
]
IDS = [f"{i}-{'x'.join(map(str, case[0].shape))}" for i, case in enumerate(CASES)]


def check_fill(executor: HostExecutor, case: Case) -> None:
    array, plan, _ = case
    layout, roi = PlaneLayout.of(array.shape, plan.axes), roi_of(case)
    planes, cells = layout.to_planes(array), None if roi is None else cell_map(roi, layout, plan.depth)
    expected = np.empty_like(planes)
    empty_chunk(plan, layout).fill(planes, cells, expected, 1)
    batch = Batch(executor, [ChunkShape(layout, plan)])
    _, (found,) = fill_padding(batch, [executor.upload(planes)], [None if cells is None else executor.upload(cells)])
    assert np.array_equal(executor.download(found), expected)


@pytest.mark.parametrize("case", CASES[:9], ids=IDS[:9])
def test_filled_samples_are_those_of_the_core(executor: HostExecutor, case: Case) -> None:
    check_fill(executor, case)


def test_an_unequal_batch_with_and_without_padding(executor: HostExecutor) -> None:
    check_payloads(executor, CASES)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [1, 8])
def test_extreme_samples_beside_padding(executor: HostExecutor, dtype: str, depth: int) -> None:
    info, cuts = np.iinfo(dtype), (0, 20, 64 * depth - 1)
    cases: list[Case] = []
    for value in (int(info.min), int(info.max)):
        for kind, step in (("checkerboard", 0.25), ("spikes", 65536.0), ("noise", 0.0), ("half", 30.0)):
            array = padded(kind, (9, 17, 33), dtype, value, "ellipsoid")
            cases.append((array, plan_of("zyx", depth, step, cuts=cuts, padding=value), 0))
    check_payloads(executor, cases)


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("effort", [2, 3])
def test_palettes_beside_a_mask(executor: HostExecutor, depth: int, effort: int) -> None:
    """Of the core's indices, as they are before blocks that are masked everywhere are settled."""
    array = few_values((16, 48, 56), "uint16", 4, 3)
    value = int(array[0, 0, 0])
    array[:, :24], array[:, 20:26, ::3] = value, value ^ 1
    cuts = (0, 46, 511) if depth == 8 else (0, 9, 63)
    plan = plan_of("zyx", depth, 5000.0, effort=effort, cuts=cuts, padding=value)
    layout = PlaneLayout.of(array.shape, plan.axes)
    shape = ChunkShape(layout, plan)
    batch = Batch(executor, [shape])
    masks, (filled,) = fill_padding(batch, [executor.upload(layout.to_planes(array))], [None])
    samples = executor.download(filled)
    offset = sample_offset(samples, _core.statistics(samples, 1))
    with_mask, without = (empty_chunk(replace(plan, padding=padding), layout) for padding in (value, None))
    with_mask.fill(layout.to_planes(array), None, np.empty_like(samples), 1)
    for chunk in (with_mask, without):
        chunk.analyze(samples, None, offset, ROUNDING, *plan.search, 1)
    indices = host_indices(without, ChunkShape(layout, replace(plan, padding=None)))
    assert np.count_nonzero(indices["modes"] == 7)
    assert pack(batch, uploaded(executor, [indices]), masks) == [core_payloads(with_mask, len(cuts))]


@st.composite
def padded_cases(draw: st.DrawFn) -> Case:
    depth, dtype = draw(st.sampled_from((1, 8))), draw(st.sampled_from(DTYPES))
    info, last = np.iinfo(dtype), 64 * depth - 1
    value = draw(st.integers(int(info.min), int(info.max)))
    inner = draw(st.lists(st.integers(1, last - 1), max_size=3, unique=True))
    classes = draw(st.sampled_from((1, 1, 3)))
    step = draw(st.sampled_from((0.0, 0.5, 7.0, 300.0, 4000.0)))
    size = draw(st.integers(2, 4))
    tile = (draw(st.integers(1, 2)), size // 2, size // 2) if depth == 8 else (0, size, size)
    plan = plan_of("zyx", depth, step, cuts=(0, *sorted(inner), last), classes=classes, tile_log2=tile, padding=value)
    shape = tuple(draw(st.integers(1, n)) for n in ((18, 40, 40) if depth == 8 else (2, 80, 80)))
    kind = draw(st.sampled_from(("noise", "smooth", "textured", "edges", "half")))
    inside = draw(st.sampled_from(("ellipsoid", "scattered", "box", "nothing", "all")))
    return padded(kind, shape, dtype, value, inside, draw(st.integers(0, 99))), plan, classes if classes > 1 else 0


@given(padded_cases(), st.booleans())
def test_any_padded_chunk_is_coded_as_the_core_does(case: Case, descending: bool) -> None:
    check_payloads(HostExecutor(descending), [case])
