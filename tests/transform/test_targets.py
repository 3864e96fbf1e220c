"""What the public functions promise about targets: bounds, records, PSNR, ratio, steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.loss_records import assert_record_is_true, measured
from helpers.strategies import DTYPES, Case, cases, make, make_roi
from hypothesis import given
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.config import CodecConfig
from mmip_gpu.transform.planning.array_reader import ArrayReader
from mmip_gpu.transform.planning.make_plan import make_plan
from mmip_gpu.transform.planning.trial import Trial
from mmip_gpu.volume.axes import PlaneLayout


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
    config = CodecConfig.from_options(ratio=ratio, per_channel=False)
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
    if options.get("effort") == 1:  # the search keeps the blocks that it chose by a step nearby
        assert report["config"] | {"recon": None} == found | {"recon": None}
        assert len(blob) == pytest.approx(len(searched), rel=0.003)
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
