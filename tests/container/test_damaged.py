"""Cut, flipped and resealed containers: an error kind or a right answer, soon."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
import reference
from fuzz.fuzz_decode import corpus, one_round
from helpers.damage import header_of, regrouped, resealed, with_crc, with_head
from helpers.places import TESTS
from reference.container import read_header
from reference.payload import GROUP

import mmip_gpu as mmip
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of
from mmip_gpu.transform.chunk import decode_chunk

ERRORS = (mmip.CorruptData, mmip.TruncatedData, mmip.UnsupportedVersion, mmip.LimitExceeded)


def test_every_truncation_is_truncated_data(small: bytes, small_raw: bytes) -> None:
    for blob in (small, small_raw):
        ends = [part["bytes_to_here"] for part in mmip.inspect(blob)["stages"]]
        whole = [mmip.decode(blob, stages=k) for k in range(1, len(ends) + 1)]
        for end in range(len(blob)):
            with pytest.raises(mmip.TruncatedData):
                mmip.decode(blob[:end])
            for stages, expected in enumerate(whole, 1):
                if end >= ends[stages - 1] and end % 97 == 0:
                    assert np.array_equal(mmip.decode(blob[:end], stages=stages), expected)
        for end in range(ends[0]):
            with pytest.raises(mmip.TruncatedData):
                mmip.decode(blob[:end], stages=1)
            if end < header_of(blob):
                with pytest.raises(mmip.TruncatedData):
                    mmip.inspect(blob[:end])


def test_bytes_after_the_end_are_corrupt(small: bytes, small_raw: bytes) -> None:
    for blob in (small, small_raw):
        for tail in (b"\0", blob):
            for call in (mmip.decode, mmip.inspect):
                with pytest.raises(mmip.CorruptData):
                    call(blob + tail)


def test_every_flipped_bit_of_the_header_is_detected(small: bytes, small_raw: bytes) -> None:
    for blob in (small, small_raw):
        for bit in range(8 * header_of(blob)):
            broken = bytearray(blob)
            broken[bit // 8] ^= 1 << (bit % 8)
            with pytest.raises(ERRORS):
                mmip.decode(broken)


def test_every_flipped_bit_of_the_header_behind_its_crc(small: bytes) -> None:
    """Without the crc's help: an error kind, or an array of a size that the bytes allow."""
    size, outcomes = header_of(small), set()
    for bit in range(64, 8 * (size - 4)):
        broken = bytearray(small)
        broken[bit // 8] ^= 1 << (bit % 8)
        blob = with_crc(bytes(broken[:size])) + small[size:]
        try:
            outcomes.add(type(mmip.decode(blob, max_bytes=1 << 20)))
        except ERRORS as e:
            outcomes.add(type(e))
    assert {np.ndarray, mmip.CorruptData, mmip.LimitExceeded} <= outcomes


def test_a_thousand_damaged_payloads_are_detected(small: bytes, small_raw: bytes) -> None:
    rng = np.random.default_rng(1)
    for number in range(1000):
        blob = small_raw if number % 10 == 0 else small
        broken = bytearray(blob)
        for _ in range(int(rng.integers(1, 4))):
            broken[int(rng.integers(header_of(blob), len(blob)))] ^= int(rng.integers(1, 256))
        if bytes(broken) != blob:
            with pytest.raises(mmip.CorruptData):
                mmip.decode(broken)


def test_resealing_changes_nothing_by_itself(small: bytes) -> None:
    assert all(resealed(small, stage, lambda _: None) == small for stage in (1, 2, 3, 4))


@pytest.mark.parametrize("seed", range(4))
def test_damage_behind_the_crcs_decodes_as_the_reference_says(seed: int) -> None:
    """Both decoders refuse the stream, or both give the same samples."""
    rng = np.random.default_rng(seed)
    blobs = [blob for blob in corpus() if read_header(blob)[0].kind == 1 and len(blob) < 12_000]
    outcomes = []

    def damage(substreams: list[bytearray]) -> None:
        substream = substreams[int(rng.integers(0, len(substreams)))]
        for _ in range(int(rng.integers(1, 3))):
            substream[int(rng.integers(0, len(substream)))] ^= int(1 << rng.integers(0, 8))

    for _ in range(60):
        blob = blobs[int(rng.integers(0, len(blobs)))]
        stage = int(rng.integers(1, len(read_header(blob)[0].stages) + 1))
        bad = resealed(blob, stage, damage)
        try:
            expected = reference.decode(bad)
        except reference.CorruptError:
            with pytest.raises(mmip.CorruptData):
                mmip.decode(bad)
            outcomes.append("corrupt")
        else:
            assert np.array_equal(mmip.decode(bad), expected)
            outcomes.append("decoded")
    assert set(outcomes) == {"corrupt", "decoded"}


def test_a_thousand_damages_without_crcs_end_soon() -> None:
    """The rounds of tests/fuzz: whatever is not an error kind of the package comes out of here."""
    blobs, started = corpus(), time.monotonic()
    outcomes = {one_round(blobs, 7, number) for number in range(1000)}
    assert {"fuzz_payload: CorruptData", "fuzz_payload: decoded", "fuzz_header: CorruptData"} <= outcomes
    assert time.monotonic() - started < 30


def set_byte(at: int, value: int) -> Callable[[bytearray], None]:
    def change(payload: bytearray) -> None:
        payload[at] = value

    return change


EXAMPLE = TESTS / "vectors" / "v1_example.mmip"


@pytest.mark.parametrize(
    ("stage", "at", "value"),
    [
        (1, 4, 0x80),  # an own code, whose description is zeros and ends early
        (1, 5, 0x01),  # padding of the codes
        (1, 6, 1),  # index_bits that need an index
        (1, 6, 33),
        (1, 6, 255),
        (2, 4, 0xFF),
        (2, 12, 0),  # index_bits without the index that follows
        (2, 12, 32),
        (2, 13, 0x81),  # padding of the index
        (2, 13, 0x00),  # a smaller sub-stream: bytes left over
        (2, 13, 0xC0),  # a larger one: bytes missing
    ],
)
def test_heads_that_contradict_themselves_are_corrupt(stage: int, at: int, value: int) -> None:
    blob = EXAMPLE.read_bytes()
    assert with_head(blob, stage, lambda _: None) == blob
    bad = with_head(blob, stage, set_byte(at, value))
    assert bad != blob
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)
    with pytest.raises(mmip.CorruptData):
        mmip.decode(bad)


