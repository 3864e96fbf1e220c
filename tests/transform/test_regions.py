"""Regions of interest, and parts of an array: regions, stages, scales, prefixes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.loss_records import assert_record_is_true, measured
from helpers.strategies import Case, cases, make, regions
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmip_gpu as mmip

SCALES = (1, 2, 4, 8)

# --- regions of interest


def roi_of(case: Case) -> NDArray[np.bool_]:
    """Voxels of any class but 0, in the array's own axes."""
    mask = case.arguments["roi"] > 0
    return np.expand_dims(mask, case.axes.index("c")) & np.ones(case.shape, bool) if "c" in case.axes else mask


ROI_CASES = [
    Case("noise", (50, 61), "uint16", 1, "yx", {"quality": 0.5}, 2),
    Case("checkerboard", (2, 50, 61), "int8", 2, "nyx", {"quality": 1}, 5),
    Case("half", (20, 30, 40), "int16", 3, "zyx", {"psnr": 20, "cell_depth": 8}, 3),
    Case("textured", (20, 30, 40), "uint8", 4, "zyx", {"quality": 1, "cell_depth": 1}, 8),
    Case("noise", (33, 40, 3), "uint8", 5, "yxc", {"quality": 0.5}, 4),
    Case("spikes", (100,), "uint16", 6, "x", {"quality": 0.5}, 2),
]


@pytest.mark.parametrize("case", ROI_CASES, ids=lambda case: f"{case.kind}-{case.axes}")
def test_a_lossless_region_is_exact_inside(case: Case) -> None:
    array, mask = case.array, roi_of(case)
    blob = mmip.encode(array, **case.arguments, roi_quality="lossless", stages=4)
    decoded = mmip.decode(blob)
    assert mask.any()
    assert np.array_equal(decoded[mask], array[mask])
    assert_record_is_true(array, blob, decoded)


def test_only_the_classes_asked_for_are_exact() -> None:
    array = make("noise", (64, 96), "uint16", 1)
    roi = np.zeros(array.shape, np.uint8)
    roi[8:24, 8:24], roi[40:56, 40:80] = 1, 2
    decoded = mmip.decode(mmip.encode(array, quality=0.5, roi=roi, roi_quality={1: 5, 2: "lossless"}))
    assert np.array_equal(decoded[roi == 2], array[roi == 2])
    errors = [np.abs(array.astype(int) - decoded)[roi == i].mean() for i in (0, 1)]
    assert 0 < errors[1] < errors[0]


def test_a_region_is_better_than_its_background() -> None:
    array = mmip.phantom2d(128)
    roi = mmip.phantom_roi(array)
    for target in ({"quality": 5}, {"psnr": 40}):
        error = np.abs(array.astype(int) - mmip.decode(mmip.encode(array, roi=roi, **target)))
        assert error[roi].mean() < error[~roi].mean()
        blobs = [mmip.encode(array, roi=form, **target) for form in (roi, "threshold:9000")]
        assert blobs[0] == blobs[1]


# --- parts of an array


@given(data=st.data(), case=cases())
def test_a_region_is_a_part_of_the_whole(data: st.DataObject, case: Case) -> None:
    blob = mmip.encode(case.array, **case.arguments)
    stages = data.draw(st.sampled_from([None, *range(1, case.options["stages"] + 1)]))
    if mmip.inspect(blob)["kind"] == "raw":
        stages = None
    scale = data.draw(st.sampled_from(SCALES))
    whole = mmip.decode(blob, scale=scale, stages=stages)
    for _ in range(3):
        region = data.draw(regions(whole.shape))
        part = mmip.decode(blob, region=region, scale=scale, stages=stages)
        assert part.flags.c_contiguous
        assert np.array_equal(part, whole[region])
        assert mmip.inspect(blob, region=region, scale=scale, stages=stages)["bytes_needed"] <= len(blob)


PARTS = [
    Case("textured", (300, 300), "uint16", 1, "yx", {"quality": 20, "stages": 4}),
    Case("textured", (48, 120, 130), "uint16", 2, "zyx", {"quality": 20, "stages": 4, "cell_depth": 8}),
    Case("textured", (9, 150, 170, 3), "uint8", 3, "zyxc", {"quality": 40, "stages": 3, "cell_depth": 1}, 3),
    Case("textured", (3, 9, 60, 70), "int16", 4, "tzyx", {"lossless": True, "stages": 5, "cell_depth": 1}),
]


