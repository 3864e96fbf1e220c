"""Encoding of kind 2 by the kernels of the GPU, run phase by phase on the CPU: byte for byte what the core writes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu._core import encode_predictive
from mmip_gpu.device.encode.arrays import encode_arrays
from mmip_gpu.device.encode.predictive import encode_bricks
from mmip_gpu.device.encode.source_bricks import PlanesSource
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.encoding import planned
from mmip_gpu.options import EncodeSettings


def colours(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    channels = make("textured", (*shape, 1), dtype, seed) // 2 + make("noise", (*shape, 3), dtype, seed) // 32
    return np.ascontiguousarray(channels)


CASES: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "line": (make("smooth", (3000,), "uint16", 1), {}),
    "flat": (make("textured", (70, 150), "uint16", 2), {}),
    "planes": (make("textured", (3, 40, 70), "int8", 3), {"axes": "nyx"}),
    "deep": (make("smooth", (19, 40, 70), "int16", 4), {}),
    "slices": (make("slices", (9, 40, 40), "uint8", 5), {}),
    "ranks": (make("textured", (90, 70), "uint16", 6) // 4096 * 501, {}),
    "runs": (make("spikes", (64, 200), "int16", 7), {}),
    "speckles": (make("spikes", (64, 200), "uint8", 7) | make("noise", (64, 200), "uint8", 8) // 250, {}),
    "colour": (colours((70, 80), "uint8", 9), {"axes": "yxc"}),
    "colours alike": (make("smooth", (40, 41, 3), "uint8", 10), {"axes": "yxc"}),
    "colour volumes": (colours((2, 9, 20, 22), "uint16", 11), {"axes": "tzyxc"}),
    "floats": (make("smooth", (30, 70), "float32", 12), {"step": 0.25}),
    "one value": (make("constant", (40, 50), "uint8", 13), {}),
    "one sample": (np.full((1, 1), 7, np.int16), {}),
    "noise": (make("noise", (40, 50), "uint8", 14), {}),
    "nothing": (np.empty((0, 50), np.uint8), {}),
    "reversed": (make("textured", (40, 90), "int16", 15)[::-1, ::2], {}),
}


def on_device(arrays: list[NDArray[Any]], executor: HostExecutor, options: dict[str, Any]) -> list[bytes]:
    settings = EncodeSettings.of(lossless=True, **options)
    return [one.to_bytes() for one in encode_arrays(arrays, partial(planned, settings=settings), 1, executor)]


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_containers_are_those_of_the_core(executor: HostExecutor, name: str, effort: int) -> None:
    array, options = CASES[name]
    expected = mmip.encode(array, lossless=True, effort=effort, **options)
    assert on_device([array], executor, options | {"effort": effort}) == [expected]


def test_unequal_arrays_of_a_call(executor: HostExecutor) -> None:
    arrays = [CASES[name][0] for name in ("flat", "nothing", "deep", "ranks", "noise", "one sample", "reversed")]
    assert on_device(arrays, executor, {}) == [mmip.encode(array, lossless=True) for array in arrays]


def test_cases_cover_the_forms() -> None:
    blobs = [mmip.encode(array, lossless=True, **options) for array, options in CASES.values()]
    found = [mmip.inspect(blob) for blob in blobs]
    config = [one["config"] for one in found if one["kind"] == "predictive"]
    assert {one["colour_form"] for one in config} > {0, 3}
    assert max(one["brick_log2"][0] for one in config) > 0
    assert any(one["kind"] == "raw" for one in found)


@pytest.mark.parametrize("seed", range(12))
def test_drawn_planes(executor: HostExecutor, seed: int) -> None:
    """Of any form, with steps above 1, together; most in several bricks."""
    rng = np.random.default_rng(seed)
    sources, expected = [], []
    for _ in range(4):
        colour = bool(rng.integers(0, 3) == 0)
        planes, volume = int(rng.integers(1, 3)) * (3 if colour else 1), rng.integers(1, (20, 50, 60)).tolist()
        dtype = str(rng.choice(["uint8", "int8", "uint16", "int16", "int32"]))
        wave = rng.normal(0, rng.choice([0.3, 3, 40]), (planes, *volume)).cumsum(axis=-1) + rng.normal(0, 1)
        samples = np.clip(np.rint(wave), -120, 127) + (0 if dtype.startswith("i") else 120)
        array, near = samples.astype(dtype), int(rng.choice([0, 0, 1, 4]))
        effort = int(rng.integers(1, 4))
        sources.append(PlanesSource(array, executor.upload(array), colour, near, effort))
        expected.append(encode_predictive(array, planes, volume, colour, near, effort, 1))
    for (form, payload), (own_form, own_payload) in zip(encode_bricks(executor, sources, 1), expected, strict=True):
        assert form == own_form
        assert payload == own_payload
