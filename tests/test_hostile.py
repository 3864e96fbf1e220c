"""What bad bytes and bad arguments get: an error kind or a right answer, soon, in little space."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import pytest
import reference
from fuzz.fuzz_decode import corpus, one_round
from numpy.typing import NDArray
from reference.container import GROUP, read_header, read_payload, write_header
from strategies import make, make_roi
from vectors.explain import header_fields

import mmip_gpu as mmip
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of
from mmip_gpu.transform.chunk import decode_chunk

ERRORS = (mmip.CorruptData, mmip.TruncatedData, mmip.UnsupportedVersion, mmip.LimitExceeded)


def with_crc(header: bytes) -> bytes:
    """A header's bytes (its crc included) with its crc made anew."""
    return header[:-4] + struct.pack("<I", crc32(header[:-4]))


@pytest.fixture(scope="module")
def small() -> bytes:
    """Two classes, one reversible, four stages, own codes."""
    array = make("textured", (60, 70), "uint16", 1)
    options = {"quality": 20, "stages": 4, "roi": make_roi(array, "yx", 2, 2), "roi_quality": "lossless"}
    return mmip.encode(array, **options)


@pytest.fixture(scope="module")
def small_raw() -> bytes:
    return mmip.encode(make("noise", (9, 11), "int16", 1), lossless=True, stages=2)


def header_of(blob: bytes) -> int:
    """Size of the header."""
    return int.from_bytes(blob[6:8], "little")


# --- header fields


def patched(blob: bytes, name: str, value: Any) -> bytes:
    """The container with one field replaced and the header's crc made anew."""
    size, at = header_of(blob), 0
    for form, field, _ in header_fields(blob):
        width = struct.calcsize("<" + form)
        if field == name:
            new = struct.pack("<" + form, *value) if isinstance(value, tuple) else struct.pack("<" + form, value)
            header = blob[:at] + new + blob[at + width : size]
            return with_crc(header) + blob[size:]
        at += width
    raise AssertionError(name)


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
    ("dc_image", 1),
    ("dc_image", 2),
    ("dc_image", 255),
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


@pytest.mark.parametrize("kind", [2, 3, 255])
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


# --- truncation and damage


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


def resealed(blob: bytes, stage: int, damage: Callable[[list[bytearray]], None]) -> bytes:
    """The container with the sub-streams of a stage changed in place (not their sizes), all crcs renewed."""
    header, at = read_header(blob)
    payloads = []
    for size, _ in header.stages:
        payloads.append(blob[at : at + size])
        at += size
    payload, count = payloads[stage - 1], header.grid.substreams
    _, substreams = read_payload(
        payload, header.stage_key(stage), header.stages[stage - 1][1], count, reference.load_tables()
    )
    changed = [bytearray(substream) for substream in substreams]
    damage(changed)
    groups = [b"".join(changed[i : i + GROUP]) for i in range(0, count, GROUP)]
    head = struct.unpack_from("<I", payload)[0]
    body = payload[: head - 4 - 4 * len(groups)] + b"".join(struct.pack("<I", crc32(group)) for group in groups)
    payloads[stage - 1] = body + struct.pack("<I", crc32(body)) + b"".join(groups)
    stages = list(header.stages)
    stages[stage - 1] = stages[stage - 1][0], crc32(body)
    return write_header(replace(header, stages=tuple(stages))) + b"".join(payloads)


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


def with_head(blob: bytes, stage: int, change: Callable[[bytearray], None]) -> bytes:
    """The container with the head of a payload changed and all crcs made anew."""
    header, at = read_header(blob)
    at += sum(size for size, _ in header.stages[: stage - 1])
    payload = bytearray(blob[at : at + header.stages[stage - 1][0]])
    head = struct.unpack_from("<I", payload)[0]
    change(payload)
    crc = crc32(payload[: head - 4])
    payload[head - 4 : head] = struct.pack("<I", crc)
    stages = list(header.stages)
    stages[stage - 1] = len(payload), crc
    end = at + header.stages[stage - 1][0]
    return write_header(replace(header, stages=tuple(stages))) + blob[read_header(blob)[1] : at] + payload + blob[end:]


