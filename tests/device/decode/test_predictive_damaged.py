"""Damaged payloads of kind 2 and the kernels: an error of our kinds where the core has one, else its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from helpers.damage import header_of
from helpers.single_payloads import resealed_payload

import mmip_gpu as mmip
from mmip_gpu.codecs import Wanted
from mmip_gpu.container.reader import open_container
from mmip_gpu.device.decode.jobs import DecodeJob
from mmip_gpu.device.decode.predictive import BrickDecoder
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.errors import CorruptData, InvalidArgument, MmipError, TruncatedData


def walk(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, 3, shape)
    return (np.rint(steps.cumsum(axis=-1)) % 251).astype(dtype)


def small_cases() -> dict[str, bytes]:
    rng = np.random.default_rng(6)
    speckled = np.where(rng.random((90, 150)) < 0.04, rng.integers(0, 250, (90, 150)), 7).astype(np.uint8)
    colour = walk((60, 70, 1), "uint8", 4) + np.arange(3, dtype=np.uint8) + rng.integers(0, 5, (60, 70, 3), np.uint8)
    return {
        "2d": mmip.encode(walk((70, 150), "uint16", 1), lossless=True),
        "3d": mmip.encode(walk((4, 40, 44), "int16", 2).repeat(4, 0), lossless=True),
        "colour": mmip.encode(colour, lossless=True, axes="yxc"),
        "runs": mmip.encode(speckled, lossless=True),
    }


CASES = small_cases()
EACH = pytest.mark.parametrize("name", CASES)


def job_of(blob: bytes) -> DecodeJob:
    header, read = open_container(blob)
    return DecodeJob(header, [read(1, 0, None)])


def count_of(blob: bytes) -> int:
    header = open_container(blob)[0]
    return int(header.fields.substreams(header.layout))


def by_core(blob: bytes) -> np.ndarray | MmipError:
    try:
        return mmip.decode(blob, threads=1)
    except MmipError as error:
        return error


def assert_alike(blobs: list[bytes], executor: HostExecutor) -> Counter[str]:
    """All in one batch, with a sound one; returns what became of them."""
    sound, seen = CASES["2d"], Counter[str]()
    found = BrickDecoder(executor).decode([job_of(blob) for blob in [*blobs, sound]])
    errors = found.errors()
    assert errors[-1] is None
    assert np.array_equal(found.arrays[-1], mmip.decode(sound))
    for blob, error, array in zip(blobs, errors, found.arrays, strict=False):
        expected = by_core(blob)
        if isinstance(expected, np.ndarray):
            assert error is None, error
            assert np.array_equal(array, expected)
        else:
            assert isinstance(error, CorruptData), (expected, error)
        seen["decoded" if error is None else type(error).__name__] += 1
    return seen


def damage_of(rng: np.random.Generator) -> Callable[[list[bytearray]], None]:
    """Of a sub-stream: bits flipped, its end cut off, or bytes after it."""

    def damage(streams: list[bytearray]) -> None:
        stream = streams[int(rng.integers(0, len(streams)))]
        action = rng.integers(0, 5)
        if action < 3:
            stream[int(rng.integers(0, len(stream)))] ^= int(1 << rng.integers(0, 8))
        elif action == 3:
            del stream[int(rng.integers(1, len(stream) + 1)) :]
        else:
            stream.extend(rng.bytes(int(rng.choice([1, 8, 8000]))))

    return damage


@EACH
def test_damaged_sub_streams(executor: HostExecutor, name: str) -> None:
    """Behind crcs that fit."""
    rng, count = np.random.default_rng(len(name)), count_of(CASES[name])
    blobs = [resealed_payload(CASES[name], count, bodies=damage_of(rng)) for _ in range(60)]
    seen = assert_alike(blobs, executor)
    assert seen["CorruptData"] > 0
    assert seen["TruncatedData"] > 0


@EACH
def test_sub_streams_of_noise_and_of_one_byte(executor: HostExecutor, name: str) -> None:
    rng, count = np.random.default_rng(3), count_of(CASES[name])

    def noise(streams: list[bytearray]) -> None:
        for stream in streams:
            stream[:] = rng.bytes(len(stream))

    def short(streams: list[bytearray]) -> None:
        for stream in streams:
            stream[:] = rng.bytes(1)

    blobs = [resealed_payload(CASES[name], count, bodies=damage) for damage in [noise, short] * 4]
    assert assert_alike(blobs, executor)["decoded"] < len(blobs)


@EACH
def test_damaged_parameters(executor: HostExecutor, name: str) -> None:
    """Weights, sets of bricks, codes: refused as by the core, or decoded to the same."""
    blob, count = CASES[name], count_of(CASES[name])
    size = int.from_bytes(blob[header_of(blob) + 4 :][:4], "little")

    def flip(bit: int) -> Callable[[bytearray], None]:
        def damage(data: bytearray) -> None:
            data[bit // 8] ^= 0x80 >> bit % 8

        return damage

    blobs = [resealed_payload(blob, count, parameters=flip(bit)) for bit in range(0, 8 * size, 1 + size // 20)]
    seen = assert_alike(blobs, executor)
    assert seen["CorruptData"] > 0


@EACH
def test_flipped_bits_are_detected(executor: HostExecutor, name: str) -> None:
    """Anywhere in the payload, behind no crc that fits."""
    blob, rng = CASES[name], np.random.default_rng(5)
    header, read = open_container(blob)
    payload, jobs = bytes(read(1, 0, None)), []
    for at in rng.integers(0, len(payload), 40):
        changed = bytearray(payload)
        changed[at] ^= int(1 << rng.integers(0, 8))
        jobs.append(DecodeJob(header, [bytes(changed)]))
    errors = BrickDecoder(executor).decode(jobs).errors()
    assert all(isinstance(error, CorruptData) for error in errors)
    assert any("sub-stream" in str(error) for error in errors)


def test_without_crcs_a_sub_stream_names_itself(executor: HostExecutor) -> None:
    header, read = open_container(CASES["2d"])
    payload = bytes(read(1, 0, None))
    changed = payload[:-1] + bytes([payload[-1] ^ 255])
    (error,) = BrickDecoder(executor).decode([DecodeJob(header, [changed])], check_crc=False).errors()
    assert f"sub-stream {count_of(CASES['2d']) - 1} " in str(error)


@pytest.mark.parametrize("in_device_memory", [False, True])
def test_heads_and_arguments_that_are_wrong(in_device_memory: bool) -> None:
    header, read = open_container(CASES["3d"])
    payload = np.frombuffer(read(1, 0, None), np.uint8)
    head = payload.copy()
    head[9] ^= 1
    given = [payload[:-1], payload[:3], head, np.r_[payload, payload[:1]], payload]
    jobs = [DecodeJob(header, [data], in_device_memory=in_device_memory) for data in given]
    errors = BrickDecoder(HostExecutor()).decode(jobs).errors()
    assert [type(e) for e in errors] == [TruncatedData, TruncatedData, CorruptData, CorruptData, type(None)]
    (error,) = BrickDecoder(HostExecutor()).decode([DecodeJob(header, [payload], Wanted(stages=2))]).errors()
    assert isinstance(error, InvalidArgument)
