"""The package and the reference decoder (tests/reference) are two readers of one format, bit for bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import reference
from helpers.kernel_copies import selected
from helpers.strategies import Case, cases
from hypothesis import given, settings
from reference import Coefficients, Header
from reference.container import read_header
from reference.geometry import BLOCKS
from reference.random_streams import CASES, random_coefficients, random_own
from reference.synthesis import synthesize

import mmip_gpu as mmip

MOST_STAGES = {1: 17, 2: 16, 4: 2, 8: 1}  # that a scale reads


def assert_decodes_alike(blob: bytes, header: Header, coefficients: Coefficients, names: list[str]) -> None:
    """Every number of stages at every scale, on every kernel copy."""
    for scale, most in MOST_STAGES.items():
        expected = synthesize(coefficients.first(1), header, scale)
        for stages in range(1, header.stage_count + 1):
            if 1 < stages <= most:
                expected = synthesize(coefficients.first(stages), header, scale)
            for name in selected(names):
                found = mmip.decode(blob, stages=stages, scale=scale)
                different = int(np.count_nonzero(found != expected))
                assert found.dtype == expected.dtype
                assert different == 0, f"{name}, scale {scale}, stages {stages}: {different} samples differ"


# --- encode, then both decoders


@settings(max_examples=60)
@given(case=cases())
def test_encoded_arrays_decode_alike(case: Case, each_kernel: list[str]) -> None:
    blob = mmip.encode(case.array, **case.arguments)
    header, _ = read_header(blob)
    if header.kind == 0:
        for scale in MOST_STAGES:
            assert np.array_equal(mmip.decode(blob, scale=scale), reference.decode(blob, scale=scale))
        assert np.array_equal(reference.decode(blob), case.array)
        return
    assert_decodes_alike(blob, header, reference.decode_coefficients(blob), each_kernel)


MODE_CASES = {
    "2d": (Case("half", (150, 200), "uint16", 3, "yx", {"quality": 2}), {(1, 0), (1, 4), (1, 5), (1, 6)}),
    "planes": (Case("textured", (3, 70, 70), "uint8", 4, "nyx", {"quality": 40}), {(1, 0), (1, 1), (1, 5)}),
    "3d": (Case("textured", (33, 40, 50), "uint16", 5, "zyx", {"quality": 2, "cell_depth": 8}), {(8, 0), (8, 4)}),
    "half_3d": (Case("half", (20, 64, 64), "uint16", 9, "zyx", {"quality": 40, "cell_depth": 8}), {(8, 1)}),
    "slices": (Case("slices", (32, 40, 48), "uint16", 6, "zyx", {"quality": 1, "cell_depth": 8}), {(8, 0), (8, 3)}),
    "classes": (
        Case("edges", (40, 64, 64), "int16", 7, "zyx", {"quality": 5, "roi_quality": "lossless", "cell_depth": 8}, 3),
        {(8, 0), (8, 4), (8, 7)},
    ),
    "palette": (Case("edges", (150, 140), "uint16", 3, "yx", {"psnr": 42}), {(1, 0), (1, 7)}),
    "palette_3d": (Case("edges", (20, 64, 64), "uint16", 3, "zyx", {"psnr": 40, "cell_depth": 8}), {(8, 0), (8, 7)}),
    "colour": (Case("edges", (64, 72, 3), "uint8", 8, "yxc", {"quality": 5}), {(1, 0), (1, 4), (1, 5)}),
}


@pytest.mark.parametrize("name", MODE_CASES)
def test_encoders_choose_modes_and_decode_alike(name: str, each_kernel: list[str]) -> None:
    case, expected = MODE_CASES[name]
    blob = mmip.encode(case.array, stages=4, padding=None, **case.arguments)
    header, _ = read_header(blob)
    coefficients = reference.decode_coefficients(blob)
    modes = Counter((header.cell_depth, mode) for mode, _ in coefficients.stages[0].values())
    assert expected <= set(modes), modes
    assert_decodes_alike(blob, header, coefficients, each_kernel)


def test_the_mode_cases_cover_all_modes() -> None:
    assert set().union(*(modes for _, modes in MODE_CASES.values())) == set(BLOCKS)


# --- random streams of the reference


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_streams_of_the_reference_decode_alike(name: str, seed: int, each_kernel: list[str]) -> None:
    header = CASES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    coefficients = random_coefficients(rng, header, largest=(3000, 30, 60000)[seed])
    blob = reference.encode(header, coefficients, random_own(rng, header) if seed else {})
    assert_decodes_alike(blob, header, coefficients, each_kernel)


def one_block(q: int) -> tuple[Header, Coefficients]:
    """A cell whose first AC index is q."""
    ac = np.zeros(63, np.int64)
    ac[0] = q
    zeros = np.zeros((1, 1, 1, 1), np.int64)
    return Header((8, 8), "yx"), Coefficients(zeros, zeros, [{(0, 0, 0, 0): (0, ac)}])


@pytest.mark.parametrize("q", [1, 2, 3, (1 << 14) - 1, 1 << 14, (1 << 26) - 2])
def test_large_indices_decode_alike(q: int, each_kernel: list[str]) -> None:
    for signed in (q, -q):
        header, coefficients = one_block(signed)
        assert_decodes_alike(reference.encode(header, coefficients), header, coefficients, each_kernel)


def test_the_largest_index_decodes(each_kernel: list[str]) -> None:
    header, coefficients = one_block((1 << 26) - 1)
    assert_decodes_alike(reference.encode(header, coefficients), header, coefficients, each_kernel)


def test_streams_without_bits_decode_alike(each_kernel: list[str]) -> None:
    """Own codes of one symbol, whose codeword is empty; every sub-stream is one zero byte."""
    header = Header((64, 64), "yx", tile_log2=(0, 2, 2))
    zeros = np.zeros((1, 1, 8, 8), np.int64)
    blocks = {cell: (0, np.zeros(63, np.int64)) for cell in np.ndindex(zeros.shape)}
    own = {(1, "DC", i): [1] + [0] * 32 for i in range(12)}
    own |= {(2, "HEADER", i): [1] + [0] * 256 for i in range(8)}
    coefficients = Coefficients(zeros, zeros, [blocks])
    assert_decodes_alike(reference.encode(header, coefficients, own), header, coefficients, each_kernel)
