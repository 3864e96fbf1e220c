"""Quality measures against their definitions, scikit-image and a bound on memory."""

from __future__ import annotations

import json
import math
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.quality import differences, structural_similarity
from mmip_gpu.quality.metrics import evaluate, format_table, json_ready, max_error, psnr, rmse, ssim

KEYS = {"rmse", "psnr_16bit", "psnr_range", "max_error", "ssim"}
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
pairs = st.tuples(st.sampled_from([np.uint8, np.int16, ">u2"]), shapes).flatmap(
    lambda kind: st.tuples(hnp.arrays(*kind), hnp.arrays(*kind))
)


def noisy_pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 4096, shape).astype(np.uint16)
    return image, (image + rng.integers(0, 200, shape)).astype(np.uint16)


@settings(deadline=None)
@given(pairs)
def test_errors_equal_their_definitions(pair):
    a, b = pair
    difference = a.astype(float) - b.astype(float)
    expected = math.sqrt((difference**2).mean()) if a.size else 0.0
    assert rmse(a, b) == pytest.approx(expected)
    assert max_error(a, b) == np.abs(difference).max(initial=0)
    assert rmse(a.T, np.copy(b, order="F").T) == pytest.approx(expected)


@settings(deadline=None)
@given(pairs, st.integers(1, 5))
def test_pieces_do_not_change_the_result(pair, piece_samples):
    expected = rmse(*pair), max_error(*pair)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differences, "_PIECE_SAMPLES", piece_samples)
        assert (rmse(*pair), max_error(*pair)) == (pytest.approx(expected[0]), expected[1])


def test_psnr():
    a, b = np.zeros((4, 4), np.uint8), np.full((4, 4), 5, np.uint8)
    assert psnr(a, b, 255) == pytest.approx(20 * math.log10(51))
    assert psnr(a, a, 255) == math.inf
    for peak in (0, -1, math.inf, math.nan):
        with pytest.raises(InvalidArgument, match=r"peak: expected .* found"):
            psnr(a, b, peak)


@pytest.mark.parametrize("measure", [rmse, max_error, evaluate, lambda a, b: psnr(a, b, 1), lambda a, b: ssim(a, b, 1)])
def test_arrays_that_do_not_fit(measure):
    with pytest.raises(InvalidArgument, match=r"expected two arrays of one shape, found \(2, 3\) and \(3, 2\)"):
        measure(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(InvalidArgument, match=r"expected arrays of real numbers.*complex128"):
        measure(np.zeros(2), np.zeros(2, complex))


def test_nan_is_seen():
    a, b = np.zeros((3, 3)), np.zeros((3, 3))
    b[1, 1] = np.nan
    report = evaluate(a, b, structural=False)
    assert math.isnan(report["rmse"])
    assert math.isnan(report["max_error"])
    assert json_ready(report)["psnr_16bit"] is None


def test_memory_is_bounded():
    image = np.zeros((8, 1 << 20), np.uint8)
    tracemalloc.start()
    evaluate(image, image[:, ::-1], structural=False)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < image.nbytes * 8 / 3


@pytest.mark.parametrize("band_samples", [1, 300, 1 << 21])
@pytest.mark.parametrize("shape", [(7, 7), (8, 30), (41, 23), (3, 20, 9)])
def test_ssim_equals_scikit_image(shape, band_samples, monkeypatch):
    reference = pytest.importorskip("skimage.metrics").structural_similarity
    monkeypatch.setattr(structural_similarity, "_BAND_SAMPLES", band_samples)
    a, b = noisy_pair(shape)
    mask = np.zeros(shape, bool)
    mask[..., :5, 2:6] = True
    planes = [
        reference(*pair, data_range=4095, full=True)
        for pair in zip(a.reshape(-1, *shape[-2:]), b.reshape(-1, *shape[-2:]), strict=True)
    ]
    assert ssim(a, b, 4095) == pytest.approx(np.mean([mean for mean, _ in planes]))
    region = np.mean([plane[:5, 2:6] for _, plane in planes])
    assert structural_similarity.mean_similarity(a, b, 4095, mask)[1] == pytest.approx(region)


def test_ssim_special_cases(monkeypatch):
    a, b = noisy_pair((6, 40))
    assert ssim(a, b, 100) is None
    assert ssim(a[0], b[0], 100) is None
    assert ssim(np.zeros((0, 9, 9)), np.zeros((0, 9, 9)), 100) is None
    with pytest.raises(InvalidArgument, match="data_range"):
        ssim(a, b, 0)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingResource, match=r"mmip-gpu\[bench\]"):
        ssim(a.reshape(12, 20), b.reshape(12, 20), 100)


