"""The reference codec refuses damaged streams and headers out of range."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from reference import CorruptError, Header, TruncatedError, UnsupportedError, decode, encode
from reference.container import read_header, write_header
from reference.crc import crc32c
from reference.decode import read_first_stage, read_image_stage, read_later_stage
from reference.payload import read_payload
from reference.random_streams import CASES, random_coefficients, random_own


@pytest.fixture(scope="module")
def small(tables):
    rng = np.random.default_rng(5)
    header = Header((20, 30), "yx", cuts=(6,), reversible=(0, 1), steps=((700,), (256,)))
    given = random_coefficients(rng, header)
    return encode(header, given, random_own(rng, header), tables), tables


def test_every_flipped_bit_of_the_header_is_detected(small):
    blob, tables = small
    size = read_header(blob)[1]
    for bit in range(8 * size):
        broken = bytearray(blob)
        broken[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises((CorruptError, UnsupportedError)):
            decode(bytes(broken), tables=tables)


def test_flipped_bytes_of_a_payload_are_detected(small):
    blob, tables = small
    for position in range(read_header(blob)[1], len(blob), 11):
        broken = bytearray(blob)
        broken[position] ^= 0x55
        with pytest.raises(CorruptError):
            decode(bytes(broken), tables=tables)


def test_truncation_is_an_error_or_ends_at_a_stage(small):
    blob, tables = small
    header, size = read_header(blob)
    ends = (size + np.cumsum([stage[0] for stage in header.stages])).tolist()
    whole = [decode(blob, stages=k, tables=tables) for k in (1, 2, 3)]
    for end in range(len(blob)):
        if end in ends:
            assert np.array_equal(decode(blob[:end], tables=tables), whole[ends.index(end)])
        else:
            with pytest.raises(TruncatedError):
                decode(blob[:end], tables=tables)
        for k in (1, 2, 3):
            if end >= ends[k - 1] and end % 50 == 0:
                assert np.array_equal(decode(blob[:end], stages=k, tables=tables), whole[k - 1])


@pytest.mark.parametrize("seed", range(5))
def test_random_sub_streams_raise_or_return(seed, tables, rng):
    """Bytes whose checks hold but whose sub-streams are noise."""
    header = CASES[("2d_merged", "3d", "classes", "classes_3d", "dc_image_slices")[seed]]
    given = random_coefficients(rng, header)
    blob = encode(header, given, tables=tables)
    filled, position = read_header(blob)
    for stage, (size, crc) in enumerate(filled.stages, 1):
        key, payload = header.stage_key(stage), blob[position : position + size]
        codes, streams = read_payload(payload, key, crc, header.grid.substreams, tables)
        position += size
        for _ in range(10):
            noise = [rng.bytes(len(s)) if rng.random() < 0.5 else s for s in streams]
            try:
                if stage == 1:
                    read = read_first_stage if header.dc_image is None else read_image_stage
                    read(header, codes, noise)
                else:
                    read_later_stage(header, stage, codes, noise, given)
            except CorruptError:
                pass


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("axes", "xy"),
        ("axes", "zx"),
        ("cell_depth", 2),
        ("tile_log2", (0, 1, 2)),
        ("tile_log2", (1, 6, 6)),
        ("offset", 256),
        ("recon", ((33, 0, 0), (0, 0, 0))),
        ("recon", ((0, -33, 0), (0, 0, 0))),
        ("recon", ((0, 0, 0), (0, 0, 1))),
        ("cuts", (0,)),
        ("cuts", (63,)),
        ("cuts", (9, 9)),
        ("steps", ((63,), (256,))),
        ("steps", ((64,), (255,))),
        ("reversible", (0, 2)),
        ("dtype", 5),
        ("kind", 7),
        ("colour", 1),
        ("mode", 6),
        ("requested", float("nan")),
        ("verified", 2),
        ("minimum", 1),
        ("shape", (0, 30)),
        ("shape", (1 << 24, 1 << 24)),
        ("stages", ((0, 0), (100, 0), (100, 0))),
    ],
)
def test_header_fields_outside_their_ranges_are_corrupt(small, change, value):
    fields = {change: value}
    if change == "cuts":
        fields["stages"] = ((100, 0),) * (len(value) + 2)
    header = replace(read_header(small[0])[0], **fields)
    with pytest.raises(UnsupportedError if change == "kind" else CorruptError):
        read_header(write_header(header) + bytes(100))


@pytest.mark.parametrize(
    "changes",
    [
        {"dc_image": (33, 0, 0)},
        {"dc_image": (0, -33, 0)},
        {"dc_image": (0, 0, 127)},
        {"cell_depth": 8},
        {"tile_log2": (0, 2, 3)},
        {"tile_log2": (0, 3, 2)},
        {"padding": 0},
        {"reversible": (0, 0), "recon": (), "steps": ((256,), (256,))},
        {"reversible": (1,)},
    ],
)
def test_dc_images_that_are_not_allowed_are_corrupt(changes):
    header = Header((8, 70, 70), "zyx", tile_log2=(3, 3, 3), dc_image=(1, 2, 3), stages=((99, 0), (99, 0)))
    if "cell_depth" not in changes:
        header = replace(header, tile_log2=(0, 3, 3))
    payload = bytes(198)
    assert read_header(write_header(header) + payload)[0] == header
    with pytest.raises(CorruptError):
        read_header(write_header(replace(header, **changes)) + payload)


def test_flags_that_cannot_be_are_corrupt():
    header = Header((70, 70), "yx", tile_log2=(0, 3, 3), stages=((99, 0), (99, 0)))
    blob = bytearray(write_header(header))
    at = blob.index(bytes([1, 0, 3, 3])) + 9  # past the fields cell_depth to padding
    for value, named in ((2, "prediction in such tiles"), (8, "channels"), (4, "slice_axis"), (255, "flags")):
        blob[at] = value
        blob[-4:] = struct.pack("<I", crc32c(blob[:-4]))
        with pytest.raises(CorruptError, match=named):
            read_header(bytes(blob))
