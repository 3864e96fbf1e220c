"""Predicted blocks decoded by the kernels of the GPU, run phase by phase on the CPU: bit for bit what the core decodes.

Random streams of all modes and damaged ones are in test_decoding.py.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from helpers.device_containers import decoded, job_of
from helpers.predicted_images import predicted_blob, predicted_columns
from reference.random_streams import CASES, random_coefficients

import mmip_gpu as mmip
from mmip_gpu.device.decode.batch import DecodeJob, Decoder
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.stage_arrays import device_encoding
from mmip_gpu.stage_arrays.coding import encode_stage
from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages
from mmip_gpu.stage_arrays.device_encoding import encode_stages
from mmip_gpu.stage_arrays.options import StageOptions

ENCODED: dict[str, dict[str, Any]] = {
    "slices": {"shape": (5, 150, 210), "qstep": 30, "stages": 3},
    "plane": {"shape": (170, 300), "qstep": 12, "stages": 4},
    "regions": {"qstep": 50, "roi": "threshold:2000", "roi_quality": "lossless"},
    "bound": {"max_error": 9, "stages": 3},
    "padding": {"qstep": 40, "padding": 900},
    "two stages": {"quality": 20, "stages": 2},
}


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("name", ENCODED)
def test_encoded_arrays_decode_alike(name: str, descending: bool) -> None:
    blob = predicted_blob(**ENCODED[name])
    stages = len(job_of(blob).payloads)
    wanted: list[dict[str, Any]] = [
        {"stages": k, "scale": scale} for k, scale in product(range(1, stages + 1), (1, 2, 4, 8))
    ]
    jobs = [job_of(blob, **options) for options in wanted]
    for scratch in (2**30, 100_000):
        for options, found in zip(wanted, decoded(jobs, descending, scratch), strict=True):
            assert np.array_equal(found, mmip.decode(blob, **options)), options


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_regions_of_many_tiles_decode_alike(scale: int) -> None:
    blob = predicted_blob((6, 260, 300))
    whole = mmip.decode(blob, scale=scale)
    rng = np.random.default_rng(scale)
    bounds = [[sorted(rng.integers(0, n + 1, 2).tolist()) for n in whole.shape] for _ in range(6)]
    regions = [tuple(slice(low, high) for low, high in each) for each in bounds]
    jobs = [job_of(blob, scale=scale, region=region) for region in regions]
    for region, found in zip(regions, decoded(jobs, descending=scale == 2), strict=True):
        assert np.array_equal(found, whole[region])


def predicted_modes(known: reference.Coefficients) -> set[tuple[int, int]]:
    """Modes of blocks and their predictions; all angles count as one."""
    found = ((known.stages[0][cell][0], kind) for cell, kind in known.predictions.items())
    return {(mode, 3 if 3 <= kind < 35 else kind) for mode, kind in found}


def test_what_is_compared_covers_predictions_of_all_blocks() -> None:
    found: set[tuple[int, int]] = set()
    for seed, name in product((0, 1), (name for name, header in CASES.items() if header.prediction)):
        rng = np.random.default_rng([seed, *name.encode()])
        found |= predicted_modes(random_coefficients(rng, CASES[name], largest=(3000, 60000)[seed]))
    for name in ("slices", "plane"):
        found |= predicted_modes(reference.decode_coefficients(predicted_blob(**ENCODED[name])))
    assert found >= {*product((0, 1, 4), (1, 3, 35)), (5, 1), (5, 3)}


def large_blocks(mode: int, predictions: dict[tuple[int, ...], int]) -> bytes:
    """Blocks of one mode in three slices, all of them with DCs and some coefficients."""
    header = reference.Header((3, 128, 128), "zyx", tile_log2=(2, 4, 4), steps=((700,),), prediction=1)
    rng, side = np.random.default_rng(mode), {5: 4, 6: 8}[mode]
    dcs = rng.integers(-300, 300, (1, *header.grid.cells))
    cells = [c for c in np.ndindex(dcs.shape) if c[2] % side == c[3] % side == 0]
    blocks = {}
    for cell in cells:
        values = np.zeros(63 * side * side, np.int64)
        values[rng.integers(0, values.size, 20)] = rng.integers(-9, 10, 20)
        blocks[cell] = (mode, values)
    known = reference.Coefficients(np.zeros_like(dcs), dcs, [blocks], predictions=predictions)
    return reference.encode(header, known, {})


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
def test_large_blocks_decode_alike(descending: bool) -> None:
    angles = {(0, z, y, x): 3 + (7 * z + 3 * y + x) % 32 for z in range(3) for y in (4, 8, 12) for x in (0, 4, 8, 12)}
    slices = {(0, z, y, x): 35 for z in (1, 2) for y in (0, 8) for x in (0, 8)}
    for mode, predictions in ((5, angles), (6, slices), (5, slices)):
        blob = large_blocks(mode, predictions)
        expected = mmip.decode(blob)
        assert np.array_equal(expected, reference.decode(blob))
        for scale in (1, 2, 4):
            (found,) = decoded([job_of(blob, scale=scale)], descending)
            assert np.array_equal(found, mmip.decode(blob, scale=scale))


@pytest.mark.parametrize(("name", "message"), [("predicted", "does not announce"), ("2d_merged", "without the pred")])
def test_heads_that_disagree_with_the_header_are_corrupt(name: str, message: str) -> None:
    blob = reference.encode(CASES[name], random_coefficients(np.random.default_rng(1), CASES[name]), {})
    sound = job_of(blob)
    fields = sound.header.fields
    wrong = replace(sound.header, fields=replace(fields, prediction=not fields.prediction))
    found = Decoder(HostExecutor()).decode([sound, DecodeJob(wrong, sound.payloads)])
    first, second = found.errors()
    assert first is None
    assert np.array_equal(found.arrays[0], mmip.decode(blob))
    assert isinstance(second, mmip.CorruptData)
    assert message in str(second)


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("name", ["predicted", "predicted_slices", "predicted_classes"])
def test_columns_of_a_stage_array_go_through_the_kernels_and_back(
    name: str, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beside columns without predictions, and in batches whose chunks differ."""
    options, columns = predicted_columns(name)
    plain = np.where(np.arange(columns.shape[-1]) > 0, columns, columns % 256)
    given = [columns, np.ascontiguousarray(columns[:, :1, :9]), plain]
    expected = [encode_stage(options, one) for one in given]
    monkeypatch.setattr(device_encoding, "encode_stage", None)  # the host is not asked
    assert encode_stages(options, given, HostExecutor(descending)) == expected
    data = np.frombuffer(expected[0] or b"", np.uint8)
    region = tuple(slice(n // 3, n) for n in columns.shape)
    (found,) = decode_stages(options, [StageRegion(data, columns.shape, region)], HostExecutor(descending))
    assert np.array_equal(found, columns[region])


def test_columns_of_many_tiles_have_the_bytes_of_the_host() -> None:
    options, columns = StageOptions(2, 1, (1, 4, 4), (0, 63)), np.zeros((1, 2, 40, 50, 64), np.int32)
    columns[0, 1, ..., 0], columns[..., 5] = 256 * 35, 3
    data = encode_stage(options, columns)
    assert encode_stages(options, [columns], HostExecutor()) == [data]
    given = StageRegion(np.frombuffer(data or b"", np.uint8), columns.shape, tuple(slice(0, n) for n in columns.shape))
    assert np.array_equal(decode_stages(options, [given], HostExecutor())[0], columns)
