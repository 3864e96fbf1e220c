"""Damaged containers of soft compression, their crcs made anew: an error of ours, or the reference's samples."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import reference
from fuzz.fuzz_soft import fuzz, resealed
from helpers.damage import header_of, with_crc

import mmip_gpu as mmip
from mmip_gpu.soft import Codebook, encode

ERRORS = (mmip.CorruptData, mmip.UnsupportedVersion, mmip.LimitExceeded, mmip.MissingResource)


@pytest.fixture(scope="module")
def blob(images: list[np.ndarray], colour_book: Codebook) -> bytes:
    return encode(images[3][:40, :50], colour_book, axes="yxc", embed=True)


def test_every_truncation_is_truncated_data(blob: bytes) -> None:
    for end in range(len(blob)):
        with pytest.raises(mmip.TruncatedData):
            mmip.decode(blob[:end])
    with pytest.raises(mmip.CorruptData):
        mmip.decode(blob + b"\0")


def test_every_flipped_bit_is_detected(blob: bytes) -> None:
    for bit in [*range(8 * header_of(blob)), *range(8 * header_of(blob), 8 * len(blob), 5)]:
        broken = bytearray(blob)
        broken[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(ERRORS):
            mmip.decode(bytes(broken))


def test_every_flipped_bit_of_the_header_behind_its_crc(blob: bytes) -> None:
    size, outcomes = header_of(blob), set()
    for bit in range(64, 8 * (size - 4)):
        broken = bytearray(blob[:size])
        broken[bit // 8] ^= 1 << (bit % 8)
        try:
            mmip.decode(with_crc(bytes(broken)) + blob[size:], max_bytes=1 << 20)
            outcomes.add("read")  # of a field that says what was asked for or reached
        except ERRORS as error:
            outcomes.add(type(error).__name__)
    assert {"read", "CorruptData", "TruncatedData", "UnsupportedVersion", "LimitExceeded"} <= outcomes


def test_sub_streams_are_judged_as_the_reference_does(blob: bytes) -> None:
    rng, outcomes = np.random.default_rng(0), {"error": 0, "samples": 0}
    for _ in range(150):
        changes = [(int(rng.integers(0, 1 << 16)), int(rng.integers(0, 8))) for _ in range(int(rng.integers(1, 4)))]

        def damage(stream: bytearray, changes: list[tuple[int, int]] = changes) -> None:
            for at, bit in changes:
                stream[at % len(stream)] ^= 1 << bit

        broken = resealed(blob, damage)
        try:
            expected = reference.decode(broken)
        except reference.CorruptError:
            with pytest.raises(mmip.CorruptData):
                mmip.decode(broken)
            outcomes["error"] += 1
            continue
        assert np.array_equal(mmip.decode(broken), expected)
        outcomes["samples"] += 1
    assert min(outcomes.values()) > 5


@pytest.mark.parametrize("shape", [(2**30, 2**16), (2**24, 3), (60_000, 60_000)])
def test_hostile_sizes_are_refused_before_memory_is_taken(blob: bytes, shape: tuple[int, int]) -> None:
    size = header_of(blob)
    header = blob[:15] + struct.pack("<2I", *shape) + blob[23:size]
    for limit in (2**60, 2**20):
        with pytest.raises((mmip.CorruptData, mmip.LimitExceeded)):
            mmip.decode(with_crc(header) + blob[size:], max_bytes=limit)
    with pytest.raises(mmip.CorruptData):
        mmip.inspect(with_crc(header) + blob[size:])
    large = header[:-16] + struct.pack("<Q", 2**60) + header[-8:]
    with pytest.raises(mmip.TruncatedData):
        mmip.inspect(with_crc(large) + blob[size:])
    for region in (None, (slice(0, 1), slice(0, 1), slice(0, 3))):
        with pytest.raises((mmip.TruncatedData, mmip.LimitExceeded)):
            mmip.decode(with_crc(large) + blob[size:], region=region)


def test_another_codebook_is_not_taken(blob: bytes, images: list[np.ndarray], colour_book: Codebook) -> None:
    """The hash of the header is that of the embedded bytes."""
    size = header_of(blob)
    for at in (0, 9, len(colour_book.data) - 1):
        broken = bytearray(blob)
        broken[size + at] ^= 1
        with pytest.raises(mmip.CorruptData, match="SHA-256"):
            mmip.decode(bytes(broken))


def test_a_short_run_of_the_fuzzer() -> None:
    seen = fuzz(0, 0, 300)
    assert not [name for name in seen if name.startswith("fault")]
    assert seen["read"] > 5
    assert seen["CorruptData"] > 50
