"""Arrays drawn by a seed for codecs that keep every sample: all contents, dtypes, axes, strides; changed payloads."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reference.crc import crc32c

from helpers.damage import header_of, with_crc
from mmip_gpu._core import encode_predictive
from mmip_gpu.container.header import Header
from mmip_gpu.container.loss_record import LossRecord
from mmip_gpu.container.payload_fields import PayloadFields
from mmip_gpu.container.predictive_fields import PredictiveFields
from mmip_gpu.volume.axes import PlaneLayout

Array = NDArray[Any]

AXES = ("x", "yx", "zyx", "tyx", "yxc", "cyx", "tzyx", "zyxc", "ycx", "ntyx", "tczyx", "tnczyx")
DTYPES = ("uint8", "int8", "uint16", "int16", "float32")
CONTENTS = ("noise", "ramp", "spikes", "two", "full", "walk", "flat", "few", "steps", "palette")
STEP = 0.25


def _numbers(content: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Whole numbers around 0, or over all of 0..1."""
    if content == "noise":
        return rng.integers(0, int(rng.integers(2, 300)), shape)
    if content == "ramp":
        return np.indices(shape).sum(axis=0) * int(rng.integers(1, 40)) - int(rng.integers(0, 500))
    if content == "spikes":
        return np.where(rng.random(shape) < 0.02, rng.integers(-(2**15), 2**15, shape), 7)
    if content == "two":
        low, high = sorted(int(v) for v in rng.integers(-(2**15), 2**15, 2))
        return np.where(rng.random(shape) < rng.random(), low, high)
    if content == "full":
        return rng.integers(-(2**18), 2**18 + 1, shape)
    if content == "walk":
        return np.rint(rng.normal(0, 9, shape).cumsum(axis=-1)).astype(np.int64)
    if content == "flat":
        return np.full(shape, int(rng.integers(-(2**15), 2**15)))
    if content == "few":
        return rng.choice(rng.integers(-(2**15), 2**15, 9), shape)
    steps = np.indices(shape).sum(axis=0) // int(rng.integers(3, 30))
    return steps % 7 * 900 if content == "steps" else rng.integers(0, 2**16, 12)[steps % 12]


def stored(numbers: Array, dtype: str, rng: np.random.Generator) -> Array:
    """Numbers wrapped around in a dtype, in some byte order and with some strides."""
    if dtype == "float32":
        array = (np.clip(numbers, -(2**18), 2**18) * STEP).astype(np.float32)
    else:
        array = numbers.astype(dtype)
    form = rng.integers(0, 5)
    if form == 1:
        return array.astype(array.dtype.newbyteorder(">"))
    if form == 2:
        return np.asfortranarray(array)
    if form == 3:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array[..., ::-1][..., ::-1] if form == 4 else array


def drawn_exact(seed: int, most: int = 4000) -> tuple[Array, dict[str, Any]]:
    """An array and the options of `encode` that keep it exactly."""
    rng = np.random.default_rng(seed)
    axes = str(rng.choice(AXES))
    left, shape = most, []
    for axis in axes:
        length = (
            3 if axis == "c" and rng.random() < 0.7 else int(rng.integers(1, 1 + min(left, 70 if axis in "yx" else 9)))
        )
        shape.append(length)
        left = max(left // length, 1)
    if axes == "x":
        shape = [int(rng.integers(1, most))]
    dtype = str(rng.choice(DTYPES))
    array = stored(_numbers(str(rng.choice(CONTENTS)), tuple(shape), rng), dtype, rng)
    options: dict[str, Any] = {"lossless": True, "axes": axes, "effort": int(rng.integers(1, 4))}
    return array, options | ({"step": STEP} if dtype == "float32" else {})


def near_container(array: Array, near: int, colour: bool = False) -> bytes:
    """What the core makes of an array whose error may be `near`; no option asks for it."""
    layout = PlaneLayout.of(array.shape, "yxc" if colour else None)
    form, payload = encode_predictive(layout.to_planes(array), layout.planes, layout.volume, colour, near, 2, 1)
    colour_form, bits, offset, tile, brick = form
    fields = PredictiveFields(colour_form, tuple(tile), tuple(brick), offset, bits, near, PayloadFields.of(payload))
    loss = LossRecord("max_error", float(near), True, int(array.min()), int(array.max()), 0, near)
    return Header(array.dtype.name, layout, colour, loss, fields, None).to_bytes() + payload


# --- containers of one payload, changed, with crcs that fit again


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
    groups = [b"".join(streams[i : i + 8]) for i in range(0, substreams, 8)]
    body = struct.pack("<I", len(kept)) + kept + b"\x20"
    body += b"".join(struct.pack(">I", len(stream) - 1) for stream in streams)
    body += b"".join(struct.pack("<I", crc32c(group)) for group in groups)
    body = struct.pack("<I", 4 + len(body) + 4) + body
    return with_payload(blob, body + struct.pack("<I", crc32c(body)) + b"".join(groups))
