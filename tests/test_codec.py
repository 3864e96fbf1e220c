"""What the public functions promise about arrays: exactness, bounds, targets, regions, stages, prefixes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import CONTENT, DTYPES, Case, cases, make, make_roi, regions

import mmip_gpu as mmip
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout

SCALES = (1, 2, 4, 8)
STAGES_READ = {1: 17, 2: 16, 4: 2, 8: 1}


def measured(array: NDArray[Any], decoded: NDArray[Any]) -> tuple[int, int, float]:
    """(sum of squared errors, largest error, PSNR in dB on the data range of `array`), in binary64."""
    difference = array.astype(np.int64) - decoded.astype(np.int64)
    squares, largest = int((difference**2).sum()), int(np.abs(difference).max(initial=0))
    if squares == 0:
        return 0, largest, math.inf
    peak = float(array.max()) - float(array.min())
    return squares, largest, 10 * math.log10(peak**2 * array.size / squares) if peak else -math.inf


def assert_record_is_true(array: NDArray[Any], blob: bytes, decoded: NDArray[Any]) -> None:
    loss = mmip.inspect(blob)["loss"]
    squares, largest, psnr = measured(array, decoded)
    assert loss["verified"]
    assert (loss["minimum"], loss["maximum"]) == ((int(array.min()), int(array.max())) if array.size else (0, 0))
    assert loss["max_error"] == largest
    assert loss["lossless"] == (squares == 0)
    if math.isfinite(psnr):
        assert loss["psnr"] == pytest.approx(psnr, abs=1e-9)
    else:
        assert loss["psnr"] is None


# --- exactness

EXTREME_SHAPES = [
    ("x", (1,)),
    ("x", (37,)),
    ("yx", (1, 1)),
    ("yx", (7, 65)),
    ("yx", (9, 1)),
    ("zyx", (1, 1, 1)),
    ("zyx", (13, 17, 19)),
    ("zyx", (5, 1, 9)),
    ("yxc", (9, 11, 3)),
    ("tcyx", (2, 2, 5, 9)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("axes", "shape"), EXTREME_SHAPES)
def test_lossless_is_exact(axes: str, shape: tuple[int, ...], dtype: str) -> None:
    for seed, kind in enumerate(CONTENT):
        array = make(kind, shape, dtype, seed)
        for options in ({"cell_depth": 1}, {"cell_depth": 8}, {"colour": False}, {"stages": 5}):
            blob = mmip.encode(array, lossless=True, axes=axes, **{"stages": 2, **options})
            decoded = mmip.decode(blob)
            assert decoded.dtype == array.dtype
            assert decoded.flags.c_contiguous
            assert np.array_equal(decoded, array), (kind, options)
            assert len(blob) <= mmip.max_encoded_size(shape, dtype)
            assert_record_is_true(array, blob, decoded)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lossless_colour_of_extremes_is_exact(dtype: str) -> None:
    info = np.iinfo(dtype)
    corners = np.array(np.meshgrid(*[[info.min, info.max]] * 3)).reshape(3, -1).T
    array = np.random.default_rng(1).permutation(np.tile(corners, (128, 1))).reshape(32, 32, 3).astype(dtype)
    for depth in (1, 8):
        blob = mmip.encode(array, lossless=True, stages=3, axes="yxc", colour=True, cell_depth=depth)
        assert np.array_equal(mmip.decode(blob), array)
    volume = np.ascontiguousarray(np.broadcast_to(array, (9, 32, 32, 3)))
    blob = mmip.encode(volume, lossless=True, stages=3, axes="zyxc", cell_depth=8)
    assert mmip.inspect(blob)["colour"]
    assert np.array_equal(mmip.decode(blob), volume)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (0, 0, 0), (4, 0, 9), (3, 4, 0)])
@pytest.mark.parametrize(
    "target",
    [{"quality": 10}, {"psnr": 40}, {"max_error": 2}, {"ratio": 9}, {"qstep": 4}, {"lossless": True, "stages": 3}],
)
def test_arrays_without_samples(shape: tuple[int, ...], target: dict[str, Any]) -> None:
    for dtype in DTYPES:
        array = np.zeros(shape, dtype)
        blob = mmip.encode(array, **target, roi=np.zeros(shape, bool))
        assert len(blob) <= mmip.max_encoded_size(shape, dtype)
        report = mmip.inspect(blob)
        assert report["kind"] == "raw"
        assert report["raw_bytes"] == 0
        for scale in SCALES:
            decoded = mmip.decode(blob, scale=scale)
            assert decoded.dtype == dtype
            assert decoded.shape == tuple(-(-n // scale) for n in shape)


# --- bounds and records


@given(case=cases())
def test_size_record_and_target(case: Case) -> None:
    array = case.array
    blob = mmip.encode(array, **case.arguments)
    decoded = mmip.decode(blob)
    assert decoded.shape == array.shape
    assert decoded.dtype == array.dtype
    assert len(blob) <= mmip.max_encoded_size(array.shape, array.dtype)
    report = mmip.inspect(blob)
    assert report["bytes"] == len(blob) == report["bytes_needed"]
    squares, largest, psnr = measured(array, decoded)
    if case.options["verify"]:
        assert_record_is_true(array, blob, decoded)
    elif not report["loss"]["verified"]:
        assert report["loss"]["max_error"] is None
    if "psnr" in case.options:
        assert psnr >= case.options["psnr"]
    if "max_error" in case.options:
        assert largest <= case.options["max_error"]
    if "lossless" in case.options:
        assert squares == largest == 0


@pytest.mark.parametrize("psnr", [1, 20, 37.5, 50, 70, 96, 120, 140])
@pytest.mark.parametrize("kind", ["noise", "textured", "edges", "spikes", "half"])
def test_psnr_is_never_below_the_request(kind: str, psnr: float) -> None:
    for dtype, shape in (("uint16", (50, 70)), ("uint8", (17, 40, 33)), ("int16", (90,))):
        array = make(kind, shape, dtype, 9)
        for options in ({}, {"verify": False}, {"roi": make_roi(array, "zyx"[3 - len(shape) :], 3)}):
            found = measured(array, mmip.decode(mmip.encode(array, psnr=psnr, **options)))[2]
            assert found >= psnr


def test_psnr_is_met_closely_and_counts_from_the_data_range_given() -> None:
    array = make("textured", (200, 200), "uint16", 1)
    peak = int(array.max()) - int(array.min())
    assert 45 <= measured(array, mmip.decode(mmip.encode(array, psnr=45)))[2] <= 45.5
    found = measured(array, mmip.decode(mmip.encode(array, psnr=45, data_range=3 * peak)))[2]
    assert 45 <= found + 20 * np.log10(3) <= 45.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_psnr_of_flat_arrays_is_exact(dtype: str) -> None:
    info = np.iinfo(dtype)
    for value in (info.min, info.max, 0):
        array = np.full((20, 30), value, dtype)
        assert np.array_equal(mmip.decode(mmip.encode(array, psnr=60)), array)


def jumps(array: NDArray[Any], axes: str, blob: bytes, ratio: float) -> bool:
    """Whether a step 0.5 % smaller misses the ratio: blocks of 64x64 samples of a small image are dropped at once."""
    trial = Trial(array)
    config = CodecConfig.from_options(ratio=ratio)
    plan = make_plan(config, ArrayReader(trial, PlaneLayout.of(array.shape, axes), "c" in axes))
    assert trial.size(plan) == len(blob)
    return trial.size(plan.with_step(0.995 * plan.background_step)) * ratio > array.nbytes


@pytest.mark.parametrize("ratio", [1, 2.5, 8, 30])
@pytest.mark.parametrize("kind", ["noise", "smooth", "textured", "edges", "spikes", "constant"])
def test_ratio_is_reached(kind: str, ratio: float) -> None:
    for dtype, shape, options in (
        ("uint16", (150, 170), {}),
        ("uint8", (17, 80, 99), {"verify": False}),
        ("int8", (90, 80, 3), {"axes": "yxc"}),
        ("int16", (120, 90), {"roi": make_roi(np.zeros((120, 90)), "yx", 3)}),
    ):
        array = make(kind, shape, dtype, 9)
        try:
            blob = mmip.encode(array, ratio=ratio, **options)
        except mmip.InvalidArgument as error:
            assert "the largest that" in str(error)  # noqa: PT017  # only some of the arrays do not reach it
            assert ratio > 8
            continue
        loss = mmip.inspect(blob)["loss"]
        assert (loss["mode"], loss["requested"]) == ("ratio", ratio)
        assert array.nbytes >= ratio * len(blob)
        if kind in ("noise", "textured") and array.nbytes > ratio * max(1.03 * len(blob), len(blob) + 64):
            assert np.array_equal(mmip.decode(blob), array) or jumps(
                array, options.get("axes", "zyx"[-array.ndim :]), blob, ratio
            )


@pytest.mark.parametrize("kind", ["textured", "edges"])
@pytest.mark.parametrize(
    ("dtype", "shape", "options"),
    [
        ("uint16", (150, 170), {"effort": 1}),
        ("uint8", (17, 80, 99), {}),
        ("int8", (90, 80, 3), {"axes": "yxc"}),
        ("float32", (20, 60, 50), {"step": 0.25}),
    ],
)
def test_qstep_repeats_what_a_search_found(
    kind: str, dtype: str, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    array = make(kind, shape, dtype, 4)
    roi = make_roi(np.zeros(shape), options.get("axes", "zyx"[-len(shape) :]), 2)
    searched = mmip.encode(array, psnr=40, roi=roi, **options)
    found = mmip.inspect(searched)["config"]
    keys = {key: found[key] for key in ("qstep", "cell_depth", "padding")}
    blob = mmip.encode(array, roi=roi, **keys, **options)
    report = mmip.inspect(blob)
    assert report["loss"]["mode"] == "qstep"
    assert report["loss"]["requested"] == found["qstep"]
    if report["colour"]:  # the searched step was rounded once for each component
        np.testing.assert_allclose(report["config"]["steps"], found["steps"], atol=1 / 128)
        return
    assert report["config"] == found
    assert blob[report["header_bytes"] :] == searched[report["header_bytes"] :]


def test_qstep_has_limits() -> None:
    image = make("smooth", (40, 50), "uint16", 1)
    for value in (0.25, 65536):
        assert mmip.inspect(mmip.encode(image, qstep=value))["config"]["qstep"] == value
    for value in (0.249, 65537, -4, 0):
        with pytest.raises(mmip.InvalidArgument, match=r"qstep=.*expected 0.25 to 65536"):
            mmip.encode(image, qstep=value)
    with pytest.raises(mmip.InvalidArgument, match=r"qstep=0.02: expected 0.025 to 6553.6"):
        mmip.encode(image.astype(np.float32), qstep=0.02, step=0.1)


def test_quality_steps_fall_with_quality() -> None:
    array = make("textured", (120, 120), "uint16", 2)
    blobs = [mmip.encode(array, quality=q) for q in (0.5, 2, 10, 50, 220)]
    sizes = [len(blob) for blob in blobs]
    errors = [measured(array, mmip.decode(blob))[0] for blob in blobs]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


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


# --- forms of arguments


def test_any_bytes_like_object_is_a_container() -> None:
    array = make("textured", (40, 40), "uint16", 1)
    blob = mmip.encode(array, quality=10)
    expected = mmip.decode(blob)
    for form in (bytearray(blob), memoryview(blob), np.frombuffer(blob, np.uint8)):
        assert np.array_equal(mmip.decode(form), expected)
        assert mmip.inspect(form) == mmip.inspect(blob)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 62), max_size=14, unique=True).map(sorted))
def test_cuts_make_stages(cuts: list[int]) -> None:
    array = make("textured", (40, 50), "uint16", 3)
    blob = mmip.encode(array, quality=40, cuts=cuts, effort=1)
    report = mmip.inspect(blob)
    assert report["config"]["cuts"] == [0, *cuts, 63]
    assert len(report["stages"]) == len(cuts) + 2
    assert np.array_equal(mmip.decode(blob), mmip.decode(mmip.encode(array, quality=40, stages=2, effort=1)))


def test_decoding_does_not_touch_its_input() -> None:
    array = make("half", (60, 60), "uint8", 1)
    kept = array.copy()
    blob = mmip.encode(array, lossless=True, stages=3)
    buffer = bytearray(blob)
    decoded = mmip.decode(buffer)
    assert bytes(buffer) == blob
    assert np.array_equal(array, kept)
    decoded[:] = 0
    assert np.array_equal(mmip.decode(blob), array)


def test_a_raw_container_gives_memory_of_its_own() -> None:
    array = make("noise", (9, 9), "uint8", 1)
    blob = mmip.encode(array, lossless=True, stages=2)
    assert mmip.inspect(blob)["kind"] == "raw"
    decoded = mmip.decode(blob)
    decoded[:] = 0
    assert np.array_equal(mmip.decode(blob), array)
