"""CRC-32C: by instructions, by tables and by the reference; continued and joined; the buffers that are taken."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference.crc import crc32c as of_reference

from mmip_gpu._core import crc32c, crc32c_by_tables, crc32c_joined

KNOWN = {  # RFC 3720, appendix B.4, and the check value of catalogues
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
    b"123456789": 0xE3069283,
    b"": 0,
}
NOISE = np.random.default_rng(1).bytes(1 << 17)
WAYS: list[Callable[..., int]] = [crc32c, crc32c_by_tables]


@pytest.mark.parametrize("way", [*WAYS, of_reference])
def test_known_values(way: Callable[[bytes], int]) -> None:
    assert {data: way(data) for data in KNOWN} == KNOWN


@given(start=st.integers(0, 20), size=st.integers(0, 4096), value=st.integers(0, 2**32 - 1))
def test_all_ways_agree_wherever_the_bytes_begin(start: int, size: int, value: int) -> None:
    data = memoryview(NOISE)[start : start + size]
    assert crc32c(data) == crc32c_by_tables(data) == of_reference(data)
    assert crc32c(data, value) == crc32c_by_tables(data, value)


@pytest.mark.parametrize("size", [12287, 12288, 12289, 24575, 24576, 36871, 65535, 65536, 131071, 131072])
def test_runs_side_by_side_give_the_crc_of_all(size: int) -> None:
    for start in range(9):
        data = memoryview(NOISE)[start:size]
        assert crc32c(data) == crc32c_by_tables(data)
    assert crc32c(NOISE[:size]) == of_reference(NOISE[:size])


@given(size=st.integers(0, 1 << 17), share=st.floats(0, 1))
@example(size=0, share=0.5)
@example(size=40000, share=0)
@example(size=40000, share=1)
def test_parts_are_continued_and_joined(size: int, share: float) -> None:
    data = memoryview(NOISE)[:size]
    first, second = data[: int(size * share)], data[int(size * share) :]
    assert crc32c(data) == crc32c(second, crc32c(first)) == crc32c_joined(crc32c(first), crc32c(second), len(second))


def test_blocks_are_joined_in_their_order() -> None:
    """As of an array whose blocks other processes read."""
    joined = 0
    for start in range(0, len(NOISE), 5000):
        block = NOISE[start : start + 5000]
        joined = crc32c_joined(joined, crc32c(block), len(block))
    assert joined == crc32c(NOISE)


def test_joining_with_zeros_of_any_count() -> None:
    assert crc32c_joined(crc32c(b"a"), crc32c(bytes(1 << 22)), 1 << 22) == crc32c(b"a" + bytes(1 << 22))
    assert crc32c_joined(5, 7, 2**63 - 1) < 2**32
    with pytest.raises(ValueError, match="fewer than none"):
        crc32c_joined(1, 2, -1)


ARRAY = np.frombuffer(NOISE, "<u2")[:3000].reshape(10, 15, 20)
BUFFERS: list[Any] = [
    ARRAY.tobytes(),
    bytearray(ARRAY.tobytes()),
    memoryview(ARRAY),
    memoryview(ARRAY.tobytes()).cast("H"),
    ARRAY,
    ARRAY.view("i2"),
    ARRAY.view("f2"),
    ARRAY.view("f4"),
    ARRAY.view([("a", "u1"), ("b", "i1")]),
    np.array(ARRAY),
]


@pytest.mark.parametrize("buffer", BUFFERS, ids=range(len(BUFFERS)))
def test_any_buffer_in_c_order(buffer: Any) -> None:
    assert crc32c(buffer) == crc32c_by_tables(NOISE[:6000])


OTHERS = {
    "transposed": ARRAY.T,
    "every second row": ARRAY[:, ::2],
    "every second byte": memoryview(NOISE)[::2],
    "text": "text",
    "none": None,
    "number": 5,
    "list": [1, 2],
}


@pytest.mark.parametrize("buffer", OTHERS.values(), ids=list(OTHERS))
def test_other_things_are_refused(buffer: Any) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        crc32c(buffer)


@pytest.mark.parametrize("value", [-1, 2**32, 1.5, "1"])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        crc32c(b"a", value)


def test_threads_share_a_long_buffer() -> None:
    data = np.frombuffer(NOISE, np.uint8).repeat(20)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(crc32c, [data] * 8)) == {crc32c_by_tables(data)}


def test_the_codec_of_zarr_has_the_same() -> None:
    codec = pytest.importorskip("google_crc32c")
    assert codec.value(NOISE) == crc32c(NOISE)
