"""Containers of one payload (kinds from 2 on), changed, with crcs that fit again."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reference.crc import crc32c
from reference.payload import GROUP

from helpers.damage import header_of, with_crc
from mmip_gpu.container.header import Header

Array = NDArray[Any]
OWN_BYTES = {2: 16, 3: 13}  # of each kind's own fields


def with_own_field(blob: bytes, at: int, value: int, width: int) -> bytes:
    """The container with bytes of its own fields replaced."""
    size = header_of(blob)
    start = size - 16 - OWN_BYTES[Header.parse(blob)[0].fields.kind] + at
    return with_crc(blob[:start] + value.to_bytes(width, "little") + blob[start + width : size]) + blob[size:]


def with_payload(blob: bytes, payload: bytes) -> bytes:
    """The container with another payload, whose head crc the header repeats."""
    size = header_of(blob)
    head = min(struct.unpack_from("<I", payload)[0], len(payload))
    crc = struct.unpack_from("<I", payload, head - 4)[0] if head >= 4 else 0
    return with_crc(blob[: size - 16] + struct.pack("<QI", len(payload), crc) + bytes(4)) + payload


def resealed_payload(
    blob: bytes,
    substreams: int,
    *,
    parameters: Callable[[bytearray], None] | None = None,
    bodies: Callable[[list[bytearray]], None] | None = None,
) -> bytes:
    """The container with its parameters, its sub-streams, or both changed, and everything around them written anew."""
    payload = blob[header_of(blob) :]
    head, size = struct.unpack_from("<II", payload)
    kept = bytearray(payload[8 : 8 + size])
    w = payload[8 + size]
    index = int.from_bytes(payload[9 + size : 9 + size + -(-substreams * w // 8)], "big")
    index >>= -substreams * w % 8
    sizes = [1 + (index >> (w * (substreams - 1 - i)) & ((1 << w) - 1)) for i in range(substreams)]
    ends = np.cumsum([head, *sizes]).tolist()
    streams = [bytearray(payload[a:b]) for a, b in pairwise(ends)]
    if parameters:
        parameters(kept)
    if bodies:
        bodies(streams)
    groups = [b"".join(streams[i : i + GROUP]) for i in range(0, substreams, GROUP)]
    body = struct.pack("<I", len(kept)) + kept + b"\x20"
    body += b"".join(struct.pack(">I", len(stream) - 1) for stream in streams)
    body += b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    body = struct.pack("<I", 4 + len(body) + 4) + body
    return with_payload(blob, body + struct.pack("<I", crc32c(body)) + b"".join(groups))
