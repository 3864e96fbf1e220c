"""The package and the reference decoder (tests/reference) are two readers of one format: pixel for pixel, bit for bit.

Also here: bytes that must not depend on threads, kernels, batches or the memory layout of the input.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from numpy.typing import NDArray
from reference import Coefficients, Header
from reference.container import read_header
from reference.geometry import BLOCKS
from reference.random_streams import CASES, random_coefficients, random_own
from reference.synthesis import synthesize
from strategies import Case, cases, make, make_roi
from vectors.explain import explain
from vectors.write import FOLDER, checksum, file_of, input_of, recipes

import mmip_gpu as mmip
from mmip_gpu import _core

MOST_STAGES = {1: 17, 2: 16, 4: 2, 8: 1}  # that a scale reads


def selected(names: list[str]) -> Iterator[str]:
    for name in names:
        assert _core.select_kernels(name)
        assert _core.selected_kernels() == name
        yield name


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


# --- bytes that depend on the array and the options alone

BYTES_CASES = [
    Case("half", (90, 130), "uint16", 11, "yx", {"quality": 5}, 3),
    Case("textured", (40, 70, 60), "uint16", 12, "zyx", {"psnr": 45, "cell_depth": 8}),
    Case("slices", (32, 48, 64), "int16", 13, "zyx", {"quality": 1, "roi_quality": "lossless", "cell_depth": 8}, 2),
    Case("textured", (2, 60, 70, 3), "uint8", 14, "nyxc", {"quality": 40}),
    Case("textured", (17, 33, 65), "int8", 15, "zyx", {"lossless": True, "stages": 3}),
    Case("smooth", (100, 100), "uint16", 16, "yx", {"quality": 10}),
    Case("textured", (32, 64, 64), "uint16", 3, "zyx", {"quality": 440, "cell_depth": 8}),
]


@pytest.fixture(params=BYTES_CASES, ids=lambda case: f"{case.kind}-{case.dtype}-{case.seed}")
def bytes_case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_threads_do_not_change_bytes_or_pixels(bytes_case: Case) -> None:
    array, arguments = bytes_case.array, bytes_case.arguments
    blobs = [mmip.encode(array, threads=threads, **arguments) for threads in (1, 2, 3, None)]
    assert blobs[1:] == blobs[:-1]
    decoded = [mmip.decode(blobs[0], threads=threads) for threads in (1, 2, 3)]
    assert all(np.array_equal(decoded[0], other) for other in decoded[1:])


def test_no_kernel_is_selected_that_is_not_there(each_kernel: list[str]) -> None:
    assert not _core.select_kernels("no such kernels")
    assert _core.selected_kernels() in each_kernel


@pytest.mark.parametrize("threads", [1, 2, None])
def test_batches_do_not_change_bytes(threads: int | None) -> None:
    arrays = [make(kind, (50, 60), "uint16", 20) for kind in ("half", "smooth", "noise", "constant")]
    options: dict[str, Any] = {"quality": 8, "stages": 4, "roi": "threshold:40000"}
    singles = [mmip.encode(array, **options) for array in arrays]
    assert mmip.encode_batch(arrays, threads=threads, **options) == singles
    assert mmip.encode_batch(np.stack(arrays), threads=threads, **options) == singles
    assert mmip.encode_batch([], threads=threads, **options) == []
    for scale in (1, 2):
        decoded = mmip.decode_batch(singles, threads=threads, scale=scale)
        assert len(decoded) == len(singles)
        for found, blob in zip(decoded, singles, strict=True):
            assert np.array_equal(found, mmip.decode(blob, scale=scale))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


def spread(array: NDArray[Any]) -> NDArray[Any]:
    """The same samples as every second one of a larger array."""
    wide = np.full([2 * n for n in array.shape], 77, array.dtype)
    wide[tuple(slice(None, None, 2) for _ in array.shape)] = array
    return wide[tuple(slice(None, None, 2) for _ in array.shape)]


def reversed_twice(array: NDArray[Any]) -> NDArray[Any]:
    """The same samples behind negative strides."""
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


LAYOUT_CHANGES = {
    "fortran": np.asfortranarray,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": read_only,
    "strided": spread,
    "negative-strides": reversed_twice,
    "offset": lambda array: (
        np.frombuffer(b"\0" + array.tobytes(), np.uint8, offset=1).view(array.dtype).reshape(array.shape)
    ),
}


@pytest.mark.parametrize("change", LAYOUT_CHANGES)
def test_memory_layout_does_not_change_bytes(bytes_case: Case, change: str) -> None:
    array = bytes_case.array
    changed = LAYOUT_CHANGES[change](array)
    assert np.array_equal(changed, array)
    arguments = bytes_case.arguments
    expected = mmip.encode(array, **arguments)
    assert mmip.encode(changed, **arguments) == expected
    if "roi" in arguments and change not in ("big-endian", "offset"):
        arguments["roi"] = LAYOUT_CHANGES[change](arguments["roi"])
        assert mmip.encode(array, **arguments) == expected


def test_forms_of_a_mask_do_not_change_bytes() -> None:
    array = make("textured", (40, 50), "uint16", 30)
    mask = make_roi(array, "yx", 2, 31)
    expected = mmip.encode(array, quality=5, roi=mask)
    for form in (mask.astype(bool), mask.astype(np.int64), np.asfortranarray(mask), mask.tolist()):
        assert mmip.encode(array, quality=5, roi=form) == expected


# --- golden vectors (tests/vectors): written once by write.py, only read here

INDEX: dict[str, dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())


def test_the_index_lists_the_files() -> None:
    assert {file_of(name) for name in INDEX} == set(FOLDER.glob("*.mmip"))
    assert INDEX.keys() == recipes().keys()
    sizes = [path.stat().st_size for path in FOLDER.glob("*.mmip")]
    assert max(sizes) < 50_000
    assert sum(sizes) < 400_000


@pytest.fixture(params=INDEX)
def vector(request: pytest.FixtureRequest) -> tuple[dict[str, Any], bytes]:
    entry, blob = INDEX[request.param], file_of(request.param).read_bytes()
    assert hashlib.sha256(blob).hexdigest() == entry["sha256"]
    return entry, blob


def test_vectors_decode(vector: tuple[dict[str, Any], bytes], each_kernel: list[str]) -> None:
    entry, blob = vector
    decoded = entry["decoded"]
    for _ in selected(each_kernel):
        for stages, expected in enumerate(decoded["stages"], 1):
            found = mmip.decode(blob, stages=stages)
            assert checksum(found) == expected
            assert found.dtype == decoded["dtype"]
        for scale, expected in decoded["scales"].items():
            assert checksum(mmip.decode(blob, scale=int(scale))) == expected


def test_vectors_decode_by_the_reference(vector: tuple[dict[str, Any], bytes]) -> None:
    entry, blob = vector
    header, _ = read_header(blob)
    if header.kind == 0:
        found = {str(scale): checksum(reference.decode(blob, scale=scale)) for scale in MOST_STAGES}
    else:
        coefficients = reference.decode_coefficients(blob)
        stages = range(1, header.stage_count + 1)
        whole = [checksum(synthesize(coefficients.first(k), header)) for k in stages]
        assert whole == entry["decoded"]["stages"]
        found = {
            str(scale): checksum(synthesize(coefficients.first(most), header, scale))
            for scale, most in MOST_STAGES.items()
        }
    assert found == entry["decoded"]["scales"]


@pytest.mark.parametrize("name", [name for name, entry in INDEX.items() if entry["input"]])
def test_vectors_are_reproduced(name: str, each_kernel: list[str]) -> None:
    array, options = input_of(INDEX[name])
    assert INDEX[name]["input"] == recipes()[name]["input"]
    for kernel in selected(each_kernel):
        assert mmip.encode(array, **options) == file_of(name).read_bytes(), kernel


def test_vectors_hold_every_mode() -> None:
    seen = set()
    for name in INDEX:
        blob = file_of(name).read_bytes()
        header, _ = read_header(blob)
        if header.kind == 1:
            blocks = reference.decode_coefficients(blob, stages=2).stages[0].values()
            seen |= {(header.cell_depth, mode) for mode, _ in blocks}
    assert seen == set(BLOCKS)


def test_the_worked_example() -> None:
    """The bytes and samples of example.txt, which FORMAT.md points to, are those of the vector."""
    text = (FOLDER / "example.txt").read_text()
    blob = file_of("example").read_bytes()
    table, samples = text.split("\nsamples\n")
    shown = re.findall(r"^ +(\d+)  ((?:[0-9a-f]{2} ?)+)", table, flags=re.MULTILINE)
    assert bytes.fromhex("".join(piece for _, piece in shown)) == blob
    assert [int(offset) for offset, _ in shown] == list(np.cumsum([0, *(len(bytes.fromhex(p)) for _, p in shown)])[:-1])
    expected = np.array([row.split() for row in samples.splitlines()], np.uint8)
    assert np.array_equal(mmip.decode(blob), expected)
    assert np.array_equal(reference.decode(blob), expected)
    assert explain(blob) == text
