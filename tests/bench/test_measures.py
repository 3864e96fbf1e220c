"""The metrics of a record: keys, peaks, regions, and what is not defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmip_gpu.bench.measures import METRICS, all_metrics, constant_psnr, image_metrics, region_metrics
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.haarpsi import haarpsi
from mmip_gpu.quality.metrics import evaluate
from mmip_gpu.quality.multiscale_similarity import ms_ssim
from mmip_gpu.quality.vsi import vsi

RECORD = {"mse", "rmse", "mae", "max_error", "psnr_range", "psnr_dtype", "psnr_window"}
RECORD |= {"ssim", "ms_ssim", "haarpsi", "vsi"}


def noisy(shape, dtype=np.uint16, noise=40, seed=0):
    rng = np.random.default_rng(seed)
    steps = sum(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    image = (2000 + 500 * np.sin(steps / 7.0) + rng.integers(0, 300, shape)).astype(dtype)
    return image, (image + rng.integers(-noise, noise, shape)).astype(dtype)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([np.uint8, np.int16, ">u2", np.float32]).flatmap(
        lambda dtype: st.tuples(
            *[hnp.arrays(dtype, (5, 7), elements=st.integers(0, 255), fill=st.nothing()) for _ in range(2)]
        )
    )
)
def test_errors_equal_their_definitions(pair):
    a, b = pair
    difference = b.astype(float) - a.astype(float)
    found = image_metrics(a, b, "yx", 255)
    assert set(found) == RECORD == set(METRICS)
    assert found["mse"] == pytest.approx((difference**2).mean())
    assert found["rmse"] == pytest.approx(math.sqrt((difference**2).mean()))
    assert found["mae"] == pytest.approx(np.abs(difference).mean())
    assert found["max_error"] == np.abs(difference).max()
    if difference.any():
        assert found["psnr_range"] == pytest.approx(10 * math.log10(255**2 / found["mse"]))
    else:
        assert found["psnr_range"] == math.inf


@pytest.mark.parametrize(
    ("dtype", "bits", "peak"),
    [
        (np.uint8, None, 255),
        (np.uint16, None, 65535),
        (np.uint16, 12, 4095),
        (np.int16, 13, 8191),
        (np.int16, None, 65535),
    ],
)
def test_the_peak_of_the_dtype(dtype, bits, peak):
    a = np.arange(64).reshape(8, 8).astype(dtype)
    found = image_metrics(a, a + dtype(2), "yx", 63, bits=bits)
    assert found["psnr_dtype"] == pytest.approx(20 * math.log10(peak / 2))
    assert found["psnr_range"] == pytest.approx(20 * math.log10(63 / 2))
    assert image_metrics(a.astype(np.float32), a.astype(np.float32), "yx", 63, bits=bits)["psnr_dtype"] is None


def test_the_display_window():
    a = np.array([[0, 100, 200, 4000]], np.int16)
    b = np.array([[-900, 110, 200, 3000]], np.int16)
    found = image_metrics(a, b, "yx", 4000, window=(0, 300))
    assert found["psnr_window"] == pytest.approx(10 * math.log10(300**2 / (100 / 4)))
    assert found["mse"] == pytest.approx((900**2 + 10**2 + 1000**2) / 4)
    inside = region_metrics(a, b, "yx", 4000, a == 0, window=(0, 300))["inside"]
    assert inside["psnr_window"] == math.inf
    for window in ((300, 0), (0, 0), (0, math.inf), (math.nan, 1)):
        with pytest.raises(InvalidArgument, match="window: expected its two ends"):
            image_metrics(a, b, "yx", 4000, window=window)


def test_similarities_are_those_of_the_quality_room():
    a, b = noisy((170, 182))
    peak = float(np.ptp(a))
    found = image_metrics(a, b, "yx", peak)
    assert found["ssim"] == pytest.approx(evaluate(a, b)["ssim"])
    assert found["ms_ssim"] == pytest.approx(ms_ssim(a, b, peak))
    assert found["haarpsi"] == pytest.approx(haarpsi(a, b, peak, low=float(a.min())))
    assert found["vsi"] == pytest.approx(vsi(a, b, peak, low=float(a.min())))
    equal = image_metrics(a, a, "yx", peak)
    assert equal["psnr_range"] == equal["psnr_dtype"] == math.inf
    assert [equal[name] for name in ("ssim", "ms_ssim", "haarpsi", "vsi")] == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize(
    ("axes", "shape", "region"),
    [
        ("yx", (40, 44), (40, 44)),
        ("zyx", (3, 40, 44), (3, 40, 44)),
        ("zyx", (3, 40, 44), (40, 44)),
        ("yxc", (40, 44, 3), (40, 44)),
        ("cyx", (2, 40, 44), (40, 44)),
        ("zyxc", (2, 40, 44, 3), (2, 40, 44)),
        ("tzyx", (2, 2, 40, 44), (2, 40, 44)),
    ],
)
def test_regions_of_every_layout(axes, shape, region):
    a, b = noisy(shape, np.int16)
    mask = np.zeros(region, bool)
    mask[..., 8:30, 10:25] = True
    found = region_metrics(a, b, axes, float(np.ptp(a)), mask)
    full = np.broadcast_to(mask, shape[:-1] if axes.endswith("c") else shape)
    full = np.broadcast_to(full[..., None], shape) if axes.endswith("c") else full
    for name, selected in (("inside", full), ("outside", ~full)):
        errors = (b.astype(float) - a)[selected]
        assert found[name]["mse"] == pytest.approx((errors**2).mean())
        assert found[name]["mae"] == pytest.approx(np.abs(errors).mean())
        assert found[name]["max_error"] == np.abs(errors).max()
        assert found[name]["psnr_range"] == pytest.approx(20 * math.log10(np.ptp(a) / found[name]["rmse"]))
        assert all(0 < found[name][score] < 1 for score in ("ssim", "haarpsi", "vsi"))
        assert found[name]["ms_ssim"] is None


def test_one_pass_gives_what_single_calls_give():
    a, b = noisy((64, 72, 3), np.uint8, 6)
    masks = {"left": np.arange(72)[None] < 20, "none": np.zeros((64, 72), bool)}
    whole, regions = all_metrics(a, b, "yxc", 255, masks)
    assert whole == pytest.approx(image_metrics(a, b, "yxc", 255))
    for name, mask in masks.items():
        alone = region_metrics(a, b, "yxc", 255, mask)
        assert all(regions[name][side] == pytest.approx(alone[side]) for side in ("inside", "outside"))
    assert regions["none"]["inside"] == dict.fromkeys(METRICS)
    assert regions["none"]["outside"]["mse"] == whole["mse"]


def test_what_is_not_defined():
    empty = np.zeros((0, 9), np.uint8)
    assert image_metrics(empty, empty, "yx", 1) == dict.fromkeys(METRICS)
    constant = np.full((200, 200), 7, np.uint8)
    exact = image_metrics(constant, constant, "yx", 0)
    assert exact["psnr_range"] == exact["psnr_dtype"] == math.inf
    assert exact["ssim"] is exact["ms_ssim"] is exact["haarpsi"] is exact["vsi"] is None
    wrong = image_metrics(constant, constant + np.uint8(1), "yx", 0)
    assert wrong["psnr_range"] is None
    assert wrong["psnr_dtype"] == pytest.approx(20 * math.log10(255))
    assert image_metrics(constant, constant, "yx", 1)["ms_ssim"] == pytest.approx(1)
    broken = np.where(np.eye(9) > 0, np.nan, 0.0)
    assert image_metrics(np.zeros((9, 9)), broken, "yx", 0) == dict.fromkeys(METRICS)
    line = image_metrics(np.arange(9), np.arange(9) + 1, "x", 8)
    assert line["mae"] == 1
    assert line["ssim"] is line["vsi"] is None


def test_the_image_of_one_colour():
    image, _ = noisy((30, 40))
    assert constant_psnr(image, "yx", 1000) == pytest.approx(20 * math.log10(1000 / image.std()))
    mean = np.full(image.shape, image.mean())
    assert constant_psnr(image, "yx", 1000) == pytest.approx(
        image_metrics(image.astype(float), mean, "yx", 1000)["psnr_range"]
    )
    colour = np.stack([image, 2 * image, image // 2], -1)
    variance = np.mean([colour[..., channel].var() for channel in range(3)])
    assert constant_psnr(colour, "yxc", 5000) == pytest.approx(10 * math.log10(5000**2 / variance))
    assert constant_psnr(colour.transpose(2, 0, 1), "cyx", 5000) == pytest.approx(constant_psnr(colour, "yxc", 5000))
    assert constant_psnr(np.full((4, 5), 9, np.int16), "yx", 1) == math.inf
    assert constant_psnr(np.zeros((0, 5), np.int16), "yx", 1) == math.inf


def test_arguments_that_do_not_fit():
    a = np.zeros((8, 9), np.uint8)
    with pytest.raises(InvalidArgument, match=r"mask 'ear': expected the shape \(8, 9\).*found \(9, 8\)"):
        all_metrics(a, a, "yx", 1, {"ear": np.zeros((9, 8), bool)})
    with pytest.raises(InvalidArgument, match="expected two arrays of one shape"):
        image_metrics(a, a.T, "yx", 1)
    with pytest.raises(InvalidArgument, match="axes"):
        image_metrics(a, a, "zyx", 1)
    for peak in (-1, math.inf, math.nan):
        with pytest.raises(InvalidArgument, match="peak: expected the data range"):
            image_metrics(a, a, "yx", peak)
