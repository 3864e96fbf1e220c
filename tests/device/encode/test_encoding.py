"""The encoding half of the GPU path, run on the CPU in both lane orders: payload bytes equal to those of the core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.device_batches import CASES, IDS, core_payloads, host_indices, plan_of, shape_of, uploaded
from helpers.strategies import DTYPES, make, make_roi
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu import _core
from mmip_gpu.device.encode.analysis import Source, analyze
from mmip_gpu.device.encode.batch import Chunk, CodedChunk, encode_batch
from mmip_gpu.device.encode.packing import pack
from mmip_gpu.device.encode.search import Search
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch, ChunkShape, tile_items
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.analysis import ROUNDING, cell_map, empty_chunk, prepare
from mmip_gpu.transform.analysis import analyze as analyze_on_host
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.offset import sample_offset
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.colour import colour_planes

# How block modes and indices are chosen, in how many passes.
SEARCHES = [
    (_core.SEARCH_NONE, 1),
    (_core.SEARCH_FAST, 1),
    (_core.SEARCH_ROUGH, 1),
    (_core.SEARCH_FULL, 1),
    (_core.SEARCH_FULL, 3),
]


def analyzed(case: tuple[str, tuple[int, ...], str, ChunkPlan, int]) -> _core.Chunk:
    kind, shape, dtype, plan, roi = case
    array = make(kind, shape, dtype, 5)
    classes = make_roi(array, plan.axes, roi, 3) if roi else None
    return analyze_on_host(prepare(array, plan, 1), plan, classes).chunk


def at_effort(case: Any, effort: int) -> Any:
    """The case with a plan of that effort."""
    kind, shape, dtype, plan, roi = case
    return kind, shape, dtype, replace(plan, config=replace(plan.config, effort=effort)), roi


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_payloads_of_the_cores_coefficients(executor: HostExecutor, case: Any) -> None:
    chunk, shape = analyzed(case), shape_of(case)
    indices = uploaded(executor, [host_indices(chunk, shape)])
    assert pack(Batch(executor, [shape]), indices) == [core_payloads(chunk, len(shape.plan.cuts))]


def test_payloads_of_an_unequal_batch(executor: HostExecutor) -> None:
    chunks, shapes = [analyzed(case) for case in CASES], [shape_of(case) for case in CASES]
    indices = uploaded(executor, [host_indices(c, s) for c, s in zip(chunks, shapes, strict=True)])
    expected = [core_payloads(c, len(s.plan.cuts)) for c, s in zip(chunks, shapes, strict=True)]
    assert pack(Batch(executor, shapes), indices) == expected


def run_crcs(executor: HostExecutor, streams: list[bytes]) -> list[int]:
    """Crcs of the groups of one payload's sub-streams."""
    sizes = np.array([len(s) for s in streams], np.uint32)
    payload = np.zeros(1, struct_dtype("PayloadItem"))
    payload["streams"], payload["body"] = sizes.size, 3
    output = np.frombuffer(b"***" + b"".join(streams), np.uint8)
    arrays = {
        "payloads": executor.upload(payload),
        "sizes": executor.upload(sizes),
        "offsets": executor.upload(np.cumsum(sizes, dtype=np.int64) - sizes),
        "output": executor.upload(output),
        "crcs": executor.empty(-(-sizes.size // _core.GROUP_SUBSTREAMS), np.uint32),
    }
    addresses = {name: executor.address(array) for name, array in arrays.items()}
    groups = int(arrays["crcs"].size)
    executor.launch(
        "group_crcs", groups=groups, payload_count=1, tile_count=0, tiles=0, chunks=0, blocks=0, **addresses
    )
    return [int(crc) for crc in executor.download(arrays["crcs"])]


@pytest.mark.parametrize("lengths", [[1], [3, 1, 200], list(range(1, 18)), [70000, 1, 5] * 4])
def test_group_crcs_are_those_of_the_core(executor: HostExecutor, lengths: list[int]) -> None:
    rng = np.random.default_rng(7)
    streams = [rng.bytes(n) for n in lengths]
    expected = [_core.crc32c(b"".join(streams[i : i + 4])) for i in range(0, len(streams), 4)]
    assert run_crcs(executor, streams) == expected


def planes_of(case: Any) -> tuple[NDArray[Any], NDArray[np.uint8] | None, int]:
    """(planes that are transformed, class of every cell, offset) as the codec makes them."""
    kind, shape, dtype, plan, roi = case
    array = make(kind, shape, dtype, 5)
    layout = PlaneLayout.of(shape, plan.axes)
    planes = layout.to_planes(array)
    offset = sample_offset(planes, _core.statistics(planes, 1))
    cells = cell_map(make_roi(array, plan.axes, roi, 3), layout, plan.depth) if roi else None
    return (colour_planes(planes, offset), cells, 0) if plan.colour else (planes, cells, offset)


def check_analysis(executor: HostExecutor, case: Any, search: int, passes: int) -> None:
    """Modes, indices, sums and payloads of a case are those of the core."""
    case = at_effort(case, max(search, 1))
    shape, (planes, cells, offset) = shape_of(case), planes_of(case)
    rounding = 128 if search == _core.SEARCH_NONE else 96
    chunk = empty_chunk(shape.plan, shape.layout)
    errors = chunk.analyze(planes, cells, offset, rounding, search, passes, 1)
    held = executor.upload(planes)
    source = Source(held, None if cells is None else executor.upload(cells), offset)
    batch = Batch(executor, [shape])
    analyzed = analyze(batch, [source], rounding, search, passes)
    indices, sums = analyzed.indices, analyzed.sums
    for name, expected in host_indices(chunk, shape).items():
        found = executor.download(getattr(indices, name))
        if name in ("positions", "values"):
            used = np.arange(shape.cells * shape.per_cell)
            counts = executor.download(indices.counts)
            filled = np.concatenate([used[i * shape.per_cell :][:n] for i, n in enumerate(counts)])
            assert np.array_equal(found[filled], expected[filled])
        else:
            assert np.array_equal(found, expected), name
    other = empty_chunk(shape.plan, shape.layout)
    assert other.settle_sums(executor.download(sums), search) == errors
    assert other.recon == chunk.recon
    assert pack(batch, indices) == [core_payloads(chunk, len(shape.plan.cuts))]


@pytest.mark.parametrize(("search", "passes"), SEARCHES)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_analysis_is_that_of_the_core(executor: HostExecutor, case: Any, search: int, passes: int) -> None:
    check_analysis(executor, case, search, passes)


def encoded(executor: HostExecutor, cases: list[Any]) -> list[CodedChunk]:
    chunks = []
    for kind, shape, dtype, plan, roi in cases:
        array = make(kind, shape, dtype, 5)
        classes = executor.upload(make_roi(array, plan.axes, roi, 3)) if roi else None
        chunks.append(Chunk(executor.upload(array), plan, classes))
    return encode_batch(executor, chunks, ROUNDING)


def test_an_unequal_batch_from_samples_to_payloads(executor: HostExecutor) -> None:
    cases = [at_effort(case, effort) for case in CASES for effort in (1, 2, 3)]
    coded = encoded(executor, cases)
    for (kind, shape, dtype, plan, roi), found in zip(cases, coded, strict=True):
        array = make(kind, shape, dtype, 5)
        classes = make_roi(array, plan.axes, roi, 3) if roi else None
        expected = encode_chunk(array, plan, classes, allow_raw=False)
        assert tuple(found.payloads) == expected.payloads
        fields = expected.header.fields
        assert fields is not None
        assert (found.offset, tuple(tuple(d) for d in found.recon)) == (fields.offset, fields.recon)


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_extreme_samples(executor: HostExecutor, dtype: str, depth: int, effort: int) -> None:
    cuts = (0, 1, 64 * depth - 1)
    cases: list[Any] = []
    for kind in ("checkerboard", "noise", "spikes", "constant"):
        for step in (0.0, 0.25, 65536.0):
            cases.append((kind, (9, 17, 33), dtype, plan_of("zyx", depth, step, effort, cuts), 0))
    for case, found in zip(cases, encoded(executor, cases), strict=True):
        expected = encode_chunk(make(case[0], case[1], dtype, 5), case[3], allow_raw=False)
        assert tuple(found.payloads) == expected.payloads


def test_what_is_refused_is_named() -> None:
    plan = plan_of("yx", 1, 4.0)
    array = np.zeros((9, 9), np.uint8)
    for dtype in ("float32", "int32"):
        with pytest.raises(InvalidArgument, match=f"chunk 1: samples of {dtype}"):
            encode_batch(HostExecutor(), [Chunk(array, plan), Chunk(array.astype(dtype), plan)], ROUNDING)


def test_an_empty_chunk_has_no_payloads() -> None:
    plan = plan_of("yx", 1, 4.0)
    coded = encode_batch(HostExecutor(), [Chunk(np.zeros((0, 5), np.uint8), plan)], ROUNDING)
    assert coded == [CodedChunk([], 0, [], [])]


def test_places_past_two_to_the_31_samples() -> None:
    plan = plan_of("zyx", 8, 6.0, tile_log2=(3, 3, 3))
    shape = ChunkShape(PlaneLayout.of((2100, 2048, 2048), "zyx"), plan)
    tiles = tile_items(shape)
    cells = tiles["size"].astype(np.int64).prod(axis=1)
    assert cells.sum() == shape.cells == 263 * 256 * 256
    last = tiles[-1]
    assert last["first_entry"] == (shape.cells - cells[-1]) * 511 > 2**32
    assert last["cell"].tolist() == [256, 248, 248]
    assert np.array_equal(np.diff(tiles["first_cell"]), cells[:-1])


@pytest.mark.parametrize("search", [_core.SEARCH_FAST, _core.SEARCH_FULL])
def test_kernels_reach_past_two_to_the_31_samples(executor: HostExecutor, search: int) -> None:
    """The last tile of a chunk of 2^33 samples, of which only the end is there: addresses count from its start."""
    plan = plan_of("zyx", 8, 900.0, tile_log2=(2, 2, 2), cuts=(0, 30, 511))
    whole = ChunkShape(PlaneLayout.of((2100, 2048, 2048), "zyx"), plan)
    last = tile_items(whole)[-1]
    z, y, x = (int(n) * 8 for n in last["cell"])
    samples = make("textured", (2100 - z, 2048 - y, 2048 - x), "uint16", 9)
    small = Batch(executor, [ChunkShape(PlaneLayout.of(samples.shape, "zyx"), plan)])
    analyzed = analyze(small, [Source(executor.upload(samples), None, 30000)], 96, search)
    indices, sums = analyzed.indices, analyzed.sums

    padded = np.zeros((2100 - z, 2048, 2048), np.uint16)
    padded[:, y:, x:] = samples
    held = executor.upload(padded)
    batch = Batch(executor, [ChunkShape(PlaneLayout.of(samples.shape, "zyx"), plan)])
    moved = batch.tiles.copy()
    for name in ("first_cell", "first_entry", "first_span", "cell"):
        moved[name] = last[name]
    source = np.zeros(1, struct_dtype("SampleItem"))
    source["samples"] = executor.address(held) - 2 * z * 2048 * 2048
    source["shape"], source["type"], source["offset"] = whole.layout.volume, 2, 30000
    source["rounding"], source["dc_unit"], source["search"] = 96, 1, search
    found = {name: executor.empty(array.shape, array.dtype) for name, array in vars(indices).items()}
    entry_places = {"positions": "first_entry", "values": "first_entry"}
    addresses = {
        name: executor.address(array) - int(last[entry_places.get(name, "first_cell")]) * array.itemsize
        for name, array in found.items()
    }
    total = executor.zeros(sums.shape, np.int64)
    uploads = {"tiles": executor.upload(moved), "sources": executor.upload(source)}
    fields = {**batch.addresses(), **addresses, "sums": executor.address(total)}
    fields.update({name: executor.address(array) for name, array in uploads.items()})
    if search == _core.SEARCH_FAST:
        executor.launch("analyze_volumes", groups=batch.superblocks, **fields)
    else:
        Search(batch).run(**fields)
    assert int(last["first_entry"]) > 2**32
    for name, array in vars(indices).items():
        assert np.array_equal(executor.download(found[name]), executor.download(array)), name
    assert np.array_equal(executor.download(total), executor.download(sums))


@st.composite
def encoder_cases(draw: st.DrawFn) -> tuple[Any, int, int]:
    """A case of any content, shape and plan that the kernels take, and how it is searched."""
    depth = draw(st.sampled_from((1, 8)))
    last = 64 * depth - 1
    inner = draw(st.lists(st.integers(1, last - 1), max_size=4, unique=True))
    size = draw(st.integers(2, 4))
    tile = (draw(st.integers(1, 2)), size // 2, size // 2) if depth == 8 else (0, size, size)
    plan = plan_of(
        "zyx",
        depth,
        draw(st.sampled_from((0.0, 0.5, 7.0, 300.0, 4000.0))),
        cuts=(0, *sorted(inner), last),
        classes=draw(st.sampled_from((1, 1, 3))),
        tile_log2=tile,
    )
    most = (18, 40, 40) if depth == 8 else (2, 80, 80)
    shape = tuple(draw(st.integers(1, n)) for n in most)
    kind = draw(st.sampled_from(("noise", "smooth", "textured", "edges", "slices", "spikes", "half")))
    classes = len(plan.steps) if len(plan.steps) > 1 else 0
    return (kind, shape, draw(st.sampled_from(DTYPES)), plan, classes), *draw(st.sampled_from(SEARCHES))


@given(encoder_cases(), st.booleans())
def test_any_chunk_is_coded_as_the_core_does(given_case: Any, descending: bool) -> None:
    check_analysis(HostExecutor(descending), *given_case)
