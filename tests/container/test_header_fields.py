"""Header fields outside their ranges get an error kind."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference
from helpers.damage import header_of, patched, with_crc
from helpers.strategies import make
from reference.container import Header, write_header

import mmip_gpu as mmip
from mmip_gpu.container.header import Header as MmipHeader

BAD_FIELDS: list[tuple[str, Any]] = [
    ("magic", b"MMIQ"),
    ("magic", b"\0\0\0\0"),
    ("kind (transform)", 0),
    ("dtype", 4),
    ("dtype", 255),
    ("ndim", 0),
    ("ndim", 1),
    ("ndim", 3),
    ("ndim", 7),
    ("ndim", 255),
    ("colour", 1),
    ("colour", 2),
    ("axes", b"xy"),
    ("axes", b"zx"),
    ("axes", b"xx"),
    ("axes", b"yz"),
    ("axes", b"YX"),
    ("axes", b"y\0"),
    ("axes", b"\xff\xfe"),
    ("axes", b"ty"),
    ("shape", (0, 70)),
    ("shape", (60, 0)),
    ("shape", (1 << 24, 1 << 24)),
    ("shape", ((1 << 32) - 1, (1 << 32) - 1)),
    ("mode", 6),
    ("mode", 4),  # lossless, where requested is not 0
    ("requested", float("nan")),
    ("requested", float("inf")),
    ("verified", 2),
    ("minimum", 2**31 - 1),
    ("maximum", -(2**31)),
    ("cell_depth", 0),
    ("cell_depth", 2),
    ("cell_depth", 7),
    ("cell_depth", 255),
    ("tile_log2", (0, 1, 4)),
    ("tile_log2", (0, 4, 1)),
    ("tile_log2", (1, 6, 6)),
    ("tile_log2", (0, 2, 11)),
    ("tile_log2", (255, 4, 4)),
    ("offset", -1),
    ("offset", 65536),
    ("offset", -(2**31)),
    ("padding", 1),
    ("padding", 2),
    ("padding", 255),
    ("flags", 1),
    ("flags", 2),
    ("flags", 4),
    ("flags", 255),
    ("classes", 0),
    ("classes", 1),
    ("classes", 3),
    ("classes", 9),
    ("classes", 255),
    ("class 0: kind", 1),
    ("class 0: kind", 2),
    ("class 1: kind", 255),
    ("d1, d2, d3", (33, 0, 0)),
    ("d1, d2, d3", (0, -33, 0)),
    ("d1, d2, d3", (0, 0, -128)),
    ("step sizes in 1/256", (0,)),
    ("step sizes in 1/256", (63,)),
    ("step sizes in 1/256", ((1 << 24) + 1,)),
    ("step sizes in 1/256", ((1 << 32) - 1,)),
    ("stages", 0),
    ("stages", 1),
    ("stages", 3),
    ("stages", 5),
    ("stages", 17),
    ("corrections", 1),
    ("corrections", 2),
    ("cut", 0),
    ("cut", 27),
    ("cut", 63),
    ("cut", 65535),
    ("payload bytes of stage 1", 0),
    ("payload bytes of stage 1", 9),
    ("payload bytes of stage 2", (1 << 64) - 1),
    ("payload bytes of stage 4", 1 << 40),
    ("crc of the head of stage 1", 12345),
    ("crc of the head of stage 4", 0),
]


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS)
def test_fields_outside_their_ranges_are_corrupt(small: bytes, name: str, value: Any) -> None:
    bad = patched(small, name, value)
    assert bad != small
    with pytest.raises(mmip.CorruptData):
        mmip.decode(bad)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)


def test_a_field_in_its_range_is_accepted(small: bytes) -> None:
    """The patches above fail for their values, not for the patching."""
    assert patched(small, "stages", 4) == small
    for name, value in [("max_error", 7), ("sse", 9), ("requested", 3.5), ("minimum", -5), ("offset", 65535)]:
        changed = patched(small, name, value)
        assert np.array_equal(mmip.decode(changed), reference.decode(changed))


SLICED = Header(
    (2, 3, 1, 40, 44), "tnzyx", slice_axis="t", tile_log2=(1, 3, 3), cell_depth=1, stages=((99, 0), (99, 0))
)


@pytest.mark.parametrize("letter", [*"zcyx", "T", "\0", "\xff", "t "])
def test_slice_axes_that_cannot_be_are_corrupt(letter: str) -> None:
    """z has length 1 here; the others never are axes of slices."""
    payload = bytes(198)
    for good in "tn":
        assert MmipHeader.parse(write_header(replace(SLICED, slice_axis=good)) + payload)[0].layout.slice_axis == good
    blob = write_header(SLICED)
    at = blob.index(b"t", 20 + 5 * 5)  # past the axes
    bad = with_crc(blob[:at] + letter.encode("latin-1") + blob[at + 1 :])
    for read in (MmipHeader.parse, reference.decode):
        with pytest.raises((mmip.CorruptData, reference.CorruptError)):
            read(bad + payload)


@pytest.mark.parametrize(
    "changes",
    [
        {"axes": "nczyx", "shape": (2, 3, 1, 40, 44)},  # no t
        {"shape": (1, 3, 1, 40, 44)},  # one of it
        {"cell_depth": 8, "tile_log2": (1, 1, 1)},
    ],
    ids=["missing", "short", "deep"],
)
def test_slices_along_t_where_there_are_none_are_corrupt(changes: dict[str, Any]) -> None:
    blob = write_header(replace(SLICED, **changes)) + bytes(999)
    for read in (MmipHeader.parse, reference.decode):
        with pytest.raises((mmip.CorruptData, reference.CorruptError)):
            read(blob)


def test_z_may_be_named() -> None:
    header = replace(SLICED, axes="zyx", shape=(3, 40, 44), slice_axis="z", cell_depth=8, tile_log2=(1, 1, 1))
    blob = write_header(header)
    found = MmipHeader.parse(blob + bytes(198))[0]
    assert (found.layout.slice_axis, found.fields.slice_axis, found.to_bytes()) == ("z", "z", blob)


@pytest.mark.parametrize("class_field", [("d1, d2, d3", (0, 0, 1)), ("step sizes in 1/256", (257,))])
def test_fields_of_a_reversible_class_are_fixed(class_field: tuple[str, Any]) -> None:
    blob = mmip.encode(make("textured", (40, 40), "uint8", 1), lossless=True, stages=2)
    with pytest.raises(mmip.CorruptData):
        mmip.decode(patched(blob, *class_field))


@pytest.mark.parametrize("version", [0, 2, 255, 65535])
def test_other_versions_are_told_apart(small: bytes, version: int) -> None:
    for blob in (patched(small, "version", version), small[:4] + struct.pack("<H", version) + small[6:]):
        with pytest.raises(mmip.UnsupportedVersion):
            mmip.decode(blob)


@pytest.mark.parametrize("kind", [7, 100, 255])
def test_other_kinds_are_told_apart(small: bytes, kind: int) -> None:
    bad = patched(small, "kind (transform)", kind)
    for call in (mmip.decode, mmip.inspect):
        with pytest.raises(mmip.UnsupportedVersion, match=f"container kind: .* found {kind}"):
            call(bad)
    with pytest.raises(reference.UnsupportedError, match=f"kind {kind}"):
        reference.decode(bad)


@pytest.mark.parametrize("change", [-8, -1, 1, 20, 60000])
def test_other_header_sizes_are_corrupt(small: bytes, change: int) -> None:
    size = header_of(small) + change
    grown = with_crc((small[:6] + struct.pack("<H", size) + small[8:])[:size])
    for blob in (patched(small, "header_bytes", size), grown + small[size:]):
        with pytest.raises(mmip.CorruptData):
            mmip.decode(blob)


@pytest.mark.parametrize("size", range(12))
def test_header_sizes_too_small_for_a_header_are_corrupt(small: bytes, size: int) -> None:
    with pytest.raises(mmip.CorruptData):
        mmip.decode(small[:6] + struct.pack("<H", size) + small[8:])


@pytest.mark.parametrize(("at", "value"), [(-16, 198 + 1), (-16, 0), (-16, 2**64 - 1), (-8, 7)])
def test_fields_of_a_raw_header(small_raw: bytes, at: int, value: int) -> None:
    """payload_bytes and payload_crc."""
    size = header_of(small_raw)
    form = "<Q" if at == -16 else "<I"
    place = size + at
    header = small_raw[:place] + struct.pack(form, value) + small_raw[place + struct.calcsize(form) : size]
    with pytest.raises(mmip.CorruptData):
        mmip.decode(with_crc(header) + small_raw[size:])


def test_a_container_of_an_older_draft_is_named(small: bytes, small_raw: bytes) -> None:
    """Those had CRC-32 in the header."""
    for blob in (small, small_raw):
        size = header_of(blob)
        old = blob[: size - 4] + struct.pack("<I", zlib.crc32(blob[: size - 4])) + blob[size:]
        for read in (mmip.decode, mmip.inspect):
            with pytest.raises(mmip.CorruptData, match="older draft"):
                read(old)
        with pytest.raises(reference.CorruptError, match="header_crc"):
            reference.decode(old)
