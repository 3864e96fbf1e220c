"""Efforts 2 and 3 on the device, run on the CPU: palettes, large blocks and later passes, equal to the core's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_arrays import few_values, padded
from helpers.searched_chunks import CHUNKS, plan_of
from helpers.strategies import DTYPES
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmip_gpu import _core
from mmip_gpu.device.encode import search
from mmip_gpu.device.encode.batch import Chunk, encode_batch
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.transform.analysis import ROUNDING, analyze, prepare
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan


def check_chunks(executor: HostExecutor, chunks: list[tuple[NDArray[Any], ChunkPlan]]) -> NDArray[np.int64]:
    """Payloads are those of the codec; returns how many cells have each mode."""
    held = [Chunk(executor.upload(array), plan) for array, plan in chunks]
    modes = np.zeros(_core.MODE_COUNT, np.int64)
    for (array, plan), found in zip(chunks, encode_batch(executor, held, ROUNDING), strict=True):
        assert tuple(found.payloads) == encode_chunk(array, plan, None, allow_raw=False).payloads
        modes += analyze(prepare(array, plan, 1), plan, None).chunk.mode_counts()
    return modes


@pytest.mark.parametrize("descending", [False, True])
def test_every_mode_is_found_where_the_core_finds_it(descending: bool) -> None:
    modes = check_chunks(HostExecutor(descending), CHUNKS)
    assert np.flatnonzero(modes).tolist() == [0, 1, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("effort", [2, 3])
def test_chunks_with_padding(effort: int) -> None:
    plans = [
        plan_of(depth, 300.0, effort, padding=-7, cuts=(0, 9 if depth == 1 else 46, depth * 64 - 1)) for depth in (1, 8)
    ]
    kinds = ("textured", "edges")
    check_chunks(HostExecutor(), [(padded(k, (12, 40, 50), "int16", -7, "ellipsoid"), p) for k in kinds for p in plans])


def test_superblocks_of_several_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_WAVE", 3)
    check_chunks(HostExecutor(), CHUNKS)


@pytest.mark.parametrize("stage", [2, 3])
def test_rates_are_those_of_the_codes_that_would_be_sent(stage: int) -> None:
    builtin = _core.builtin_rates(stage)
    headers = _core.HEADER_CLASSES * _core.HEADER_ALPHABET
    counts = np.zeros(headers + _core.TOKEN_CLASSES * _core.TOKEN_ALPHABET, np.uint32)
    assert np.array_equal(_core.chosen_rates(np.array([stage], np.uint8), np.zeros(1, np.int64), counts, 1), builtin)
    row = slice(headers + 3 * _core.TOKEN_ALPHABET, headers + 4 * _core.TOKEN_ALPHABET)
    often = row.start + 0x25  # a run of 2, size 5: 2 bits after the codeword
    counts[often] = 100000
    chosen = _core.chosen_rates(np.array([stage], np.uint8), np.zeros(1, np.int64), counts, 1)
    assert chosen[often] <= 1 + 2 < builtin[often]
    assert np.array_equal(np.delete(chosen, np.r_[row]), np.delete(builtin, np.r_[row]))


@given(
    st.integers(0, 2**16),
    st.sampled_from((1, 8)),
    st.sampled_from((0.25, 7.0, 60.0, 900.0, 9000.0)),
    st.sampled_from(DTYPES),
    st.sampled_from((2, 3)),
    st.booleans(),
)
def test_any_chunk_of_few_values(seed: int, depth: int, step: float, dtype: str, effort: int, descending: bool) -> None:
    rng = np.random.default_rng(seed)
    most = (18, 40, 40) if depth == 8 else (2, 90, 90)
    shape = tuple(int(rng.integers(1, n, endpoint=True)) for n in most)
    array = few_values(shape, dtype, 2 + seed % 4, seed)
    check_chunks(HostExecutor(descending), [(array, plan_of(depth, step, effort))])
