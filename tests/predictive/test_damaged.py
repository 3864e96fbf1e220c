"""Damaged containers of kind 2: an error of our kinds, or an array; never a crash, and no memory for what cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import reference
from helpers.damage import header_of, with_crc
from helpers.single_payloads import resealed_payload, with_own_field, with_payload

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header

ERRORS = (mmip.CorruptData, mmip.TruncatedData, mmip.UnsupportedVersion, mmip.LimitExceeded)


def walk(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, 3, shape)
    return (np.rint(steps.cumsum(axis=-1)) % 251).astype(dtype)


def small_cases() -> dict[str, bytes]:
    """One container for each form of parameters."""
    rng = np.random.default_rng(6)
    colours = rng.integers(0, 256, (5, 3), np.uint8)
    speckled = np.where(rng.random((30, 50)) < 0.04, rng.integers(0, 250, (30, 50)), 7).astype(np.uint8)
    return {
        "2d": mmip.encode(walk((40, 90), "uint16", 1), lossless=True),
        "3d": mmip.encode(walk((4, 20, 24), "int16", 2).repeat(2, 0), lossless=True),
        "ranks": mmip.encode(walk((40, 60), "uint16", 3) % 16 * 501, lossless=True),
        "colour": mmip.encode(walk((24, 40, 1), "uint8", 4) + np.arange(3, dtype=np.uint8), lossless=True, axes="yxc"),
        "palette": mmip.encode(colours[rng.integers(0, 5, (40, 30))], lossless=True, axes="yxc"),
        "runs": mmip.encode(speckled, lossless=True),
        "near": mmip.encode(walk((9, 20, 24), "int16", 7), max_error=2, effort=1),
        "wide": mmip.encode(walk((30, 40), "int16", 5).astype(np.float32) * 1000, lossless=True, step=1.0),
    }


CASES = small_cases()
EACH = pytest.mark.parametrize("name", CASES)


def outcome(blob: bytes) -> str:
    try:
        mmip.decode(blob, max_bytes=1 << 22, threads=1)
    except ERRORS as error:
        return type(error).__name__
    return "decoded"


def both(blob: bytes) -> str:
    """What became of it, by the core and by the reference, which agree."""
    try:
        expected = reference.decode(blob)
    except (reference.CorruptError, reference.UnsupportedError):
        with pytest.raises(ERRORS):
            mmip.decode(blob)
        return "refused"
    assert np.array_equal(mmip.decode(blob), expected)
    return "decoded"


def substreams_of(blob: bytes) -> int:
    header, _ = Header.parse(blob)
    return int(header.fields.substreams(header.layout))


def flipped(data: bytes, bit: int) -> bytes:
    broken = bytearray(data)
    broken[bit // 8] ^= 0x80 >> bit % 8
    return bytes(broken)


def test_cases_are_of_kind_2() -> None:
    kinds = {name: mmip.inspect(blob)["kind"] for name, blob in CASES.items()}
    assert set(kinds.values()) == {"predictive"}
    assert mmip.inspect(CASES["palette"])["config"]["colour_form"] == 3
    assert mmip.inspect(CASES["3d"])["config"]["brick_log2"][0] > 0


@EACH
def test_every_truncation_is_truncated_data(name: str) -> None:
    blob = CASES[name]
    for end in range(len(blob)):
        with pytest.raises(mmip.TruncatedData):
            mmip.decode(blob[:end])
    for tail in (b"\0", blob):
        with pytest.raises(mmip.CorruptData):
            mmip.decode(blob + tail)


@EACH
def test_flipped_bits_are_detected(name: str) -> None:
    """All of the header, and a third of the others."""
    blob = CASES[name]
    size = 8 * header_of(blob)
    for bit in (*range(size), *range(size, 8 * len(blob), 3)):
        with pytest.raises(ERRORS):
            mmip.decode(flipped(blob, bit))


@EACH
def test_flipped_bits_of_the_header_behind_its_crc(name: str) -> None:
    blob, seen = CASES[name], Counter[str]()
    size = header_of(blob)
    for bit in range(64, 8 * (size - 4)):
        seen[outcome(with_crc(flipped(blob[:size], bit)) + blob[size:])] += 1
    assert seen["CorruptData"] > 100
    assert seen["decoded"] > 0


@EACH
def test_flipped_bits_of_the_head_behind_its_crc(name: str) -> None:
    """Sizes, the number of parameters, the index, and crcs of groups."""
    blob = CASES[name]
    payload = blob[header_of(blob) :]
    seen = Counter(outcome(with_payload(blob, flipped(payload, bit))) for bit in range(8 * 12))
    assert set(seen) <= {"CorruptData", "TruncatedData", "LimitExceeded", "decoded"}
    assert seen["CorruptData"] > 60


def test_resealing_keeps_the_samples() -> None:
    for blob in CASES.values():
        assert np.array_equal(mmip.decode(resealed_payload(blob, substreams_of(blob))), mmip.decode(blob))


def flip(bit: int) -> Callable[[bytearray], None]:
    def damage(data: bytearray) -> None:
        data[bit // 8] ^= 0x80 >> bit % 8

    return damage


@EACH
def test_every_damaged_bit_of_the_parameters(name: str) -> None:
    """Behind all crcs: refused, or an array."""
    blob, seen = CASES[name], Counter[str]()
    count = substreams_of(blob)
    size = int.from_bytes(blob[header_of(blob) + 4 :][:4], "little")
    for bit in range(8 * size):
        seen[outcome(resealed_payload(blob, count, parameters=flip(bit)))] += 1
    assert set(seen) <= {"CorruptData", "TruncatedData", "decoded"}
    assert seen["CorruptData"] > 0


def cut(size: int) -> Callable[[bytearray], None]:
    def damage(data: bytearray) -> None:
        del data[size:]

    return damage


@EACH
def test_parameters_that_are_cut_or_longer(name: str) -> None:
    blob = CASES[name]
    count, size = substreams_of(blob), int.from_bytes(blob[header_of(blob) + 4 :][:4], "little")
    for length in range(size):
        assert outcome(resealed_payload(blob, count, parameters=cut(length))) in {"CorruptData", "TruncatedData"}
    for tail in (b"\0", b"\xff" * 5):
        assert (
            outcome(resealed_payload(blob, count, parameters=lambda data, tail=tail: data.extend(tail)))
            == "CorruptData"
        )


@EACH
def test_damaged_substreams(name: str, each_kernel: list[str]) -> None:
    """Flipped, cut and longer ones: every kernel says the same."""
    blob, rng = CASES[name], np.random.default_rng(8)
    count, seen = substreams_of(blob), Counter[str]()

    def damage(streams: list[bytearray]) -> None:
        stream = streams[int(rng.integers(0, len(streams)))]
        action = rng.integers(0, 4)
        if action < 2:
            stream[int(rng.integers(0, len(stream)))] ^= int(1 << rng.integers(0, 8))
        elif action == 2:
            del stream[int(rng.integers(1, len(stream) + 1)) :]
        else:
            stream.extend(rng.bytes(int(rng.integers(1, 9))))

    for _ in range(150):
        bad = resealed_payload(blob, count, bodies=damage)
        results = set()
        for kernel in each_kernel:
            assert _core.select_kernels(kernel)
            results.add(outcome(bad) if outcome(bad) != "decoded" else mmip.decode(bad).tobytes())
        assert len(results) == 1
        (result,) = results
        seen[result if isinstance(result, str) else "decoded"] += 1
    assert seen["CorruptData"] + seen["TruncatedData"] > 10


@pytest.mark.parametrize(("name", "part"), [*product(CASES, range(2))])
def test_damage_decodes_as_the_reference_says(name: str, part: int) -> None:
    blob, rng = CASES[name], np.random.default_rng(part)
    count, size = substreams_of(blob), int.from_bytes(blob[header_of(blob) + 4 :][:4], "little")

    def damage(streams: list[bytearray]) -> None:
        stream = streams[int(rng.integers(0, len(streams)))]
        stream[int(rng.integers(0, len(stream)))] ^= int(1 << rng.integers(0, 8))

    for _ in range(4):
        both(resealed_payload(blob, count, bodies=damage))
        both(resealed_payload(blob, count, parameters=flip(int(rng.integers(0, 8 * size)))))


FIELDS = {  # offset in the own fields, size
    "colour_form": (0, 1), "tile z": (1, 1), "tile y": (2, 1), "tile x": (3, 1), "brick z": (4, 1), "brick y": (5, 1),
    "brick x": (6, 1), "origin": (7, 4), "bits": (11, 1), "near": (12, 4),
}  # fmt: skip
REFUSED = [
    ("colour_form", 4), ("colour_form", 255), ("tile z", 6), ("tile y", 12), ("tile x", 11), ("tile x", 255),
    ("brick z", 18), ("brick y", 0), ("brick x", 255), ("origin", 65536), ("origin", 2**31), ("bits", 0), ("bits", 21),
    ("bits", 255), ("near", 2**22), ("near", 2**32 - 1),
]  # fmt: skip


def with_field(blob: bytes, field: str, value: int) -> bytes:
    at, width = FIELDS[field]
    return with_own_field(blob, at, value, width)


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_fields_outside_their_ranges_are_corrupt(field: str, value: int) -> None:
    bad = with_field(CASES["2d"], field, value)
    with pytest.raises(mmip.CorruptData):
        mmip.inspect(bad)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)


def test_a_field_in_its_range_is_accepted() -> None:
    blob = CASES["2d"]
    assert with_field(blob, "near", 0) == blob
    assert np.array_equal(
        mmip.decode(with_field(blob, "origin", 5)), mmip.decode(blob) + 5 - int(mmip.decode(blob).min())
    )


def test_symbols_of_larger_residuals_than_values_have_are_corrupt() -> None:
    blob = mmip.encode(walk((60, 90), "uint8", 9), max_error=1, effort=1)  # has no ranks
    assert {both(with_field(blob, "bits", bits)) for bits in range(1, 21)} == {"refused", "decoded"}
    with pytest.raises(mmip.CorruptData, match="larger residuals"):
        mmip.decode(with_field(blob, "bits", 2))


@pytest.mark.parametrize("state", [1, 2, 3, 255])
def test_a_resource_of_kind_2_is_corrupt(state: int) -> None:
    blob = CASES["2d"]
    size, extra = header_of(blob), {1: 32, 2: 36}.get(state, 0)
    at = size - 33
    header = blob[:at] + bytes([state]) + (b"\1" * extra)[:extra] + blob[at + 1 : size]
    header = header[:6] + len(header).to_bytes(2, "little") + header[8:]
    with pytest.raises(mmip.CorruptData):
        mmip.decode(with_crc(header) + blob[size:])


@pytest.mark.parametrize(("shape", "bytes_of_payload"), [((2**16, 2**16), 10**6), ((2**24 - 1, 2**23), 2**40)])
def test_hostile_sizes_take_no_memory(shape: tuple[int, int], bytes_of_payload: int) -> None:
    """A shape of many tiles over a small payload: refused before anything is allocated."""
    blob = CASES["2d"]
    size = header_of(blob)
    at = 12 + 2
    header = blob[:at] + b"".join(n.to_bytes(4, "little") for n in shape) + blob[at + 8 : size]
    changed = with_crc(header[:-16] + bytes_of_payload.to_bytes(8, "little") + header[-8:])
    for tail in (blob[size:], bytes(1000)):
        with pytest.raises(ERRORS):
            mmip.decode(changed + tail)
        with pytest.raises(ERRORS):
            mmip.decode(changed + tail, region=(slice(0, 1), slice(0, 1)))