@pytest.mark.parametrize("each", [1, 3, 5, 8])
def test_groups_of_another_size_are_corrupt(each: int) -> None:
    """Four sub-streams share a crc; a head that is sound otherwise, with crcs of more or of fewer, is none."""
    blob = mmip.encode(mmip.phantom3d((24, 70, 70)), qstep=200, cell_depth=8, stages=2, effort=1)
    assert read_header(blob)[0].grid.substreams > 8
    assert regrouped(blob, GROUP) == blob
    bad = regrouped(blob, each)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)
    with pytest.raises(mmip.CorruptData, match="do not add up"):
        mmip.decode(bad)
    with pytest.raises(mmip.CorruptData, match="do not add up"):
        mmip.decode(bad, region=np.s_[:8, :8, :8])


@pytest.mark.parametrize("head", [0, 1, 7, 9, 10, 14, 16, 17, 255, 2**31, 2**32 - 1])
def test_other_head_sizes_are_corrupt(head: int) -> None:
    blob = EXAMPLE.read_bytes()
    header, payloads = Header.parse(blob)[0], blob[header_of(blob) :]
    bad = struct.pack("<I", head) + payloads[4:16]
    for check_crc in (True, False):
        with pytest.raises(mmip.CorruptData):
            decode_chunk(header, parts_of([bad]), Wanted(1), Limits(check_crc=check_crc))


def test_payloads_of_another_size_are_told_apart(small: bytes) -> None:
    header, at = Header.parse(small)
    size = header.payload_sizes[0]
    with pytest.raises(mmip.TruncatedData):
        decode_chunk(header, parts_of([small[at : at + size - 1]]), Wanted(1), Limits())
    with pytest.raises(mmip.CorruptData):
        decode_chunk(header, parts_of([small[at : at + size + 1]]), Wanted(1), Limits())


@pytest.mark.parametrize("data", [b"", b"M", b"MMIP", b"MMIP\1\0", b"MMIP\1\0\x50\0"])
def test_beginnings_are_truncated(data: bytes) -> None:
    with pytest.raises(mmip.TruncatedData):
        mmip.decode(data)


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_are_corrupt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for size in range(8, 400, 7):
        data = rng.bytes(size)
        with pytest.raises(mmip.CorruptData):
            mmip.decode(data)
        with pytest.raises(ERRORS):
            mmip.decode(b"MMIP\1\0" + data)
