"""Damaged containers of kind 5: an error kind of the package, or what the reference reads."""

from __future__ import annotations

import struct
from random import Random

import numpy as np
import pytest
import reference
from fuzz.damaged import damaged
from helpers.damage import header_of, with_crc
from reference.container import read_header
from reference.crc import crc32c
from reference.payload import GROUP, read_parameters
from vectors import makers

import mmip_gpu as mmip

ERRORS = (mmip.CorruptData, mmip.TruncatedData, mmip.UnsupportedVersion, mmip.LimitExceeded)
GREY = mmip.encode(makers.make("jpeg", (40, 44), "uint8", 1), lossless="small")
COLOUR = mmip.encode(makers.make("jpeg", (41, 75, 3), "uint8", 1), lossless="small", axes="yxc")
TALL = mmip.encode(makers.make("jpeg", (3, 32, 32), "uint8", 2), lossless="small")


def parts(blob: bytes, count: int) -> tuple[bytes, list[bytes]]:
    """Parameters and sub-streams of a container."""
    header, size = read_header(blob)
    return read_parameters(blob[size:], header.payload_crc, count)


def sealed(blob: bytes, parameters: bytes, substreams: list[bytes], band_rows: int | None = None) -> bytes:
    """The container with other parameters and sub-streams of 16 bits of size, and crcs that fit."""
    size = header_of(blob)
    index = b"".join(struct.pack(">H", len(one) - 1) for one in substreams)
    groups = [b"".join(substreams[i : i + GROUP]) for i in range(0, len(substreams), GROUP)]
    head = struct.pack("<I", len(parameters)) + parameters + b"\x10" + index
    head += b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    head = struct.pack("<I", 8 + len(head)) + head
    payload = head + struct.pack("<I", crc32c(head)) + b"".join(groups)
    header = blob[: size - 18] + (blob[size - 18 : size - 16] if band_rows is None else struct.pack("<H", band_rows))
    return with_crc(header + struct.pack("<QI", len(payload), crc32c(head)) + bytes(4)) + payload


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


@pytest.mark.parametrize(("blob", "count"), [(GREY, 1), (COLOUR, 1), (TALL, 3)])
def test_sealing_changes_nothing_by_itself(blob: bytes, count: int) -> None:
    assert outcome(sealed(blob, *parts(blob, count))) == "decoded"


def test_every_truncation_is_truncated_data() -> None:
    for end in range(len(COLOUR)):
        with pytest.raises(mmip.TruncatedData):
            mmip.decode(COLOUR[:end])
    with pytest.raises(mmip.CorruptData):
        mmip.decode(COLOUR + b"\0")


@pytest.mark.parametrize("blob", [GREY, COLOUR, TALL])
def test_every_flipped_bit_of_the_header_behind_its_crc(blob: bytes) -> None:
    size, found = header_of(blob), set()
    for bit in range(64, 8 * (size - 4)):
        broken = bytearray(blob)
        broken[bit // 8] ^= 1 << (bit % 8)
        try:
            found.add(type(mmip.decode(with_crc(bytes(broken[:size])) + blob[size:], max_bytes=1 << 20)))
        except ERRORS as error:
            found.add(type(error))
    assert {mmip.CorruptData, mmip.LimitExceeded, mmip.UnsupportedVersion} <= found


def test_every_flipped_bit_of_the_payload_is_detected() -> None:
    for bit in range(8 * header_of(GREY), 8 * len(GREY)):
        broken = bytearray(GREY)
        broken[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(mmip.CorruptData):
            mmip.decode(bytes(broken))


def test_every_flipped_bit_of_the_form_behind_the_crcs() -> None:
    (parameters, substreams), found = parts(GREY, 1), set()
    for bit in range(8 * len(parameters)):
        broken = bytearray(parameters)
        broken[bit // 8] ^= 1 << (bit % 8)
        found.add(outcome(sealed(GREY, bytes(broken), substreams)))
    assert "refused" in found


@pytest.mark.parametrize("seed", range(3))
def test_damaged_substreams_behind_the_crcs(seed: int) -> None:
    random, (parameters, substreams), found = Random(seed), parts(TALL, 3), []
    for _ in range(25):
        number = random.randrange(3)
        broken = damaged(substreams[number], random) or b"\0"
        found.append(outcome(sealed(TALL, parameters, [*substreams[:number], broken, *substreams[number + 1 :]])))
    assert "refused" in found


@pytest.mark.parametrize("stream", [b"\0", b"\xff" * 4, b"\xff" * 400, b"\x80" + bytes(300), bytes(40), b"\xfe" * 2000])
def test_streams_of_one_byte_again_and_again(stream: bytes) -> None:
    outcome(sealed(GREY, parts(GREY, 1)[0], [stream]))
    outcome(sealed(COLOUR, parts(COLOUR, 1)[0], [stream]))


FORM = bytes([0, 0, 75])
OWN = bytes([0, 0, 0]) + bytes([9] * 64)


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        FORM[:1],
        FORM[:2],
        FORM + b"\0",
        bytes([1, 0, 75]),
        bytes([3, 0, 75]),
        bytes([8 << 2, 0, 75]),
        bytes([0, 8, 75]),
        bytes([0, 0, 101]),
        OWN[:-1],
        OWN[:-1] + b"\0",
    ],
)
def test_forms_that_cannot_be(parameters: bytes) -> None:
    assert outcome(sealed(GREY, parameters, parts(GREY, 1)[1])) == "refused"


def test_colour_forms_have_two_tables() -> None:
    substreams = parts(COLOUR, 1)[1]
    for parameters in (FORM, FORM + b"\x65", bytes([1, 16, 75, 75]), bytes([2 + (16 << 2), 0, 75, 75])):
        assert outcome(sealed(COLOUR, parameters, substreams)) == "refused"


@pytest.mark.parametrize("band_rows", [0, 8, 15, 17, 40, 2**15 + 16, 2**16 - 16])
def test_bands_that_cannot_be(band_rows: int) -> None:
    assert outcome(sealed(GREY, *parts(GREY, 1), band_rows)) == "refused"


def test_lower_bands_need_their_substreams() -> None:
    assert outcome(sealed(GREY, *parts(GREY, 1), 16)) == "refused"


def test_sizes_are_checked_before_memory_is_taken() -> None:
    size = header_of(GREY)
    for shape in ((2**20, 2**20), (2**31, 1), (1, 2**31), (2**20, 2**27)):
        header = bytearray(GREY[:size])
        struct.pack_into("<2I", header, 14, *shape)
        with pytest.raises(ERRORS):
            mmip.decode(with_crc(bytes(header)) + GREY[size:])
    with pytest.raises(mmip.LimitExceeded):
        mmip.decode(GREY, max_bytes=100)
