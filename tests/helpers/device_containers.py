"""Containers of unequal arrays for decoding in one batch, and a damaged one."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference
from reference.random_streams import CASES, random_coefficients

import mmip_gpu as mmip
from helpers.strategies import make
from mmip_gpu.codecs import Wanted
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.transform.extent import needed_stages


def batch() -> list[bytes]:
    """Unequal chunks: both depths, colour, corrections, DC images, padding, predictions."""
    rng = np.random.default_rng(9)
    names = ("dc_image_slices", "padding_3d", "dc_image_colour", "predicted_slices")
    random = [reference.encode(CASES[n], random_coefficients(rng, CASES[n]), {}) for n in names]
    return [
        *random[:1],
        mmip.encode(make("textured", (20, 40, 33), "uint16", 1), quality=10, cell_depth=8),
        mmip.encode(make("edges", (90, 101), "uint8", 2), quality=3),
        mmip.encode(make("smooth", (32, 32), "uint8", 3), lossless=True, stages=2),
        mmip.encode(make("smooth", (1, 400), "int16", 3), quality=1),
        mmip.encode(make("smooth", (40, 41, 3), "uint8", 4), axes="yxc", quality=30),
        mmip.encode(make("smooth", (9, 40, 41), "int16", 4), max_error=20, stages=3),
        mmip.encode(make("half", (300, 70), "uint16", 6), quality=5, stages=5),
        *random[1:],
    ]


def damaged_payload(payload: bytes, at: int, bit: int) -> bytes:
    return payload[:at] + bytes([payload[at] ^ 1 << bit]) + payload[at + 1 :]


def job_of(blob: bytes, **options: Any) -> DecodeJob:
    header, read = open_container(blob)
    wanted = Wanted(**options)
    return DecodeJob(header, [read(stage, 0, None) for stage in range(1, needed_stages(header, wanted) + 1)], wanted)


def decoded(jobs: list[DecodeJob], descending: bool = False, scratch: int = 2**30) -> list[Any]:
    return Decoder(HostExecutor(descending), scratch).decode(jobs).results()