def test_report():
    pytest.importorskip("skimage")
    a, b = noisy_pair((16, 20))
    classes = np.zeros(a.shape, np.uint8)
    classes[4:8, 5:10] = 3
    report = evaluate(a, b, classes)
    assert set(report) == KEYS | {"roi"}
    assert set(report["roi"]) == KEYS | {"share"}
    inside = classes > 0
    span = float(a.max()) - float(a.min())
    assert report["psnr_16bit"] == pytest.approx(psnr(a, b, 65535))
    assert report["psnr_range"] == pytest.approx(psnr(a, b, span))
    assert report["ssim"] == pytest.approx(ssim(a, b, span))
    assert report["roi"]["share"] == 20 / 320
    assert report["roi"]["rmse"] == pytest.approx(rmse(a[inside], b[inside]))
    assert report["roi"]["max_error"] == max_error(a[inside], b[inside])
    assert report["roi"]["psnr_range"] == pytest.approx(psnr(a[inside], b[inside], span))
    assert -1 <= report["roi"]["ssim"] <= 1


def test_report_of_equal_colour_and_degenerate_images():
    pytest.importorskip("skimage")
    image, _ = noisy_pair((9, 12, 3))
    equal = evaluate(image, image, image[..., 0] > 1000, axes="yxc")
    assert equal["psnr_16bit"] == equal["psnr_range"] == equal["roi"]["psnr_16bit"] == math.inf
    assert equal["ssim"] == pytest.approx(1)
    assert json.loads(json.dumps(json_ready(equal), allow_nan=False))["roi"]["psnr_range"] is None
    constant = evaluate(np.zeros((9, 9)), np.ones((9, 9)), "threshold:5")
    assert constant["psnr_range"] == -math.inf
    assert constant["ssim"] is None
    assert constant["roi"] == dict.fromkeys(KEYS) | {"share": 0.0}
    assert evaluate(np.zeros((0, 9)), np.zeros((0, 9))) == dict.fromkeys(KEYS)


def test_report_of_one_colour_channel():
    image = np.zeros((4, 4, 3), np.uint8)
    decoded = image.copy()
    decoded[0, 0, 2] = 6
    inside = np.zeros((4, 4), bool)
    inside[0, 0] = True
    report = evaluate(image, decoded, inside, axes="yxc", structural=False)
    assert report["rmse"] == pytest.approx(math.sqrt(36 / 48))
    assert report["roi"]["rmse"] == pytest.approx(math.sqrt(36 / 3))
    assert report["roi"]["share"] == 1 / 16


def test_json_ready_copies_nested_reports():
    report = {
        "psnr": math.inf,
        "stages": [{"rmse": np.float64("nan"), "bytes": 3}],
        "text": "x",
        "none": None,
    }
    assert json_ready(report) == {
        "psnr": None,
        "stages": [{"rmse": None, "bytes": 3}],
        "text": "x",
        "none": None,
    }
    assert report["psnr"] == math.inf


def test_table():
    rows = [{"stage": 1, "psnr": math.inf, "name": "a"}, {"stage": 12, "psnr": 123456.7, "name": None}]
    assert format_table(rows, ["name", "stage", "psnr"]).splitlines() == [
        "name  stage    psnr",
        "----  -----  ------",
        "a         1     inf",
        "-        12  123457",
    ]
    assert format_table([], ["stage", "psnr"]) == "stage  psnr\n-----  ----"
