"""The parts of the reference codec: transforms against their definitions, geometry, codes and bit strings."""

from itertools import product
from math import cos, pi, sqrt
from zlib import crc32

import numpy as np
import pytest

from .bits import BitReader, BitWriter, CorruptError, read_count, split_count
from .codes import BUCKETS, FAMILIES, Code, read_own, write_own
from .geometry import BLOCKS, neighbours, scan
from .random_codes import random_code
from .transforms import dct, factor, idct, ireversible, reversible


@pytest.fixture
def rng(request):
    return np.random.default_rng(crc32(request.node.name.encode()))


# --- transforms


@pytest.mark.parametrize("n", [2, 4, 8, 16, 32])
def test_dct_is_the_orthonormal_cosine_transform(n, rng):
    matrix = np.array(
        [[sqrt((2 if k else 1) / n) * cos((2 * i + 1) * k * pi / (2 * n)) for i in range(n)] for k in range(n)]
    )
    assert np.allclose(matrix @ matrix.T, np.eye(n), atol=1e-12)
    x = rng.integers(-70000, 70000, (1000, 1, 1, n)).astype(np.float32)
    forward = dct(x)
    exact = x.reshape(-1, n).astype(np.float64) @ matrix.T
    assert np.abs(forward.reshape(-1, n) - exact).max() < 0.1
    assert np.abs(idct(forward) - x).max() < 0.1


def test_dct_of_blocks_is_separable_and_keeps_the_energy(rng):
    x = rng.normal(0, 100, (5, 8, 16, 8)).astype(np.float32)
    forward = dct(x)
    assert np.allclose(np.square(forward.astype(float)).sum(), np.square(x.astype(float)).sum(), rtol=1e-5)
    assert np.abs(idct(forward) - x).max() < 1e-2


def test_dct_factors_round_safely():
    """No factor lies so close to the middle of two float32 that float64 could round it wrongly."""
    for length in (2, 4, 8, 16, 32):
        n = length
        while n > 1:
            for k, i in product(range(1, n, 2), range(n // 2)):
                exact = sqrt(2 / length) * cos((2 * i + 1) * k * pi / (2 * n))
                nearest = float(factor(length, n, k, i))
                room = abs(abs(exact - nearest) / float(np.spacing(np.float32(abs(exact)))) - 0.5)
                assert room > 1e-6
            n //= 2


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("limit", [1, 255, 65535, 131071])
def test_reversible_transform_is_exactly_invertible(depth, limit, rng):
    uniform = rng.integers(-limit, limit + 1, (200, depth, 8, 8))
    extreme = rng.choice([-limit, limit], (200, depth, 8, 8))
    signs = np.indices((depth, 8, 8)).sum(axis=0) % 2 * 2 - 1
    constant = np.stack([np.full((depth, 8, 8), limit), limit * signs, -limit * signs])
    x = np.concatenate([uniform, extreme, constant]).astype(np.float32)
    forward = reversible(x)
    assert np.array_equal(forward, np.rint(forward))
    assert np.abs(forward).max() < 1 << 24
    assert np.array_equal(ireversible(forward), x)
    assert np.abs(forward - dct(x)).max() < 32


# --- geometry, codes, bits


@pytest.mark.parametrize(("depth", "mode"), BLOCKS)
def test_scan_is_a_permutation_and_neighbours_come_earlier(depth, mode):
    shape = BLOCKS[depth, mode]
    order = scan(depth, mode)
    assert len(order) == len(set(order.tolist())) == shape.ac_count
    lists = neighbours(depth, mode)
    assert all(other < p for p, found in enumerate(lists) for other, _ in found)


def test_fixed_codes_are_complete():
    for lengths in BUCKETS:
        assert sum(2.0**-length for length in lengths) == 1


@pytest.mark.parametrize("seed", range(20))
def test_own_codes_round_trip(seed, rng):
    for _, alphabet, _ in FAMILIES.values():
        builtin, lengths = random_code(rng, alphabet), random_code(rng, alphabet)
        writer = BitWriter()
        write_own(writer, lengths, builtin)
        assert read_own(BitReader(writer.to_bytes()), builtin) == lengths


@pytest.mark.parametrize("lengths", [[0, 0, 0], [0, 0, 1], [2, 0, 0], [1, 2, 0], [1, 1, 1], [13, 1, 0]])
def test_bad_codes_are_corrupt(lengths):
    with pytest.raises(CorruptError):
        Code(lengths)


def test_counts_and_gamma_round_trip():
    for n in range(5000):
        symbol, bits, raw = split_count(n)
        writer = BitWriter()
        writer.raw(bits, raw)
        writer.gamma(n + 1)
        reader = BitReader(writer.to_bytes())
        assert read_count(reader, symbol) == n
        assert reader.gamma() == n + 1
