"""Damaged containers of kind 3, crcs made anew: errors of ours or samples, and no more memory than the header says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from helpers.damage import with_crc

import mmip_gpu as mmip
from mmip_gpu._core import ParameterHead, assemble_payload
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.errors import CorruptData, MmipError


def blob_of(colours: int = 0) -> bytes:
    """A container of a few tiles; with `colours` one of a palette."""
    rng = np.random.default_rng(colours)
    if colours:
        palette = rng.integers(0, 256, (colours, 3))
        array = palette[np.repeat(rng.integers(0, colours, (8, 9)), 8, axis=1)].astype(np.uint8)
        return mmip.encode(array, lossless="small", axes="yxc", colour=True)
    return mmip.encode(rng.integers(0, 40, (3, 20, 270)).astype(np.int16) * 9, lossless="small", axes="nyx")


def decoded(blob: bytes) -> str:
    """What became of a container that is read without its crcs."""
    try:
        header, size = Header.parse(blob, check_crc=False)
        if header.layout.samples > 1 << 20:
            return "large"
        codec_of(header).decode(header, parts_of([blob[size:]]), Wanted(), Limits(1, 1 << 24, check_crc=False))
    except MmipError as e:
        return type(e).__name__
    return "decoded"


@pytest.mark.parametrize("blob", [blob_of(), blob_of(20)], ids=["planes", "palette"])
def test_every_truncation_is_told(blob: bytes) -> None:
    for end in range(len(blob)):
        with pytest.raises(MmipError):
            mmip.decode(blob[:end])
        assert decoded(blob[:end]) != "decoded"


@pytest.mark.parametrize("blob", [blob_of(), blob_of(20)], ids=["planes", "palette"])
def test_every_bit_of_the_header_may_be_wrong(blob: bytes) -> None:
    _, size = Header.parse(blob)
    for bit in range(8 * (size - 4)):
        broken = bytearray(blob)
        broken[bit // 8] ^= 128 >> bit % 8
        with pytest.raises(MmipError):
            mmip.decode(broken)
        assert decoded(with_crc(bytes(broken[:size])) + blob[size:]) in {
            "CorruptData", "TruncatedData", "LimitExceeded", "UnsupportedVersion", "decoded", "large",
        }  # fmt: skip


@pytest.mark.parametrize("blob", [blob_of(), blob_of(20)], ids=["planes", "palette"])
def test_damaged_payloads_end_in_samples_or_errors_of_ours(blob: bytes) -> None:
    _, size = Header.parse(blob)
    seen: set[Any] = set()
    for seed in range(400):
        random, broken = Random(seed), bytearray(blob)
        for _ in range(random.randint(1, 4)):
            broken[random.randrange(size, len(blob))] = random.randrange(256)
        seen.add(decoded(bytes(broken)))
    assert seen <= {"decoded", "CorruptData", "TruncatedData", "LimitExceeded"}
    assert {"decoded", "CorruptData"} <= seen


@pytest.mark.parametrize("tail", [b"\0", b"\1", bytes(9)])
def test_bytes_after_a_substream_are_corrupt(tail: bytes) -> None:
    blob = blob_of()
    header, size = Header.parse(blob)
    payload = np.frombuffer(blob, np.uint8)[size:]
    head = ParameterHead(payload, len(payload), header.fields.substreams(header.layout), True)
    ends = head.offsets.astype(int).tolist()
    streams = [bytes(payload[a:b]) for a, b in pairwise(ends)]
    with_tail = [streams[0] + 8 * tail, *streams[1:]]

    def assembled(streams: list[bytes]) -> bytes:
        sizes = np.array([len(stream) for stream in streams], np.uint32)
        joined = np.frombuffer(b"".join(streams), np.uint8)
        made = assemble_payload(np.frombuffer(head.parameters, np.uint8), joined, sizes, 1)
        return replace(header, fields=replace(header.fields, payload=PayloadFields.of(made))).to_bytes() + made

    assert assembled(streams) == blob
    with pytest.raises(CorruptData, match="more bytes"):
        mmip.decode(assembled(with_tail))
