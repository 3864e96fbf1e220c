"""The compiled core by itself: codes, colour, differences."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from helpers.strategies import DTYPES, make
from hypothesis import given
from hypothesis import strategies as st

from mmip_gpu import _core


def huffman_cost(counts: list[int]) -> int:
    """Bits of an unlimited Huffman code: the sum of all merged weights."""
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


@given(counts=st.lists(st.integers(0, 1 << 20), max_size=417))
def test_code_lengths_are_complete_and_optimal_but_for_the_limit(counts: list[int]) -> None:
    lengths = _core.code_lengths(counts, _core.CODE_LIMIT)
    used = [length for length in lengths if length]
    assert [length > 0 for length in lengths] == [count > 0 for count in counts]
    if len(used) < 2:
        assert used in ([], [1])
        return
    assert max(used) <= _core.CODE_LIMIT
    assert sum(2.0**-length for length in used) == 1
    cost = sum(count * length for count, length in zip(counts, lengths, strict=True))
    free = _core.code_lengths(counts, 40)
    assert sum(count * length for count, length in zip(counts, free, strict=True)) == huffman_cost(counts)
    assert cost >= huffman_cost(counts)
    if max(free) <= _core.CODE_LIMIT:
        assert cost == huffman_cost(counts)


def test_code_lengths_within_a_tight_limit() -> None:
    counts = [1, 1, 2, 3, 5, 8, 13, 21]
    assert _core.code_lengths(counts, 3) == [3] * 8
    lengths = _core.code_lengths(counts, 4)
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) == 4
    assert sum(2.0**-length for length in lengths) == 1


def test_colour_is_its_own_inverse_and_that_of_the_format() -> None:
    planes = np.random.default_rng(1).integers(-65535, 65536, (4, 3, 500)).astype(np.int32)
    red, green, blue = (planes[:, i].astype(np.int64) for i in range(3))
    orange = red - blue
    t = blue + (orange >> 1)
    violet = green - t
    expected = np.stack([t + (violet >> 1), orange, violet], axis=1)
    coded = planes.copy()
    _core.colour_planes(coded, True)
    assert np.array_equal(coded, expected)
    _core.colour_planes(coded, False)
    assert np.array_equal(coded, planes)


@pytest.mark.parametrize("dtype", DTYPES)
def test_differences(dtype: str) -> None:
    info = np.iinfo(dtype)
    a, b = make("noise", (70, 60), dtype, 1), make("noise", (70, 60), dtype, 2)
    d = a.astype(np.int64) - b
    assert _core.difference(a, b, 1) == (int((d * d).sum()), int(np.abs(d).max()))
    low, high = np.full(1000, info.min, dtype), np.full(1000, info.max, dtype)
    span = int(info.max) - int(info.min)
    assert _core.difference(low, high, 1) == _core.difference(high, low, 1) == (1000 * span * span, span)
    assert _core.difference(low[:0], high[:0], 1) == (0, 0)


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("threads", [1, 3])
def test_differences_of_classes(depth: int, threads: int) -> None:
    rng, shape = np.random.default_rng(depth), (2, 11, 21, 45)
    grid = (2, -(-11 // depth), 3, 6)
    for dtype in DTYPES:
        a, b = make("noise", shape, dtype, 1), make("noise", shape, dtype, 2)
        cells = rng.integers(0, 3, grid).astype(np.uint8)
        voxels = cells.repeat(depth, 1)[:, :11].repeat(8, 2)[:, :, :21].repeat(8, 3)[..., :45]
        squares = (a.astype(np.int64) - b) ** 2
        expected = [int(squares[voxels == c].sum()) for c in range(4)]
        assert _core.differences(a, b, cells, depth, 4, threads) == expected
        assert sum(expected) == _core.difference(a, b, threads)[0]
        for other, classes in ((cells[:, :, :2], 4), (cells, int(cells.max()))):
            with pytest.raises(ValueError, match=r"class"):
                _core.differences(a, b, np.ascontiguousarray(other), depth, classes, threads)


def test_differences_of_other_arrays_are_refused() -> None:
    a = np.zeros(4, np.uint8)
    for other in (np.zeros(5, np.uint8), np.zeros(4, np.int8), np.zeros(4, np.float32)):
        with pytest.raises(ValueError, match=r"differ|not integers"):
            _core.difference(a, other, 1)
    with pytest.raises(ValueError, match="not supported"):
        _core.difference(np.zeros(4, np.int64), np.zeros(4, np.int64), 1)
