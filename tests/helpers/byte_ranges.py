"""Decoding containers of one payload by the bytes alone that their codec names; regions to decode."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.header import Header
from mmip_gpu.container.payload import parts_of


def drawn_region(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, ...]:
    bounds = [sorted(int(v) for v in rng.integers(0, n + 1, 2)) for n in shape]
    return tuple(slice(a, b) for a, b in bounds)


def decoded_by_ranges(blob: bytes, wanted: Wanted) -> tuple[np.ndarray, int]:
    """The result of a decode that sees only the bytes that `extent` named, and how many these were."""
    header, at = Header.parse(blob)
    codec, payload = codec_of(header), blob[at:]
    held = np.zeros(len(payload), bool)

    def read_held(stage: int, first: int, end: int | None) -> Any:
        assert stage == 1
        part = slice(first, len(payload) if end is None else end)
        return payload[part] if held[part].all() else None

    whole = False
    while not whole:
        spans, whole = codec.extent(header, read_held, wanted)
        before = held.sum()
        for _, first, end in spans:
            assert 0 <= first <= end <= len(payload)
            held[first:end] = True
        assert whole or held.sum() > before
    sparse = bytes(np.where(held, np.frombuffer(payload, np.uint8), 0xA5).astype(np.uint8))
    found = codec.decode(header, parts_of([sparse]), wanted, Limits())
    return found, int(held.sum())
