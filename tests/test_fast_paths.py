"""A fast path skips work whose result is known; it is never another algorithm. Each is held against the plain path.

Decisions without branches and predictions with vectors against the plain ones, kernels of every instruction set against
the baseline, batches of a device against one chunk after the other, bytes by ranges against all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_containers import batch, decoded, job_of
from helpers.searched_chunks import CHUNKS
from helpers.strategies import Case, cases, make, soft_volume
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference import prediction

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.byte_ranges import Sparse
from mmip_gpu.container.reader import open_container
from mmip_gpu.device import _phases
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import MmipError
from mmip_gpu.transform.analysis import ROUNDING

# --- what code lengths decide on blocks: rules/blocks/decide.h against passes/blocks/decide_kernels.h

MODES = {1: (0, 1, 4, 5, 6), 8: (0, 1, 3, 4)}
CELLS = {(1, 4): 4, (1, 5): 16, (1, 6): 64, (8, 4): 8}
BLOCKS = [(depth, mode) for depth, modes in MODES.items() for mode in modes]
STEP = 3.0
HEADERS = _core.HEADER_CLASSES * _core.HEADER_ALPHABET


def drawn_stages(rng: np.random.Generator, depth: int, mode: int, blocks: int) -> dict[str, Any]:
    """One stage of some blocks of a mode: entries, and what symbols cost; some blocks have no entries."""
    cells, last = CELLS.get((depth, mode), 1), 64 * depth - 1
    inner = np.sort(rng.choice(np.arange(1, last), rng.integers(0, 3), replace=False)).tolist()
    cuts = [0, *inner, last]
    stage = int(rng.integers(1, len(cuts)))
    low, high = cells * cuts[stage - 1], cells * cuts[stage]
    density = rng.choice([0.0, 0.02, 0.2, 0.7, 1.0], blocks)
    positions = [low + np.flatnonzero(rng.random(high - low) < share) for share in density]
    ends = np.cumsum([p.size for p in positions])
    size = rng.exponential(rng.choice([0.2, 1.0, 9.0, 4000.0]), ends[-1]) + 0.5
    rates = _core.builtin_rates(stage + 1)
    tokens, headers = rates[HEADERS:], rates[:HEADERS].reshape(-1, 32)
    if rng.random() < 0.5:
        tokens, headers = (rng.integers(1, 40, part.shape, np.uint8) for part in (tokens, headers))
    return {
        "positions": np.concatenate([*positions, np.zeros(8)]).astype(np.uint16),
        "coefficients": np.append(STEP * size * rng.choice([-1, 1], size.size), np.zeros(8)).astype(np.float32),
        "ends": ends,
        "inverse": 256 / STEP,
        "low": low,
        "table": _core.block_tables(mode, depth, cuts)[1],
        "token_bits": np.ascontiguousarray(tokens),
        "header_bits": np.append(headers[rng.integers(len(headers))], rng.integers(1, 9)).astype(np.uint8),
        "rounds": int(rng.integers(1, 3)),
    }


def decisions(plain: bool, stages: dict[str, Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    magnitudes, costs = np.zeros(stages["ends"][-1], np.int32), np.zeros(2 * stages["ends"].size, np.int64)
    _phases.decide_stages(plain, **stages, magnitudes=magnitudes, costs=costs)
    return magnitudes, costs


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.sampled_from(BLOCKS), st.integers(1, 40))
def test_decisions_without_branches_are_the_plain_ones(seed: int, block: tuple[int, int], blocks: int) -> None:
    stages = drawn_stages(np.random.default_rng(seed), *block, blocks)
    for fast, plain in zip(decisions(False, stages), decisions(True, stages), strict=True):
        assert np.array_equal(fast, plain)


def test_drawn_entries_stay_and_are_lowered_and_dropped() -> None:
    stages = drawn_stages(np.random.default_rng(4), 1, 6, 20)
    magnitudes, costs = decisions(True, stages)
    size = np.abs(stages["coefficients"][: magnitudes.size]).astype(np.float64) / STEP
    rounded, is_between = np.floor(size + 0.5), np.abs(size % 1 - 0.5) < 1 / 128  # which depends on the last bits
    change = (rounded - magnitudes)[(magnitudes > 0) & ~is_between]
    assert set(np.unique(change)) == {0, 1}
    assert np.any((magnitudes == 0) & (rounded == 1))
    assert np.all(costs.reshape(-1, 2)[:, 1] > 0)


# --- predictions of blocks with vectors against the plain ones


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from((8, 16, 32, 64)), st.integers(1, 11), st.integers(1, 11))
def test_predictions_with_vectors_are_the_plain_ones(seed: int, n: int, ay: int, ax: int) -> None:
    rng, m = np.random.default_rng(seed), n // 8
    size, limit = (2, max(ay, m), max(ax, m)), int(rng.choice([300, 1 << 21]))
    samples = rng.integers(-limit, limit + 1, 128 * size[1] * size[2], np.int32)
    z, y, x = (int(rng.integers(0, k)) for k in (2, size[1] // m, size[2] // m))
    at = (z * size[1] + y * m) * size[2] + x * m
    for number in sorted(prediction.allowed((z, y * m, x * m), 6 if n == 64 else 0) - {prediction.NONE}):
        plain, fast = (np.zeros(n * n, np.int32) for _ in range(2))
        for out, which in ((plain, True), (fast, False)):
            _phases.predict_samples(which, samples, *size, at, n, number, out)
        assert np.array_equal(plain, fast), number
        whole = samples.reshape(2, 8 * size[1], 8 * size[2])
        expected = prediction.predicted(whole, size, (z, y * m, x * m), n, number)
        assert np.array_equal(plain.reshape(n, n), expected), number


# --- kernels of every instruction set against the baseline


def by_kernel(names: list[str], work: Any) -> list[Any]:
    results = []
    for name in names:
        assert _core.select_kernels(name)
        results.append(work())
    return results


@given(case=cases())
def test_any_array_is_coded_alike_by_every_kernel(case: Case, each_kernel: list[str]) -> None:
    array, arguments = case.array, case.arguments
    try:
        blobs = by_kernel(each_kernel, lambda: mmip.encode(array, **arguments))
    except MmipError:
        return
    assert blobs[1:] == blobs[:-1]
    for options in ({}, {"stages": 1}, {"scale": 2}):
        found = by_kernel(each_kernel, lambda options=options: mmip.decode(blobs[0], **options))
        assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("case", ["volume", "image", "classes"])
def test_kernels_and_threads_write_the_same_bytes(effort: int, case: str, each_kernel: list[str]) -> None:
    array = soft_volume() if case == "volume" else make("textured", (200, 230), "uint16", 5)
    options = {"roi": "threshold:40000", "roi_quality": "lossless"} if case == "classes" else {}
    blobs = [
        by_kernel(each_kernel, lambda t=threads: mmip.encode(array, quality=12, effort=effort, threads=t, **options))
        for threads in (1, 3)
    ]
    assert len({blob for each in blobs for blob in each}) == 1


# --- batches of a device against one after the other


@pytest.mark.parametrize("descending", [False, True])
def test_a_batch_is_encoded_as_its_chunks_are(descending: bool) -> None:
    executor = HostExecutor(descending)
    chunks = [Chunk(executor.upload(array), plan) for array, plan in CHUNKS]
    alone = [encode_batch(executor, [chunk], ROUNDING)[0] for chunk in chunks]
    for together, single in zip(encode_batch(executor, chunks, ROUNDING), alone, strict=True):
        assert together.payloads == single.payloads
        assert (together.offset, together.recon) == (single.offset, single.recon)
        assert together.errors == single.errors


@pytest.mark.parametrize("descending", [False, True])
def test_a_batch_is_decoded_as_its_chunks_are(descending: bool) -> None:
    jobs = [job_of(blob) for blob in batch()]
    for together, job in zip(decoded(jobs, descending), jobs, strict=True):
        assert np.array_equal(together, decoded([job], descending)[0])


# --- bytes by ranges against all of them


def part_by_ranges(blob: bytes, wanted: Wanted) -> tuple[NDArray[Any], int]:
    """The part, out of nothing but the ranges that its extent names, and how many bytes of payloads they are."""
    header, read = open_container(blob)
    codec = codec_of(header)
    held = [Sparse(size) for size in header.payload_sizes]
    fetched = [np.zeros(size, bool) for size in header.payload_sizes]
    complete = False
    while not complete:
        spans, complete = codec.extent(header, lambda stage, a, b: held[stage - 1].part(a, b), wanted)
        for stage, first, end in spans:
            held[stage - 1].put((first, end), read(stage, first, end))
            fetched[stage - 1][first:end] = True
    found = codec.decode(header, lambda stage, a, b: memoryview(held[stage - 1].data)[a:b], wanted, Limits())
    return found, sum(int(stage.sum()) for stage in fetched)


@given(case=cases(), seed=st.integers(0, 2**32), scale=st.sampled_from([1, 2, 4, 8]))
def test_a_part_by_ranges_is_that_of_the_whole(case: Case, seed: int, scale: int) -> None:
    try:
        blob = mmip.encode(case.array, **case.arguments)
        whole = mmip.decode(blob, scale=scale)
    except MmipError:
        return
    rng = np.random.default_rng(seed)
    for _ in range(3):
        edges = [sorted(rng.integers(0, n + 1, 2)) for n in whole.shape]
        region = tuple(slice(int(a), int(b)) for a, b in edges)
        found, _ = part_by_ranges(blob, Wanted(scale=scale, region=region))
        assert np.array_equal(found, whole[region])


def test_a_small_part_takes_few_bytes() -> None:
    blob = mmip.encode(soft_volume(), quality=40, cell_depth=1)
    _, few = part_by_ranges(blob, Wanted(region=(slice(3, 4), slice(10, 20), slice(0, 9))))
    _, every = part_by_ranges(blob, Wanted())
    assert 0 < few < every / 2
    assert every == sum(open_container(blob)[0].payload_sizes)
