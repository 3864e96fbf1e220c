"""Damaged containers of labels: an error kind of the package, or what the reference reads."""

from __future__ import annotations

import struct
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import reference
from fuzz.damaged import damaged
from helpers.damage import header_of, with_crc
from reference.container import read_header, write_header
from reference.crc import crc32c
from reference.labels import tile_starts
from reference.payload import GROUP, read_parameters

import mmip_gpu as mmip

# of a container with three axes and samples of 64 bits
FIELDS = {
    "kind": ("B", 8),
    "dtype": ("B", 9),
    "colour": ("B", 11),
    "shape": ("3I", 15),
    "mode": ("B", 27),
    "verified": ("B", 36),
    "minimum": ("Q", 37),
    "maximum": ("Q", 45),
    "sse": ("Q", 53),
    "max_error": ("I", 61),
    "resource": ("B", 65),
    "tile_log2": ("3B", 66),
    "payload_bytes": ("Q", 69),
}
ERRORS = (mmip.CorruptData, mmip.TruncatedData, mmip.UnsupportedVersion, mmip.LimitExceeded)
NAMES = np.array([0, 3, 4, 2**40, 2**63, 2**64 - 1], np.uint64)
SMALL = mmip.encode(
    NAMES[(np.add.outer(np.arange(9) // 3, np.arange(140) // 11) % 6)].repeat(3, 0).reshape(3, 9, 140), labels=True
)


def patched(name: str, value: int | tuple[int, ...]) -> bytes:
    """The container with one field of the header replaced."""
    (form, at), size = FIELDS[name], header_of(SMALL)
    header = bytearray(SMALL[:size])
    struct.pack_into("<" + form, header, at, *(value if isinstance(value, tuple) else (value,)))
    return with_crc(bytes(header)) + SMALL[size:]


def sealed(parameters: bytes, substreams: list[bytes]) -> bytes:
    """The container with other parameters and sub-streams of 16 bits of size, and crcs that fit."""
    header, _ = read_header(SMALL)
    index = b"".join(struct.pack(">H", len(one) - 1) for one in substreams)
    groups = [b"".join(substreams[i : i + GROUP]) for i in range(0, len(substreams), GROUP)]
    head = struct.pack("<I", len(parameters)) + parameters + b"\x10" + index
    head += b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    head = struct.pack("<I", 8 + len(head)) + head
    payload = head + struct.pack("<I", crc32c(head)) + b"".join(groups)
    return write_header(replace(header, payload_bytes=len(payload), payload_crc=crc32c(head))) + payload


def parts() -> tuple[bytes, list[bytes]]:
    """Parameters and sub-streams of the container."""
    header, size = read_header(SMALL)
    return read_parameters(SMALL[size:], header.payload_crc, len(tile_starts(header)))


def outcome(blob: bytes) -> str:
    """Both decoders refuse a container, or read the same from it."""
    try:
        expected = reference.decode(blob)
    except (reference.CorruptError, reference.UnsupportedError):
        with pytest.raises(ERRORS):
            mmip.decode(blob, max_bytes=1 << 20)
        return "refused"
    assert np.array_equal(mmip.decode(blob), expected)
    return "decoded"


def test_sealing_changes_nothing_by_itself() -> None:
    assert outcome(sealed(*parts())) == "decoded"
    assert np.array_equal(mmip.decode(sealed(*parts())), mmip.decode(SMALL))


def test_every_truncation_is_truncated_data() -> None:
    for end in range(len(SMALL)):
        with pytest.raises(mmip.TruncatedData):
            mmip.decode(SMALL[:end])
    with pytest.raises(mmip.CorruptData):
        mmip.decode(SMALL + b"\0")


def test_every_flipped_bit_of_the_header_behind_its_crc() -> None:
    size, found = header_of(SMALL), set()
    for bit in range(64, 8 * (size - 4)):
        broken = bytearray(SMALL)
        broken[bit // 8] ^= 1 << (bit % 8)
        try:
            found.add(type(mmip.decode(with_crc(bytes(broken[:size])) + SMALL[size:], max_bytes=1 << 20)))
        except ERRORS as error:
            found.add(type(error))
    assert {mmip.CorruptData, mmip.LimitExceeded, mmip.UnsupportedVersion} <= found


def test_every_flipped_bit_of_the_payload_is_detected() -> None:
    for bit in range(8 * header_of(SMALL), 8 * len(SMALL)):
        broken = bytearray(SMALL)
        broken[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(mmip.CorruptData):
            mmip.decode(bytes(broken))


def test_every_flipped_bit_of_the_values_behind_the_crcs() -> None:
    parameters, substreams = parts()
    found = []
    for bit in range(8 * len(parameters)):
        broken = bytearray(parameters)
        broken[bit // 8] ^= 1 << (bit % 8)
        found.append(outcome(sealed(bytes(broken), substreams)))
    assert set(found) == {"refused"}  # the last value is no longer the maximum


@pytest.mark.parametrize("seed", range(4))
def test_damaged_substreams_behind_the_crcs(seed: int) -> None:
    random, (parameters, substreams), found = Random(seed), parts(), []
    for _ in range(150):
        number = random.randrange(len(substreams))
        broken = damaged(substreams[number], random) or b"\0"
        found.append(outcome(sealed(parameters, [*substreams[:number], broken, *substreams[number + 1 :]])))
    assert set(found) == {"refused", "decoded"}


def values(count: int, width: int, *gaps: int) -> bytes:
    """Parameters: a number of values, and one block of gaps."""
    bits = format(count, "032b") + format(width, "07b") + "".join(format(gap, f"0{width}b") for gap in gaps if width)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        values(0, 0),
        values(1, 0),
        values(2, 64, 2**64 - 2) + b"\0",
        values(3, 64, 2**64 - 2, 0),
        values(3, 63, 2**63 - 1, 2**63 - 1),
        values(2, 65, 2**64 - 2),
        values(2**32 - 1, 0),
        values(5000, 0),
        values(3, 0),
    ],
)
def test_values_that_cannot_be(parameters: bytes) -> None:
    assert outcome(sealed(parameters, parts()[1])) == "refused"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tile_log2", (20, 20, 20)),
        ("tile_log2", (0, 0, 21)),
        ("resource", 1),
        ("resource", 3),
        ("payload_bytes", 0),
        ("payload_bytes", 2**63),
        ("mode", 4),
        ("verified", 0),
        ("minimum", 1),
        ("maximum", 5),
        ("sse", 1),
        ("max_error", 1),
        ("dtype", 0),
        ("dtype", 4),
        ("dtype", 9),
        ("kind", 1),
        ("kind", 2),
        ("colour", 1),
        ("shape", (3, 0, 140)),
    ],
)
def test_header_fields_out_of_range(name: str, value: int | tuple[int, ...]) -> None:
    with pytest.raises(ERRORS):
        mmip.decode(patched(name, value))


def test_sizes_are_checked_before_memory_is_taken() -> None:
    for shape in ((2**16, 2**16, 2**15), (1, 1, 2**32 - 1)):
        with pytest.raises(ERRORS):
            mmip.decode(patched("shape", shape))
    with pytest.raises(mmip.LimitExceeded):
        mmip.decode(SMALL, max_bytes=100)