def set_byte(at: int, value: int) -> Callable[[bytearray], None]:
    def change(payload: bytearray) -> None:
        payload[at] = value

    return change


EXAMPLE = Path(__file__).parent / "vectors" / "v1_example.mmip"


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


# --- sizes that the bytes cannot hold

HOSTILE_SIZES = {
    "2d": ("yx", [2**24 - 1, 2**23], None),
    "2d-lies": ("yx", [2**24 - 1, 2**23], 2**40),
    "2d-within-limits-lies": ("yx", [2**17, 2**16], 2**40),
    "planes": ("tx", [2**31, 1], None),
    "planes-lies": ("tx", [2**31, 1], 2**40),
    "planes-within-limits-lies": ("tx", [2**26, 1], 2**40),
    "3d-lies": ("zyx", [2**12, 2**12, 2**12], 2**60),
}
HOSTILE_CALLS = {
    "decode": "mmip.decode(blob)",
    "decode-scale-8": "mmip.decode(blob, scale=8)",
    "decode-region": "mmip.decode(blob, region=tuple(slice(0, 1) for _ in shape))",
    "inspect": "mmip.inspect(blob)",
    "inspect-region": "mmip.inspect(blob, region=tuple(slice(0, 1) for _ in shape))",
}
HOSTILE_SCRIPT = """
import json, re, resource, sys, time
from dataclasses import replace
import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.volume.axes import PlaneLayout
axes, shape, size, call = json.loads(sys.argv[1])
true = mmip.encode(mmip.phantom2d(64), quality=10)
mmip.decode(true)
header, at = Header.parse(true)
fields = header.fields if size is None else replace(header.fields, stage_bytes=(size,) * 3)
blob = replace(header, layout=PlaneLayout.of(tuple(shape), axes), fields=fields).to_bytes() + true[at:]
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

def peak():  # of this process alone: ru_maxrss would start at what the parent had
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

before, started = peak(), time.monotonic()
try:
    outcome = type(eval(call)).__name__
except BaseException as e:
    outcome = type(e).__name__
print(json.dumps({"outcome": outcome, "kib": peak() - before, "seconds": time.monotonic() - started}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in /proc")
@pytest.mark.parametrize("call", HOSTILE_CALLS)
@pytest.mark.parametrize("size", HOSTILE_SIZES)
def test_sizes_are_refused_before_memory_is_taken(size: str, call: str) -> None:
    argument = json.dumps([*HOSTILE_SIZES[size], HOSTILE_CALLS[call]])
    command = [sys.executable, "-c", HOSTILE_SCRIPT, argument]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout)
    assert found["outcome"] in ("LimitExceeded", "CorruptData", "TruncatedData")
    assert found["kib"] < 32 * 1024
    assert found["seconds"] < 1


def test_max_bytes_is_a_limit(small: bytes, small_raw: bytes) -> None:
    for blob in (small, small_raw):
        array = mmip.decode(blob)
        assert np.array_equal(mmip.decode(blob, max_bytes=100_000), array)
        with pytest.raises(mmip.LimitExceeded):
            mmip.decode(blob, max_bytes=array.nbytes - 1)
    assert mmip.decode(small, region=(slice(0, 1), slice(0, 1)), max_bytes=60 * 70 * 2).shape == (1, 1)


# --- arguments


GOOD = make("textured", (20, 24), "uint8", 1)

BAD_ENCODES: dict[str, tuple[Any, dict[str, Any]]] = {
    "no target": (GOOD, {}),
    "lossless false": (GOOD, {"lossless": False}),
    "two targets": (GOOD, {"quality": 10, "psnr": 40}),
    "lossless and quality": (GOOD, {"quality": 10, "lossless": True}),
    "lossless alone": (GOOD, {"lossless": True}),
    "quality 0": (GOOD, {"quality": 0}),
    "quality above": (GOOD, {"quality": 441}),
    "quality NaN": (GOOD, {"quality": float("nan")}),
    "quality infinite": (GOOD, {"quality": float("inf")}),
    "quality text": (GOOD, {"quality": "10"}),
    "quality bool": (GOOD, {"quality": True}),
    "psnr 0": (GOOD, {"psnr": 0}),
    "psnr above": (GOOD, {"psnr": 141}),
    "max_error below": (GOOD, {"max_error": -0.5}),
    "max_error above": (GOOD, {"max_error": 2**18 + 1}),
    "max_error NaN": (GOOD, {"max_error": float("nan")}),
    "max_error text": (GOOD, {"max_error": "1"}),
    "float32 without step": (GOOD.astype(np.float32), {"quality": 10}),
    "step of integers": (GOOD, {"quality": 10, "step": 0.5}),
    "step 0": (GOOD.astype(np.float32), {"quality": 10, "step": 0}),
    "step NaN": (GOOD.astype(np.float32), {"quality": 10, "step": float("nan")}),
    "step too small": (GOOD.astype(np.float32), {"quality": 10, "step": 1e-5}),
    "colour of float32": (np.zeros((8, 8, 3), np.float32), {"quality": 10, "step": 1, "axes": "yxc", "colour": True}),
    "psnr beyond the step": (GOOD.astype(np.float32) / 7, {"psnr": 100, "step": 1}),
    "max_error below half a step": (GOOD.astype(np.float32), {"max_error": 0.49, "step": 1}),
    "3D blocks of large float32": (
        np.full((8, 8, 8), 2.0**17 + 1, np.float32),
        {"quality": 10, "step": 1, "cell_depth": 8},
    ),
    "ratio below": (GOOD, {"ratio": 0.99}),
    "ratio above": (GOOD, {"ratio": 1e7}),
    "ratio out of reach": (GOOD, {"ratio": 1000}),
    "psnr NaN": (GOOD, {"psnr": float("nan")}),
    "one stage": (GOOD, {"quality": 10, "stages": 1}),
    "six stages": (GOOD, {"quality": 10, "stages": 6}),
    "stages text": (GOOD, {"quality": 10, "stages": "3"}),
    "cuts and stages": (GOOD, {"quality": 10, "stages": 3, "cuts": [3, 9]}),
    "cuts down": (GOOD, {"quality": 10, "cuts": [9, 3]}),
    "cuts equal": (GOOD, {"quality": 10, "cuts": [9, 9]}),
    "cuts 0": (GOOD, {"quality": 10, "cuts": [0]}),
    "cuts 63": (GOOD, {"quality": 10, "cuts": [63]}),
    "too many cuts": (GOOD, {"quality": 10, "cuts": list(range(1, 17))}),
    "cuts not a list": (GOOD, {"quality": 10, "cuts": 5}),
    "cuts text": (GOOD, {"quality": 10, "cuts": ["a"]}),
    "cuts fractions": (GOOD, {"quality": 10, "cuts": [1.5]}),
    "cell depth 2": (GOOD, {"quality": 10, "cell_depth": 2}),
    "cell depth text": (GOOD, {"quality": 10, "cell_depth": "8"}),
    "cell depth fraction": (GOOD, {"quality": 10, "cell_depth": 8.0}),
    "unknown axis": (GOOD, {"quality": 10, "axes": "qx"}),
    "no x": (GOOD, {"quality": 10, "axes": "ty"}),
    "z without y": (GOOD, {"quality": 10, "axes": "zx"}),
    "axes out of order": (GOOD, {"quality": 10, "axes": "xy"}),
    "axis twice": (GOOD, {"quality": 10, "axes": "xx"}),
    "too few axes": (GOOD, {"quality": 10, "axes": "x"}),
    "too many axes": (GOOD, {"quality": 10, "axes": "zyx"}),
    "no axes": (GOOD, {"quality": 10, "axes": ""}),
    "axes not text": (GOOD, {"quality": 10, "axes": 5}),
    "axes a tuple": (GOOD, {"quality": 10, "axes": ("y", "x")}),
    "colour without c": (GOOD, {"quality": 10, "colour": True}),
    "colour of two": (make("noise", (9, 9, 2), "uint8"), {"quality": 10, "axes": "yxc", "colour": True}),
    "threads 0": (GOOD, {"quality": 10, "threads": 0}),
    "threads negative": (GOOD, {"quality": 10, "threads": -1}),
    "threads fraction": (GOOD, {"quality": 10, "threads": 1.0}),
    "threads bool": (GOOD, {"quality": 10, "threads": True}),
    "threads text": (GOOD, {"quality": 10, "threads": "2"}),
    "data range NaN": (GOOD, {"psnr": 40, "data_range": float("nan")}),
    "data range infinite": (GOOD, {"psnr": 40, "data_range": float("inf")}),
    "data range 0": (GOOD, {"psnr": 40, "data_range": 0}),
    "data range negative": (GOOD, {"psnr": 40, "data_range": -5}),
    "data range text": (GOOD, {"psnr": 40, "data_range": "9"}),
    "device": (GOOD, {"quality": 10, "device": "tpu"}),
    "roi shape": (GOOD, {"quality": 10, "roi": np.zeros((24, 20), bool)}),
    "roi rank": (GOOD, {"quality": 10, "roi": np.zeros(20, bool)}),
    "roi dtype": (GOOD, {"quality": 10, "roi": np.zeros((20, 24))}),
    "roi class 8": (GOOD, {"quality": 10, "roi": np.full((20, 24), 8)}),
    "roi class -1": (GOOD, {"quality": 10, "roi": np.full((20, 24), -1)}),
    "roi rule": (GOOD, {"quality": 10, "roi": "brightest"}),
    "roi rule NaN": (GOOD, {"quality": 10, "roi": "threshold:nan"}),
    "roi object": (GOOD, {"quality": 10, "roi": object()}),
    "roi quality 0": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": 0}),
    "roi quality text": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": "good"}),
    "roi quality None": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": {1: None}}),
    "roi quality class 0": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": {0: 10}}),
    "roi quality class text": (GOOD, {"quality": 10, "roi": GOOD > 9, "roi_quality": {"1": 10}}),
    "rank 0": (np.uint8(3), {"quality": 10}),
    "rank 5 without axes": (np.zeros((1, 1, 1, 1, 1), np.uint8), {"quality": 10}),
    "rank 7": (np.zeros((1,) * 7, np.uint8), {"quality": 10, "axes": "tnczyxx"}),
    "not an array": ("image", {"quality": 10}),
    "None": (None, {"quality": 10}),
    "ragged lists": ([[1, 2], [3]], {"quality": 10}),
}


@pytest.mark.parametrize("name", BAD_ENCODES)
def test_bad_arguments_of_encode(name: str) -> None:
    array, options = BAD_ENCODES[name]
    with pytest.raises(mmip.InvalidArgument):
        mmip.encode(array, **options)


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        "float64",
        "complex64",
        "object",
        "datetime64[s]",
        "S3",
        "U3",
        "V4",
        "i2,i2",
    ],
)
def test_unsupported_dtypes_are_refused_with_advice(dtype: str) -> None:
    array = np.zeros((8, 8), dtype)
    for target in ({"quality": 10}, {"lossless": True, "stages": 3}):
        with pytest.raises(mmip.InvalidArgument, match="expected one of uint8, int8, uint16, int16"):
            mmip.encode(array, **target)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_arrays_with_nan_are_refused_with_advice(value: float) -> None:
    with pytest.raises(mmip.InvalidArgument, match="NaN or infinity"):
        mmip.encode(np.array([1.0, value]), quality=10)
    with pytest.raises(mmip.InvalidArgument, match=f"found {value:g}"):
        mmip.encode(np.array([1.0, value], np.float32), quality=10, step=1)


@pytest.mark.parametrize("device", ["gpu", None])
def test_device_arrays_are_told_what_to_do(device: str | None) -> None:
    class OnDevice:
        __cuda_array_interface__: ClassVar[dict[str, Any]] = {}

    array: Any = GOOD if device else OnDevice()
    with pytest.raises(mmip.BackendUnavailable):
        mmip.encode(array, quality=10, device=device)


BAD_DECODES: dict[str, dict[str, Any]] = {
    "more stages": {"stages": 5},
    "stages 0": {"stages": 0},
    "stages -1": {"stages": -1},
    "stages fraction": {"stages": 1.0},
    "stages bool": {"stages": True},
    "stages text": {"stages": "1"},
    "scale 0": {"scale": 0},
    "scale 3": {"scale": 3},
    "scale 16": {"scale": 16},
    "scale None": {"scale": None},
    "scale text": {"scale": "2"},
    "scale fraction": {"scale": 2.0},
    "scale a list": {"scale": [1]},
    "region outside": {"region": (slice(0, 61), slice(0, 1))},
    "region negative": {"region": (slice(-1, None), slice(0, 1))},
    "region reversed": {"region": (slice(5, 4), slice(0, 1))},
    "region outside at a scale": {"region": (slice(0, 60), slice(0, 1)), "scale": 2},
    "region step": {"region": (slice(0, 4, 2), slice(0, 1))},
    "region step -1": {"region": (slice(None, None, -1), slice(0, 1))},
    "region rank": {"region": (slice(0, 1),)},
    "region of integers": {"region": (1, 2)},
    "region a list": {"region": [slice(0, 1), slice(0, 1)]},
    "region a slice": {"region": slice(0, 1)},
    "region of text": {"region": (slice("a", None), slice(0, 1))},
    "region of fractions": {"region": (slice(0.5, 2), slice(0, 1))},
    "threads 0": {"threads": 0},
    "threads fraction": {"threads": 1.5},
}


@pytest.mark.parametrize("name", BAD_DECODES)
def test_bad_arguments_of_decode(small: bytes, name: str) -> None:
    with pytest.raises(mmip.InvalidArgument):
        mmip.decode(small, **BAD_DECODES[name])
    if "threads" not in BAD_DECODES[name]:
        with pytest.raises(mmip.InvalidArgument):
            mmip.inspect(small, **BAD_DECODES[name])


@pytest.mark.parametrize("name", [name for name in BAD_DECODES if name[:4] in ("stag", "scal")])
def test_bad_arguments_of_decode_for_raw_containers(small_raw: bytes, name: str) -> None:
    """A raw container has one part for every number of stages, but the argument must still make sense."""
    if name == "more stages":
        assert np.array_equal(mmip.decode(small_raw, **BAD_DECODES[name]), mmip.decode(small_raw))
        return
    with pytest.raises(mmip.InvalidArgument):
        mmip.decode(small_raw, **BAD_DECODES[name])


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2], np.zeros((4, 4), np.uint8)[::2, ::2], object()])
def test_what_is_not_bytes_is_refused(data: Any) -> None:
    for call in (mmip.decode, mmip.inspect):
        with pytest.raises(mmip.InvalidArgument):
            call(data)


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


def test_batches_raise_what_their_item_raises(small: bytes) -> None:
    with pytest.raises(mmip.TruncatedData, match="item 1: "):
        mmip.decode_batch([small, small[:-1]], threads=2)
    whole, cut = mmip.decode_batch([small, small[:-1]], threads=2, errors="return")
    assert np.array_equal(whole, mmip.decode(small))
    assert isinstance(cut, mmip.TruncatedData)
    with pytest.raises(mmip.InvalidArgument, match="errors='skip'"):
        mmip.decode_batch([small], errors="skip")
    with pytest.raises(mmip.InvalidArgument):
        mmip.encode_batch([GOOD, GOOD.astype(float)], quality=10, threads=2)


def test_a_wide_dtype_is_not_read_as_bytes(small: bytes) -> None:
    """Any contiguous buffer is its bytes, whatever its items are."""
    padded: NDArray[Any] = np.frombuffer(small[: (len(small) - 1) // 8 * 8], np.uint64)
    with pytest.raises(mmip.TruncatedData):
        mmip.decode(padded)
