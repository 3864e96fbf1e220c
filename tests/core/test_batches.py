"""What the core does for all payloads of a batch at once: codes, rates, joining, heads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.config import CodecConfig
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch, ChunkShape, tile_items
from mmip_gpu.errors import CorruptData
from mmip_gpu.transform.chunk import encode_chunk
from mmip_gpu.transform.plan import ChunkPlan
from mmip_gpu.volume.axes import PlaneLayout

HEADERS = _core.HEADER_CLASSES * _core.HEADER_ALPHABET
DC_SYMBOLS = _core.DC_CLASSES * _core.DC_ALPHABET
AC_SYMBOLS = HEADERS + _core.TOKEN_CLASSES * _core.TOKEN_ALPHABET
STAGES = np.array([1, 2, 3, 2], np.uint8)
FIRSTS = np.cumsum([0, DC_SYMBOLS, AC_SYMBOLS, AC_SYMBOLS])


def counts() -> np.ndarray:
    rng = np.random.default_rng(5)
    found = np.exp(rng.normal(-2, 3, FIRSTS[-1] + AC_SYMBOLS)).astype(np.uint32)
    found[FIRSTS[-1] :] = 0  # a payload without symbols
    return found


def package_merge(weights: list[int], limit: int) -> list[int]:
    """Lengths of an optimal code by the definition: symbols of weight 0 get 0, of equal weights a leaf goes first."""
    leaves = sorted((w, s) for s, w in enumerate(weights) if w)
    if len(leaves) == 1:
        return [int(w > 0) for w in weights]
    items: list[tuple[int, list[int]]] = []
    for _ in range(limit):
        pairs = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(items[::2], items[1::2], strict=False)]
        items = sorted([(w, [s]) for w, s in leaves] + pairs, key=lambda item: item[0])
    taken = [s for _, symbols in items[: 2 * len(leaves) - 2] for s in symbols]
    return [taken.count(s) for s in range(len(weights))]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=24).filter(any), st.integers(5, 12))
def test_code_lengths_break_ties_as_package_merge_does(weights: list[int], limit: int) -> None:
    assert _core.code_lengths(weights, limit) == package_merge(weights, limit)


def test_codes_do_not_depend_on_threads_and_bound_the_bits() -> None:
    images, weights = np.zeros(4, np.uint8), np.zeros(4 * _core.DC_WEIGHTS, np.int8)
    heads, words, bits = _core.choose_codes(STAGES, images, weights, FIRSTS, counts(), 1)
    again = _core.choose_codes(STAGES, images, weights, FIRSTS, counts(), 3)
    assert heads == again[0]
    assert np.array_equal(words, again[1])
    assert np.array_equal(bits, again[2])
    codewords = np.add.reduceat(counts().astype(np.int64) * (words & 31), FIRSTS)
    assert np.all(bits >= codewords)
    assert bits[-1] == 0
    rates = _core.chosen_rates(STAGES[1:], FIRSTS[1:], counts(), 2).reshape(3, AC_SYMBOLS)
    assert np.array_equal(rates[2], _core.builtin_rates(2))


@pytest.mark.parametrize("first", [-1, 1, 2**62])
def test_counts_outside_the_array_are_refused(first: int) -> None:
    stage, none = np.array([3], np.uint8), np.zeros(1, np.uint8)
    given_counts, firsts = np.zeros(AC_SYMBOLS, np.uint32), np.array([first])
    with pytest.raises(ValueError, match="histograms"):
        _core.choose_codes(stage, none, np.zeros(_core.DC_WEIGHTS, np.int8), firsts, given_counts, 1)
    with pytest.raises(ValueError, match="histograms"):
        _core.chosen_rates(stage, firsts, given_counts, 1)


@pytest.mark.parametrize("place", range(6))
def test_payloads_outside_the_arrays_are_refused(place: int) -> None:
    places = np.array([0, 1, 0, 1, 0, 1])
    arrays = np.ones(1, np.uint32), np.ones(1, np.uint32), np.full(1, 7, np.uint8)
    assert _core.join_payloads([b"\0"], places, *arrays, 1)[0][-1] == 7
    for wrong in (-1, 2, 2**63 - 1):
        changed = places.copy()
        changed[place] = wrong
        with pytest.raises(ValueError, match="outside"):
            _core.join_payloads([b"\0"], changed, *arrays, 1)


def test_a_damaged_head_names_itself_and_the_others_are_read() -> None:
    plan = ChunkPlan(CodecConfig("psnr", 50.0), "yx", False, 1, (0, 2, 2), (0, 8, 63), ((256,),), (0,))
    encoded = encode_chunk(mmip.phantom2d(96), plan, allow_raw=False)
    given_heads = [np.frombuffer(p, np.uint8) for p in encoded.payloads]
    damaged = given_heads[1].copy()
    damaged[6] ^= 1
    heads = [given_heads[0], damaged, given_heads[2]]
    sizes, substreams = (
        np.array([h.size for h in heads]),
        np.full(3, encoded.header.fields.substreams(encoded.header.layout)),
    )
    stages, images = np.array([1, 2, 3], np.uint8), np.zeros(3, np.uint8)
    found = _core.PayloadHeads(heads, sizes, substreams, stages, images, True, 2)
    for call in (lambda: found.head(1), lambda: found.tables([0, 1], 1)):
        with pytest.raises(CorruptData, match="crc of the payload head"):
            call()
    with pytest.raises(IndexError):
        found.head(3)
    alone = _core.PayloadHead(heads[2], int(sizes[2]), int(substreams[2]), 3, False, True)
    assert np.array_equal(found.head(2)[2], alone.offsets)
    tables, (_, places) = found.tables([0, 2], 2)
    for (fast, longer, *rest), (alphabet, escape_bits, *wanted) in zip(places, alone.families, strict=True):
        assert rest == [alphabet, escape_bits]
        assert np.array_equal(tables[fast:][: wanted[0].nbytes].view(np.uint32), wanted[0])
        assert np.array_equal(tables[longer:][: wanted[1].nbytes], wanted[1])


def test_a_batch_of_shared_shapes_is_one_of_equal_shapes() -> None:
    plan = ChunkPlan(CodecConfig("psnr", 50.0), "zyx", False, 8, (1, 2, 2), (0, 9, 511), ((256,),), (0,))
    layouts = [PlaneLayout.of(shape) for shape in ((9, 40, 40), (8, 33, 8))]
    one, other = (ChunkShape(layout, plan) for layout in layouts)
    shared, apart = [one, other, one], [one, ChunkShape(layouts[1], plan), ChunkShape(layouts[0], plan)]
    batches = [Batch(HostExecutor(), shapes) for shapes in (shared, apart)]
    for name in ("tiles", "chunks", "payloads", "stages"):
        assert np.array_equal(getattr(batches[0], name), getattr(batches[1], name))
    own = tile_items(other)
    tiles = batches[0].tiles[batches[0].tiles["chunk"] == 1]
    assert np.array_equal(tiles["first_cell"], own["first_cell"] + one.cells)
    assert np.array_equal(tiles["first_entry"], own["first_entry"] + one.cells * one.per_cell)
    assert batches[0].first_cell == [0, one.cells, one.cells + other.cells]
