"""Containers changed on purpose, with checksums that fit again: header fields, sub-streams, heads of payloads."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import reference
from reference.container import read_header, write_header
from reference.crc import crc32c
from reference.payload import GROUP, read_payload
from vectors.explain import header_fields


def with_crc(header: bytes) -> bytes:
    """A header's bytes (its crc included) with its crc made anew."""
    return header[:-4] + struct.pack("<I", crc32c(header[:-4]))


def header_of(blob: bytes) -> int:
    """Size of the header."""
    return int.from_bytes(blob[6:8], "little")


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
    body = payload[: head - 4 - 4 * len(groups)] + b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    payloads[stage - 1] = body + struct.pack("<I", crc32c(body)) + b"".join(groups)
    stages = list(header.stages)
    stages[stage - 1] = stages[stage - 1][0], crc32c(body)
    return write_header(replace(header, stages=tuple(stages))) + b"".join(payloads)


def regrouped(blob: bytes, each: int) -> bytes:
    """The container whose stage 1 has a crc for so many sub-streams, everything around them written anew."""
    header, at = read_header(blob)
    (size, crc), count = header.stages[0], header.grid.substreams
    payload = blob[at : at + size]
    _, substreams = read_payload(payload, header.stage_key(1), crc, count, reference.load_tables())
    groups = [b"".join(substreams[i : i + each]) for i in range(0, count, each)]
    codes_and_index = payload[4 : struct.unpack_from("<I", payload)[0] - 4 - 4 * -(-count // GROUP)]
    head = struct.pack("<I", 4 + len(codes_and_index) + 4 * len(groups) + 4) + codes_and_index
    head += b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    changed = head + struct.pack("<I", crc32c(head)) + b"".join(groups)
    stages = ((len(changed), crc32c(head)), *header.stages[1:])
    return write_header(replace(header, stages=stages)) + changed + blob[at + size :]


def with_head(blob: bytes, stage: int, change: Callable[[bytearray], None]) -> bytes:
    """The container with the head of a payload changed and all crcs made anew."""
    header, at = read_header(blob)
    at += sum(size for size, _ in header.stages[: stage - 1])
    payload = bytearray(blob[at : at + header.stages[stage - 1][0]])
    head = struct.unpack_from("<I", payload)[0]
    change(payload)
    crc = crc32c(payload[: head - 4])
    payload[head - 4 : head] = struct.pack("<I", crc)
    stages = list(header.stages)
    stages[stage - 1] = len(payload), crc
    end = at + header.stages[stage - 1][0]
    return write_header(replace(header, stages=tuple(stages))) + blob[read_header(blob)[1] : at] + payload + blob[end:]
