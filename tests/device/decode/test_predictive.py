"""Decoding of kind 2 by the kernels of the GPU, run phase by phase on the CPU: bit for bit what the core decodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.single_payloads import with_own_field
from helpers.strategies import make

import mmip_gpu as mmip
from mmip_gpu.codecs import Wanted, codec_of
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.decode.containers import KINDS, decode_containers
from mmip_gpu.device.decode.jobs import DecodeJob
from mmip_gpu.device.decode.predictive import BrickDecoder
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.bricks import BrickBox, brick_records
from mmip_gpu.errors import LimitExceeded
from mmip_gpu.predictive.fast import brick_region, substreams_of_box

CASES: dict[str, tuple[str, tuple[int, ...], str, str, dict[str, Any]]] = {
    "line": ("smooth", (3000,), "uint16", "x", {}),
    "flat": ("textured", (70, 150), "uint16", "yx", {}),
    "planes": ("smooth", (3, 40, 70), "int8", "nyx", {}),
    "deep": ("smooth", (19, 40, 70), "int16", "zyx", {}),
    "deep, own sets": ("textured", (20, 70, 33), "uint8", "zyx", {"effort": 3}),
    "built-in sets": ("textured", (50, 90), "uint8", "yx", {"effort": 1}),
    "ranks": ("edges", (60, 70), "uint16", "yx", {}),
    "runs": ("spikes", (64, 200), "int16", "yx", {}),
    "colour": ("textured", (70, 80, 3), "uint8", "yxc", {}),
    "colour volumes": ("smooth", (2, 9, 20, 22, 3), "uint16", "tzyxc", {}),
    "floats": ("smooth", (30, 70), "float32", "yx", {"step": 0.25}),
    "wide floats": ("textured", (4, 175, 200), "float32", "zyx", {"step": 0.5}),
    "transposed": ("textured", (9, 2, 30, 40), "int16", "zcyx", {}),
    "one value": ("constant", (40, 50), "uint8", "yx", {}),
}


def container(name: str) -> bytes:
    kind, shape, dtype, axes, options = CASES[name]
    array = make(kind, shape, dtype, 3)
    if name == "ranks":
        array = array // 4096 * 501 + make("noise", shape, dtype, 4) % 2 * 501
    if name.startswith("colour"):
        array = array[..., :1] // 2 + make("noise", shape, dtype, 4) // 32
    if name == "wide floats":
        array = np.random.default_rng(3).permutation(array.size // 7).repeat(7).reshape(shape).astype(np.float32) % 2
        array += np.arange(array.size, dtype=np.float32).reshape(shape) / 2
    blob = mmip.encode(array, axes=axes, lossless=True, **options)
    assert mmip.inspect(blob)["kind"] == "predictive"
    return blob


def palette() -> bytes:
    rng = np.random.default_rng(6)
    colours = rng.integers(0, 256, (5, 3), np.uint8)
    blob = mmip.encode(colours[rng.integers(0, 5, (40, 30)).cumsum(1) % 5], lossless=True, axes="yxc")
    assert mmip.inspect(blob)["config"]["colour_form"] == 3
    return blob


def job_of(blob: bytes, **options: Any) -> DecodeJob:
    header, read = open_container(blob)
    return DecodeJob(header, [read(1, 0, None)], Wanted(**options))


def decoded(jobs: list[DecodeJob], executor: HostExecutor, scratch: int = 2**30) -> list[Any]:
    return BrickDecoder(executor, scratch).decode(jobs).results()


@pytest.mark.parametrize("name", CASES)
def test_containers_decode_alike(executor: HostExecutor, name: str) -> None:
    """At every scale, all in one batch."""
    blob = container(name)
    scales = (1, 2, 4, 8)
    for scale, found in zip(scales, decoded([job_of(blob, scale=s) for s in scales], executor), strict=True):
        expected = mmip.decode(blob, scale=scale)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert np.array_equal(found, expected), scale


def test_cases_cover_the_forms() -> None:
    config = {name: mmip.inspect(container(name))["config"] for name in CASES}
    assert config["deep"]["brick_log2"][0] > 0
    assert config["wide floats"]["bits"] > 17
    assert config["ranks"]["bits"] <= 4
    assert {config[name]["colour_form"] for name in ("colour", "colour volumes")} <= {0, 1, 2}, config


@pytest.mark.parametrize("scratch", [1, 100_000, 2**30])
def test_batches_of_unequal_chunks(executor: HostExecutor, scratch: int) -> None:
    near = mmip.encode(make("smooth", (40, 50), "uint16", 1), max_error=7, effort=1)
    blobs = [*map(container, CASES), palette(), near]
    for found, blob in zip(decoded([job_of(b) for b in blobs], executor, scratch), blobs, strict=True):
        assert np.array_equal(found, mmip.decode(blob))


def test_every_form_of_colour(executor: HostExecutor) -> None:
    unlike = np.stack([make("textured", (70, 80), "uint8", seed) // 2 for seed in range(3)], -1)
    blob, plain = container("colour"), mmip.encode(unlike, axes="yxc", lossless=True)
    blobs = [plain, *(with_own_field(blob, 0, form, 1) for form in (1, 2)), palette()]
    assert [mmip.inspect(b)["config"]["colour_form"] for b in blobs] == [0, 1, 2, 3]
    for found, other in zip(decoded([job_of(b) for b in blobs], executor), blobs, strict=True):
        assert np.array_equal(found, mmip.decode(other))


REGIONS: dict[str, tuple[slice, ...]] = {
    "flat": (slice(33, 60), slice(140, 150)),
    "planes": (slice(1, 3), slice(39, 40), slice(0, 9)),
    "deep": (slice(17, 19), slice(3, 35), slice(40, 41)),
    "colour": (slice(9, 33), slice(8, 41), slice(1, 3)),
    "colour volumes": (slice(1, 2), slice(2, 9), slice(8, 20), slice(3, 20), slice(0, 3)),
    "wide floats": (slice(1, 4), slice(0, 30), slice(17, 33)),
    "transposed": (slice(2, 9), slice(1, 2), slice(8, 30), slice(0, 40)),
    "one value": (slice(9, 9), slice(8, 40)),
}


@pytest.mark.parametrize("name", REGIONS)
def test_regions_decode_alike(executor: HostExecutor, name: str) -> None:
    blob, region = container(name), REGIONS[name]
    jobs, expected = [], []
    for scale in (1, 2, 8):
        own = tuple(
            slice(s.start // scale, -(-s.stop // scale)) if letter in "zyx" else s
            for s, letter in zip(region, CASES[name][3], strict=True)
        )
        jobs.append(job_of(blob, region=own, scale=scale))
        expected.append(mmip.decode(blob, region=own, scale=scale))
    for found, wanted in zip(decoded(jobs, executor), expected, strict=True):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert np.array_equal(found, wanted)


def test_kernels_decode_the_kinds_of_the_codecs_that_have_them() -> None:
    samples = make("smooth", (20, 30), "uint8", 1)
    options: list[dict[str, Any]] = [{"quality": 9}, {"lossless": True}, {"lossless": "small"}, {"labels": True}]
    for chosen in options:
        header = open_container(mmip.encode(samples, **chosen))[0]
        assert codec_of(header).has_kernels == (header.fields.kind in KINDS)


def test_kinds_share_a_call() -> None:
    array = make("smooth", (40, 50), "uint8", 2)
    blobs = [mmip.encode(array, quality=9), mmip.encode(array, lossless=True), mmip.encode(array, psnr=30)]
    for found, blob in zip(decode_containers(blobs, codec_of, executor=HostExecutor()), blobs, strict=True):
        assert np.array_equal(found, mmip.decode(blob))


def test_too_many_bytes_are_refused() -> None:
    found = BrickDecoder(HostExecutor()).decode([job_of(container("flat"))], max_bytes=100)
    assert isinstance(found.errors()[0], LimitExceeded)


@pytest.mark.parametrize("name", ["deep", "planes", "colour volumes"])
def test_streams_are_those_of_the_box(name: str) -> None:
    header = open_container(container(name))[0]
    job = job_of(container(name), region=REGIONS[name])
    box = brick_region(header, job.wanted).box
    records = brick_records(BrickBox.of(header, box))
    assert sorted(records.substreams.tolist()) == sorted(substreams_of_box(header, box))
    assert records.tiles.sum() * BrickBox.of(header, box).components == len(records.substreams)


def test_places_are_64_bits_wide() -> None:
    volume, bounds = (2**10, 2**20 + 5, 2**31 + 5), (5, 6, 1, 2, 2**15, 2**15 + 1, 2**26, 2**26 + 1)
    records = brick_records(BrickBox(volume, (3, 4, 4), (4, 5, 5), 1, 1, bounds))
    of_slice = (2**16 + 1) * (2**27 + 1)
    assert records.bricks["origin"].tolist() == [[16, 2**20, 2**31]]
    assert records.bricks["extent"].tolist() == [[16, 5, 5]]
    first = 5 * 128 * of_slice + 2 * of_slice + 2 * (2**16 * (2**27 + 1) + 2**27)
    assert records.substreams.tolist() == [first, first + 1]
