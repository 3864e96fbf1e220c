"""Fields of channels in a header: what is out of range, or does not add up, is corrupt."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
import reference
from helpers.damage import header_of, patched, with_crc
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData

INFINITE = float("inf")


@pytest.fixture(scope="module")
def blob() -> bytes:
    array = np.stack([make("textured", (40, 30), "uint8", i).astype(np.uint16) * 9 for i in range(3)])
    return mmip.encode(array, axes="cyx", max_error=[5, 2, 9.5])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flags", 0),
        ("flags", 4),
        ("flags", 16),
        ("flags", 40),
        ("flags", 255),
        ("mode", 1),
        ("mode", 0),
        ("requested", 5.0),
        ("minimum", -7),
        ("maximum", 60000),
        ("sse", 3),
        ("max_error", 1),
        ("correction_error", 5),
        ("channel 0: minimum", 65536),
        ("channel 1: maximum", -1),
        ("channel 2: sse", 2**63),
        ("channel 0: max_error", 77),
        ("listed", 0),
        ("listed", 2),
        ("listed", 255),
        ("channel_requested", (5.0, 2.0, 3.0)),
        ("channel_requested", (5.0, float("nan"), 9.5)),
        ("channel_requested", (INFINITE, 2.0, 9.5)),
        ("channel_errors", (5, 2, 8)),
        ("channel_errors", (2**18 + 1, 2, 9)),
        ("colour", 1),
    ],
)
def test_fields_that_do_not_fit_are_corrupt(blob: bytes, name: str, value: Any) -> None:
    bad = patched(blob, name, value)
    for read in (mmip.decode, mmip.inspect):
        with pytest.raises(mmip.CorruptData):
            read(bad)
    with pytest.raises((reference.CorruptError, reference.TruncatedError)):
        reference.decode(bad)


def test_fields_in_their_range_are_accepted(blob: bytes) -> None:
    for name, value in (("channel_requested", (5.0, -3.0, 9.5)), ("channel_errors", (0, 9, 9)), ("verified", 0)):
        changed = patched(blob, name, value)
        assert changed != blob
        assert np.array_equal(mmip.decode(changed), reference.decode(changed))


def test_channels_are_written_as_they_are_read(blob: bytes) -> None:
    header, size = Header.parse(blob)
    assert header.to_bytes() == blob[:size]
    assert [one.requested for one in header.channel_losses] == [5, 2, 9.5]
    assert header.fields.channels.errors == (5, 2, 9)  # type: ignore[attr-defined]


def test_a_header_that_ends_in_its_channels_is_corrupt(blob: bytes) -> None:
    size = header_of(blob)
    for cut in range(1, 3 * (20 + 8 + 4) + 2):
        short = blob[: size - 4 - cut]
        short = with_crc(short[:6] + struct.pack("<H", size - cut) + short[8:] + bytes(4))
        with pytest.raises(CorruptData):
            mmip.inspect(short + blob[size:])


def test_channels_of_an_axis_that_is_too_long_take_no_memory(blob: bytes) -> None:
    with pytest.raises(mmip.CorruptData):
        mmip.inspect(patched(blob, "shape", (2**31, 1, 1)))
