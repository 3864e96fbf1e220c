"""Parameters and sub-streams of kinds 2 and 3 that break one rule of FORMAT.md each: refused, for that reason."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import reference
from helpers.damage import header_of, with_crc
from helpers.single_payloads import resealed_payload, with_own_field

import mmip_gpu as mmip
from mmip_gpu import _core
from mmip_gpu.container.header import Header

SHAPE = (16, 32)
CODES, ALPHABET = 17, 86
CONTEXTS = 9 * "0"
SET_OF_ZEROS = "0" + 9 * (10 * "0")  # what remains is the weight of W
ERRORS = (mmip.CorruptData, mmip.TruncatedData, mmip.LimitExceeded)


def gamma(value: int) -> str:
    bits = format(value, "b")
    return "0" * (len(bits) - 1) + bits


def code(*lengths: int) -> str:
    """A code without a guess."""
    return format(len(lengths), "07b") + "".join(f"1{length:04b}" if length else "0" for length in lengths)


def codes(**replaced: str) -> str:
    """All codes without symbols, but some: code_0=.."""
    return "".join(replaced.get(f"code_{t}", code()) for t in range(CODES))


def values(first: str = "0", sets: str = "000" + SET_OF_ZEROS, numbers: str = "", codes: str = codes()) -> str:
    return first + sets + numbers + CONTEXTS + codes


def packed(bits: str) -> bytes:
    size = -(-len(bits) // 8)
    return int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def container(parameters: str, *, kind: str | bool = True, bits: int = 8, stream: bytes = b"\0") -> bytes:
    """One tile of a constant array, with these parameters and sub-stream."""
    blob = mmip.encode(np.full(SHAPE, 7, np.uint8), lossless=kind)
    blob = with_own_field(blob, 11 if kind is True else 8, bits, 1)

    def bodies(streams: list[bytearray]) -> None:
        streams[0][:] = stream

    def exchange(old: bytearray) -> None:
        old[:] = packed(parameters)

    return resealed_payload(blob, 1, parameters=exchange, bodies=bodies)


def refused(blob: bytes, why: str) -> None:
    with pytest.raises(reference.CorruptError):
        reference.decode(blob)
    with pytest.raises(mmip.CorruptData, match=why):
        mmip.decode(blob)
    with pytest.raises(mmip.CorruptData, match=why):
        mmip.decode(blob, region=(slice(0, 1), slice(0, 1)))


FAST_MAY_BE = {
    "nothing": values(),
    "three sets": values(sets="010" + 3 * SET_OF_ZEROS, numbers="10"),
    "one symbol": values(codes=codes(code_5=code(1))),
    "as guessed": values(codes=codes(code_1=code(1), code_2=format(1, "07b") + "1")),
    "two ranks": values(first="1" + format(0, "05b") + gamma(2) + gamma(1)),
    "the largest value": values(first="1" + format(30, "05b") + gamma(2) + gamma(1) + 30 * "1"),
}
FAST_DEFECTS = {
    "a set that is not there": (values(sets="010" + 3 * SET_OF_ZEROS, numbers="11"), "set that is not there"),
    "incomplete": (values(codes=codes(code_0=code(1, 2))), "not complete"),
    "too many codewords": (values(codes=codes(code_3=code(1, 1, 1))), "not complete"),
    "one symbol of two bits": (values(codes=codes(code_16=code(2))), "not complete"),
    "a symbol too many": (values(codes=codes(code_0=format(ALPHABET + 1, "07b") + 87 * "0")), "more symbols"),
    "a long codeword": (values(codes=codes(code_0=code(11, 1))), "too long"),
    "a guess below nothing": (values(codes=codes(code_1=code(1), code_2=format(1, "07b") + "011")), "has no codeword"),
    "a guess too long": (
        values(
            codes=codes(code_1=code(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10), code_2=format(11, "07b") + 10 * "1" + "010")
        ),
        "too long",
    ),
    "no codeword of the last symbol": (values(codes=codes(code_0=code(1, 1, 0))), "has no codeword"),
    "more values than ranks": (values(first="1" + 5 * "0" + gamma(257) + 256 * gamma(1)), "more values"),
    "a value above 31 bits": (values(first="1" + format(31, "05b") + gamma(2) + gamma(1) + 31 * "1"), "too large"),
    "a number above 32 bits": (values(first="1" + 5 * "0" + 40 * "0" + 41 * "1"), "32 bits"),
    "bits after the last": (values() + 8 * "0", "after"),
    "padding": (values() + "1", "after"),
}


@pytest.mark.parametrize("name", FAST_MAY_BE)
def test_what_may_be_is_read(name: str) -> None:
    """The same builder makes what is accepted, or no refusal would mean anything."""
    blob = container(FAST_MAY_BE[name])
    assert np.array_equal(mmip.decode(blob), reference.decode(blob))


@pytest.mark.parametrize("name", FAST_DEFECTS)
def test_defects_of_kind_2(name: str) -> None:
    parameters, why = FAST_DEFECTS[name]
    refused(container(parameters), why)


def run_of(zeros: int) -> bytes:
    """A tile whose first symbol of a run says so many zeros."""
    u = zeros - 1 - 8 + 4  # the number R - 1 over 8 direct symbols
    k = u.bit_length() - 1
    symbol = 60 + 8 + 2 * (k - 2) + (u >> (k - 1) & 1)
    raw = format(u & ((1 << (k - 1)) - 1), f"0{k - 1}b")
    return container(values(codes=codes(code_0=code(*[0] * symbol, 1))), stream=packed(raw))


def test_a_run_past_the_end_of_its_tile(each_kernel: list[str]) -> None:
    """The first two residuals of a tile are in no run: 510 zeros reach its end."""
    for kernel in each_kernel:
        assert _core.select_kernels(kernel)
        assert (mmip.decode(run_of(510)) == 7).all()
        for zeros in (511, 512, 600, 2000):
            refused(run_of(zeros), "run of residuals is longer")
    assert np.array_equal(reference.decode(run_of(510)), mmip.decode(run_of(510)))


@pytest.mark.parametrize(
    ("stream", "why"),
    [(b"\0\0", "after the last residual"), (b"\1", "after the last residual"), (bytes(8000), "more bytes")],
)
def test_bytes_after_the_last_residual(stream: bytes, why: str) -> None:
    refused(container(values(), stream=stream), why)


SMALL_DEFECTS = {
    "more values than ranks": ("1" + 5 * "0" + gamma(257) + 256 * gamma(1) + gamma(1), "more values"),
    "a value above its bits": ("1" + 5 * "0" + gamma(2) + gamma(1) + gamma(256), "too large"),
    "a gap above its bits": ("1" + format(8, "05b") + gamma(2) + gamma(1) + 8 * "1" + gamma(1), "too large"),
    "a value above 31 bits": ("1" + format(31, "05b") + gamma(2) + gamma(1) + 31 * "1" + gamma(1), "too large"),
    "the first above 32 bits": ("1" + 5 * "0" + gamma(2) + gamma(1) + 40 * "0" + 41 * "1", "32 bits"),
    "bits after the last": ("0" + 15 * "0", "after"),
    "padding": ("01", "after"),
}


@pytest.mark.parametrize("parameters", ["0", "1" + 5 * "0" + gamma(2) + gamma(1) + gamma(255)])
def test_what_may_be_of_kind_3_is_read(parameters: str) -> None:
    blob = container(parameters, kind="small")
    assert np.array_equal(mmip.decode(blob), reference.decode(blob))


@pytest.mark.parametrize("name", SMALL_DEFECTS)
def test_defects_of_kind_3(name: str) -> None:
    parameters, why = SMALL_DEFECTS[name]
    refused(container(parameters, kind="small"), why)


PALETTE_DEFECTS = {
    "more colours than numbers": (gamma(17), "more colours"),
    "more colours than there may be": (gamma(4097), "more colours"),
    "a colour out of range": (gamma(1) + format(31, "05b") + gamma(2**32 - 1) + 31 * "1", "out of range"),
    "no end": (gamma(16), "32 bits"),
}


@pytest.mark.parametrize("kind", [True, "small"])
@pytest.mark.parametrize("name", PALETTE_DEFECTS)
def test_defects_of_palettes(name: str, kind: str | bool) -> None:
    rng = np.random.default_rng(3)
    colours = rng.integers(0, 256, (9, 3), np.uint8)[rng.integers(0, 9, (24, 30))]
    blob = mmip.encode(colours, lossless=kind, axes="yxc")
    assert mmip.inspect(blob)["config"]["colour_form"] == 3
    parameters, why = PALETTE_DEFECTS[name]

    def exchange(old: bytearray) -> None:
        old[:] = packed(parameters)

    header, _ = Header.parse(blob)
    bad = resealed_payload(blob, header.fields.substreams(header.layout), parameters=exchange)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)
    with pytest.raises(ERRORS, match=why):
        mmip.decode(bad)


@pytest.mark.parametrize(
    ("at", "width", "value"),
    [(0, 1, 1), (1, 1, 5), (2, 1, 10), (3, 1, 255), (4, 4, 2**31), (8, 1, 0), (8, 1, 21), (9, 4, 2**31), (9, 4, 2**14)],
)
def test_fields_of_kind_3_outside_their_ranges(at: int, width: int, value: int) -> None:
    blob = mmip.encode(np.full(SHAPE, 7, np.uint8), lossless="small")
    bad = with_own_field(blob, 8, 8, 1) if at == 9 else blob
    bad = with_own_field(bad, at, value, width)
    with pytest.raises(mmip.CorruptData):
        mmip.inspect(bad)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)


@pytest.mark.parametrize("shape", [(2**16, 2**16), (2**24 - 1, 2**23), (2**32 - 1, 1)])
def test_hostile_sizes_of_kind_3_take_no_memory(shape: tuple[int, int]) -> None:
    blob = mmip.encode(np.full(SHAPE, 7, np.uint8), lossless="small")
    size = header_of(blob)
    header = blob[:14] + struct.pack("<2I", *shape) + blob[22:size]
    for payload_bytes in (len(blob) - size, 2**40):
        changed = with_crc(header[:-16] + struct.pack("<Q", payload_bytes) + header[-8:])
        for region in (None, (slice(0, 1), slice(0, 1))):
            with pytest.raises(ERRORS):
                mmip.decode(changed + blob[size:], region=region)