@pytest.fixture(params=PARTS, ids=lambda case: case.axes, scope="module")
def encoded(request: pytest.FixtureRequest) -> tuple[Case, bytes]:
    return request.param, mmip.encode(request.param.array, **request.param.arguments)


@pytest.mark.parametrize("seed", range(6))
def test_random_regions_stages_and_scales(encoded: tuple[Case, bytes], seed: int) -> None:
    case, blob = encoded
    rng = np.random.default_rng(seed)
    for scale in SCALES:
        for stages in (*range(1, case.options["stages"] + 1), None):
            whole = mmip.decode(blob, scale=scale, stages=stages)
            bounds = [sorted(int(i) for i in rng.integers(0, n + 1, 2)) for n in whole.shape]
            region = tuple(slice(a, b) for a, b in bounds)
            part = mmip.decode(blob, region=region, scale=scale, stages=stages)
            assert np.array_equal(part, whole[region]), (scale, stages, region)


def test_scales_shrink_and_average(encoded: tuple[Case, bytes]) -> None:
    case, blob = encoded
    array = case.array
    shrinking = "zyx" if mmip.inspect(blob)["config"]["cell_depth"] == 8 else "yx"
    for scale in SCALES:
        decoded = mmip.decode(blob, scale=scale)
        assert decoded.shape == tuple(
            -(-n // scale) if a in shrinking else n for n, a in zip(array.shape, case.axes, strict=True)
        )
        assert abs(float(decoded.mean()) - float(array.mean())) < 0.02 * (float(array.max()) - float(array.min()))


def test_small_parts_need_fewer_bytes(encoded: tuple[Case, bytes]) -> None:
    case, blob = encoded
    whole = mmip.inspect(blob)
    assert whole["bytes_needed"] == whole["bytes"] == len(blob)
    corner = tuple(slice(0, min(n, 16 if a in "zyx" else 1)) for n, a in zip(case.shape, case.axes, strict=True))
    assert mmip.inspect(blob, region=corner)["bytes_needed"] < len(blob)
    nothing = tuple(slice(0, 0) for n in case.shape)
    assert mmip.inspect(blob, region=nothing)["bytes_needed"] == whole["header_bytes"]
    by_stage = [mmip.inspect(blob, stages=k)["bytes_needed"] for k in range(1, case.options["stages"] + 1)]
    assert by_stage == [part["bytes_to_here"] for part in whole["stages"]]
    assert by_stage == sorted(set(by_stage))
    by_scale = [mmip.inspect(blob, scale=scale)["bytes_needed"] for scale in SCALES]
    assert by_scale == [by_stage[-1], by_stage[-1], by_stage[1], by_stage[0]]
    one_stage = mmip.inspect(blob, stages=1, region=corner)["bytes_needed"]
    assert whole["header_bytes"] < one_stage < by_stage[0] or one_stage == by_stage[0]


def test_a_prefix_decodes_to_its_whole_stages(encoded: tuple[Case, bytes]) -> None:
    case, blob = encoded
    for stages in range(1, case.options["stages"] + 1):
        end = mmip.inspect(blob, stages=stages)["bytes_needed"]
        expected = mmip.decode(blob, stages=stages)
        assert np.array_equal(mmip.decode(blob[:end], stages=stages), expected)
        assert np.array_equal(mmip.decode(blob[: end + 1], stages=stages) if end < len(blob) else expected, expected)
        with pytest.raises(mmip.TruncatedData):
            mmip.decode(blob[: end - 1], stages=stages)
    first = mmip.inspect(blob)["stages"][0]["bytes_to_here"]
    assert np.array_equal(mmip.decode(blob[:first], scale=8), mmip.decode(blob, scale=8))


def test_more_stages_are_closer(encoded: tuple[Case, bytes]) -> None:
    case, blob = encoded
    errors = [measured(case.array, mmip.decode(blob, stages=k))[0] for k in range(1, case.options["stages"] + 1)]
    assert errors == sorted(errors, reverse=True)
