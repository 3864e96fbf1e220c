"""Decoding by the kernels of the GPU, run phase by phase on the CPU: bit for bit what the core decodes.

Both orders of lanes and groups; damaged items of a batch name themselves; places are 64 bits wide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from helpers.device_containers import batch, damaged_payload, decoded, job_of
from helpers.strategies import make, make_roi
from numpy.typing import NDArray
from reference.geometry import BLOCKS
from reference.random_streams import CASES, random_coefficients, random_own

import mmip_gpu as mmip
from mmip_gpu.codecs import Limits, Wanted
from mmip_gpu.container.payload import parts_of
from mmip_gpu.container.reader import open_container
from mmip_gpu.device import _phases
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.tiles import Box, CodingOrders, assign_tile_offsets, cut_into_waves, tile_records
from mmip_gpu.errors import CorruptData, InvalidArgument, LimitExceeded, TruncatedData

ORDERS = (False, True)
PREDICTED = [name for name, header in CASES.items() if header.prediction]


def assert_alike(blob: bytes, descending: bool, scales: tuple[int, ...] = (1, 2, 4, 8), scratch: int = 2**30) -> None:
    """Every number of stages at every scale, all in one batch."""
    count = len(open_container(blob)[0].payload_sizes)
    wanted: list[dict[str, Any]] = [
        {"stages": stages, "scale": scale} for scale in scales for stages in range(1, count + 1)
    ]
    found = decoded([job_of(blob, **options) for options in wanted], descending, scratch)
    for options, array in zip(wanted, found, strict=True):
        expected = mmip.decode(blob, **options)
        assert array.dtype == expected.dtype
        assert array.shape == expected.shape
        assert int(np.count_nonzero(array != expected)) == 0, options


# --- equal to the core


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", [name for name, header in CASES.items() if not header.channels])
def test_random_streams_decode_alike(name: str, seed: int) -> None:
    header = CASES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    coefficients = random_coefficients(rng, header, largest=(3000, 60000)[seed])
    blob = reference.encode(header, coefficients, random_own(rng, header) if seed else {})
    assert_alike(blob, descending=seed == 1)
    assert_alike(blob, descending=seed == 0, scales=(1, 2))


MODES: dict[str, tuple[str, tuple[int, ...], str, str, dict[str, Any]]] = {
    "flat": ("half", (150, 200), "uint16", "yx", {"quality": 2}),
    "flat-parts": ("textured", (3, 70, 70), "uint8", "nyx", {"quality": 40}),
    "deep": ("textured", (33, 40, 50), "uint16", "zyx", {"quality": 2, "cell_depth": 8}),
    "deep-parts": ("edges", (20, 64, 64), "uint16", "zyx", {"quality": 20, "cell_depth": 8}),
    "deep-slices": ("slices", (32, 40, 48), "int16", "zyx", {"quality": 1, "cell_depth": 8}),
    "colour": ("edges", (64, 72, 3), "uint8", "yxc", {"quality": 5}),
    "bound": ("textured", (20, 40, 33), "int8", "zyx", {"max_error": 2}),
    "lossless": ("smooth", (9, 33, 20), "int16", "zyx", {"lossless": True}),
    "floats": ("textured", (40, 60), "float32", "yx", {"quality": 10, "step": 0.1}),
    "flat-palettes": ("edges", (150, 140), "uint16", "yx", {"psnr": 42, "padding": None}),
    "deep-palettes": ("edges", (20, 64, 64), "uint16", "zyx", {"psnr": 40, "cell_depth": 8, "padding": None}),
    "line": ("smooth", (300,), "uint16", "x", {"quality": 1}),
}


@pytest.mark.parametrize("descending", ORDERS, ids=["ascending", "descending"])
@pytest.mark.parametrize("name", MODES)
def test_encoded_arrays_decode_alike(name: str, descending: bool) -> None:
    kind, shape, dtype, axes, options = MODES[name]
    blob = mmip.encode(make(kind, shape, dtype, 3), axes=axes, stages=4, **options)
    assert_alike(blob, descending)


def test_the_encoded_arrays_cover_all_modes() -> None:
    found = set()
    for name in ("flat", "flat-parts", "deep", "deep-parts", "deep-slices", "flat-palettes", "deep-palettes"):
        kind, shape, dtype, axes, options = MODES[name]
        blob = mmip.encode(make(kind, shape, dtype, 3), axes=axes, stages=4, **options)
        depth = open_container(blob)[0].fields.depth
        found |= {(depth, mode) for mode, _ in reference.decode_coefficients(blob).stages[0].values()}
    assert found == set(BLOCKS)


@pytest.mark.parametrize("depth", [1, 8])
def test_classes_and_padding_decode_alike(depth: int) -> None:
    array = make("textured", (20, 50, 70), "int16", 5)
    roi = make_roi(array, "zyx", 4, 1)
    blob = mmip.encode(array, quality=5, roi=roi, roi_quality={1: 20, 2: "lossless", 3: 100}, cell_depth=depth)
    assert_alike(blob, descending=depth == 8)
    array[:, :20, 30:] = -1024
    blob = mmip.encode(array, quality=5, padding=-1024, cell_depth=depth)
    assert open_container(blob)[0].fields.padding == -1024
    assert_alike(blob, descending=depth == 1)


REGIONS: dict[str, tuple[tuple[int, ...], str, tuple[slice, ...]]] = {
    "yx": ((150, 301), "yx", (slice(33, 101), slice(200, 301))),
    "zyx": ((40, 70, 90), "zyx", (slice(9, 31), slice(0, 1), slice(17, 90))),
    "ctzyx": ((3, 4, 9, 40, 33), "ctzyx", (slice(1, 2), slice(1, 3), slice(2, 9), slice(8, 33), slice(3, 30))),
    "yxc": ((70, 80, 3), "yxc", (slice(9, 50), slice(8, 80), slice(1, 3))),
    "nothing": ((70, 80), "yx", (slice(9, 9), slice(8, 80))),
}


@pytest.mark.parametrize("name", REGIONS)
def test_regions_decode_alike(name: str) -> None:
    shape, axes, region = REGIONS[name]
    array = make("textured", shape, "uint16", 4)
    for options in ({"quality": 10}, {"max_error": 100, "stages": 3}):
        blob = mmip.encode(array, axes=axes, **options)
        found = decoded([job_of(blob, region=region)])[0]
        assert np.array_equal(found, mmip.decode(blob, region=region))
        half = tuple(slice(s.start // 2, s.stop // 2) if a in "yx" else s for s, a in zip(region, axes, strict=True))
        if open_container(blob)[0].fields.depth == 1:
            found = decoded([job_of(blob, region=half, scale=2)], descending=True)[0]
            assert np.array_equal(found, mmip.decode(blob, region=half, scale=2))


@pytest.mark.parametrize("scratch", [1, 100_000, 2**30])
def test_batches_of_unequal_chunks(scratch: int) -> None:
    blobs = batch()
    for array, blob in zip(decoded([job_of(b) for b in blobs], scratch == 1, scratch), blobs, strict=True):
        assert np.array_equal(array, mmip.decode(blob))


def core_error(blob: bytes, **options: Any) -> Exception | None:
    try:
        mmip.decode(blob, threads=1, **options)
    except (CorruptData, TruncatedData) as error:
        return error
    return None


def test_damaged_items_name_themselves_and_the_others_decode() -> None:
    blobs = batch()
    jobs = [job_of(b) for b in blobs]
    for index in (0, 1, 2, 5, 6, 9, 10):
        for stage, payload in enumerate(jobs[index].payloads):
            changed = list(jobs[index].payloads)
            changed[stage] = damaged_payload(bytes(payload), len(payload) - 1, 4)
            found = Decoder(HostExecutor()).decode(
                [*jobs[:index], DecodeJob(jobs[index].header, changed), *jobs[index + 1 :]]
            )
            errors = found.errors()
            assert [i for i, e in enumerate(errors) if e is not None] == [index]
            assert isinstance(errors[index], CorruptData)
            assert f"stage {stage + 1}, sub-stream" in str(errors[index])
            for i, (array, blob) in enumerate(zip(found.arrays, blobs, strict=True)):
                assert i == index or np.array_equal(array, mmip.decode(blob))
            with pytest.raises(CorruptData, match=f"item {index}: stage {stage + 1}"):
                found.results()


@pytest.mark.parametrize("descending", ORDERS, ids=["ascending", "descending"])
@pytest.mark.parametrize("name", ["2d_merged", "3d", "classes_3d", "padding_3d", "dc_image", "corrected", *PREDICTED])
def test_damaged_sub_streams_without_crcs(name: str, descending: bool) -> None:
    """Flipped bits in sub-streams: an error, or samples, as from the core; nothing outside the arrays is touched."""
    header = CASES[name]
    rng = np.random.default_rng(len(name))
    blob = reference.encode(header, random_coefficients(rng, header), {})
    clean = job_of(blob)
    decoder, jobs = Decoder(HostExecutor(descending)), []
    for _ in range(40):
        stage = int(rng.integers(0, len(clean.payloads)))
        payload = bytearray(clean.payloads[stage])
        head = int.from_bytes(payload[:4], "little")
        for at in rng.integers(head, len(payload), rng.integers(1, 4)):
            payload[at] ^= 1 << int(rng.integers(0, 8))
        jobs.append(DecodeJob(clean.header, [*clean.payloads[:stage], bytes(payload), *clean.payloads[stage + 1 :]]))
    found = decoder.decode([*jobs, clean], check_crc=False)
    errors = found.errors()
    assert errors[-1] is None
    assert np.array_equal(found.arrays[-1], mmip.decode(blob))
    assert any(errors)
    for job, error, array in zip(jobs, errors, found.arrays, strict=False):
        expected = decode_core(job)
        assert type(expected) is type(error) or isinstance(expected, np.ndarray), (expected, error)
        if isinstance(expected, np.ndarray):
            assert error is None
            assert np.array_equal(array, expected)


def decode_core(job: DecodeJob) -> NDArray[Any] | Exception:
    from mmip_gpu.transform.chunk import decode_chunk

    try:
        return decode_chunk(job.header, parts_of([bytes(p) for p in job.payloads]), Wanted(), Limits(check_crc=False))
    except (CorruptData, TruncatedData) as error:
        return error


def test_heads_and_arguments_that_are_wrong() -> None:
    blob = batch()[2]
    clean = job_of(blob)
    payload = bytes(clean.payloads[0])
    short = DecodeJob(clean.header, [payload[:-1], *clean.payloads[1:]])
    head = DecodeJob(clean.header, [damaged_payload(payload, 5, 1), *clean.payloads[1:]])
    stages = DecodeJob(clean.header, clean.payloads, Wanted(stages=9))
    region = DecodeJob(clean.header, clean.payloads, Wanted(region=(slice(0, 1000), slice(0, 1))))
    found = Decoder(HostExecutor()).decode([short, head, stages, region, clean])
    kinds = [type(e) for e in found.errors()]
    assert kinds == [TruncatedData, CorruptData, InvalidArgument, InvalidArgument, type(None)]
    assert np.array_equal(found.arrays[-1], mmip.decode(blob))
    found = Decoder(HostExecutor()).decode([clean], max_bytes=100)
    assert isinstance(found.errors()[0], LimitExceeded)


# --- layouts and places


def test_places_are_64_bits_wide() -> None:
    size = (3000, 40_000, 50_000)  # 6e12 samples a plane
    assert _phases.sample_position(size, 7, 2999, 39_999, 49_999) == 8 * 3000 * 40_000 * 50_000 - 1
    box = Box((1000, 64, 2**31 + 5), 8, (1, 2, 2), (3, 4, 60, 62, 1, 2, 2**26, 2**26 + 1))
    tiles, substreams = tile_records(box, 1, CodingOrders())
    assert tiles["cell"].tolist() == [[120, 4, 2**28], [122, 4, 2**28]]
    assert tiles["size"].tolist() == [[2, 4, 1]] * 2
    per_slice = 2 * (2**26 + 1)
    expected = 3 * 63 * per_slice + 60 * per_slice + 2**26 + 1 + 2**26
    assert substreams.tolist() == [expected, expected + per_slice]
    assert box.window(2) == ((480, 16, 2**30), (16, 16, 3), (500, 32, 2**30 + 3))


def test_parts_of_arrays_are_64_bits_wide() -> None:
    many = np.zeros(3, struct_dtype("DecodeTile"))
    many["size"], many["room"] = (1, 64, 64), 2**33
    used = assign_tile_offsets(many, np.array([16, 16, 16]), np.array([2**32, 2**32, 8]), 2**32 * np.array([1, 0, 1]))
    assert used == {
        "base": 3 * 4096,
        "spans": 3 * 4096 * 15,
        "tokens": 3 * 2**33,
        "frame": 2**33 + 8,
        "restored": 2**33,
    }
    assert many["restored"].tolist() == [0, 2**32, 2**32]
    assert many["tokens"].tolist() == [0, 2**33, 2**34]
    assert many["frame"].tolist() == [0, 2**32, 2**33]
    assert cut_into_waves(np.array([2**40, 2**40, 1]), 2**41) == [slice(0, 2), slice(2, 3)]
