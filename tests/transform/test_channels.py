"""Channels with steps of their own: each reaches its target by itself, and every decode knows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from helpers.strategies import make
from numpy.typing import NDArray

import mmip_gpu as mmip

SCALES = (1.0, 0.05, 0.4)


def channels(shape: tuple[int, ...] = (70, 60), dtype: str = "uint16", constant: bool = True) -> NDArray[Any]:
    """Channels on the first axis, whose ranges differ by up to 20, and a constant one."""
    parts = [make("textured", shape, "uint8", i).astype(np.float64) * 60 * s for i, s in enumerate(SCALES)]
    parts += [np.full(shape, 77.0)] if constant else []
    return np.stack(parts).astype(dtype)


def errors(array: NDArray[Any], blob: bytes, axis: int = 0) -> tuple[list[float], list[float]]:
    """(PSNR of each channel on its own range, largest error of each)."""
    decoded, psnrs, largest = mmip.decode(blob), [], []
    for a, b in zip(np.moveaxis(array, axis, 0), np.moveaxis(decoded, axis, 0), strict=True):
        difference = np.abs(a.astype(np.float64) - b)
        peak, square = float(a.max()) - float(a.min()), float((difference**2).mean())
        psnrs.append(10 * math.log10(peak**2 / square) if square and peak else math.inf)
        largest.append(float(difference.max()))
    return psnrs, largest


@pytest.mark.parametrize("effort", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_psnr_is_that_of_each_channel_and_a_constant_one_is_exact(effort: int, dtype: str) -> None:
    array = channels(dtype=dtype)
    blob = mmip.encode(array, axes="cyx", psnr=45, effort=effort)
    psnrs, largest = errors(array, blob)
    assert all(45 <= psnr <= 46.5 for psnr in psnrs[:3]), psnrs
    assert largest[3] == 0
    report = mmip.inspect(blob)
    found = report["loss"]["channels"]
    assert [one["psnr"] for one in found[:3]] == pytest.approx(psnrs[:3])
    assert report["loss"]["reached"] == pytest.approx(min(psnrs))
    assert (found[3]["psnr"], found[3]["lossless"], found[3]["minimum"], found[3]["maximum"]) == (None, True, 77, 77)
    assert [one["max_error"] for one in found] == largest
    steps = report["config"]["qstep"]
    assert steps[0] > 3 * steps[1]
    assert "channel 3: lossless" in report.info


@pytest.mark.parametrize(("axes", "axis"), [("cyx", 0), ("yxc", 2), ("zcyx", 1), ("cx", 0), ("yczx", 1)])
def test_axis_c_may_stand_anywhere(axes: str, axis: int) -> None:
    lengths = {"z": 5, "y": 40, "x": 50}
    spatial = axes.replace("c", "")
    if axes == "yczx":
        with pytest.raises(mmip.InvalidArgument):
            mmip.encode(np.zeros((4, 2, 4, 4), np.uint8), axes=axes, psnr=40)
        return
    array = np.moveaxis(channels(tuple(lengths[a] for a in spatial), constant=False), 0, axis)
    blob = mmip.encode(array, axes=axes, psnr=42, colour=False)
    assert min(errors(array, blob, axis)[0]) >= 42
    assert np.array_equal(reference.decode(blob), mmip.decode(blob))


def test_planes_of_other_axes_share_the_step_of_their_channel() -> None:
    array = np.stack([channels(), np.roll(channels(), 9, 1)])
    blob = mmip.encode(array, axes="tcyx", psnr=44)
    decoded = mmip.decode(blob)
    assert len(mmip.inspect(blob)["config"]["steps"][0]) == 4
    for c in range(3):
        peak = float(array[:, c].max()) - float(array[:, c].min())
        assert 10 * math.log10(peak**2 / np.mean((array[:, c] - decoded[:, c].astype(float)) ** 2)) >= 44


@pytest.mark.parametrize("options", [{"psnr": 45}, {"max_error": [900, 40, 2, 0]}, {"qstep": [90, 9, 30, 2]}])
def test_scales_regions_and_stages(options: dict[str, Any]) -> None:
    array = channels((90, 80))
    blob = mmip.encode(array, axes="cyx", **options)
    whole = mmip.decode(blob)
    region = (slice(1, 3), slice(17, 50), slice(3, 77))
    assert np.array_equal(mmip.decode(blob, region=region), whole[region])
    for scale in (1, 2, 4, 8):
        assert np.array_equal(mmip.decode(blob, scale=scale), reference.decode(blob, scale=scale))
    small = tuple(slice(s.start // (4 if i else 1), s.stop // (4 if i else 1)) for i, s in enumerate(region))
    assert np.array_equal(mmip.decode(blob, scale=4, region=small), mmip.decode(blob, scale=4)[small])
    assert np.array_equal(mmip.decode(blob, stages=2), reference.decode(blob, stages=2))
    assert blob == mmip.encode(array, axes="cyx", threads=3, **options)


def test_an_error_bound_of_each_channel() -> None:
    array, bounds = channels(), [5, 1.5, 0, 2]
    blob = mmip.encode(array, axes="cyx", max_error=bounds)
    assert all(found <= most for found, most in zip(errors(array, blob)[1], bounds, strict=True))
    report = mmip.inspect(blob)
    assert [one["requested"] for one in report["loss"]["channels"]] == bounds
    assert (report["loss"]["requested"], report["config"]["correction"]) == (5, 5)
    assert "channel 1 of 1.5: " in report.info
    assert len(blob) < len(mmip.encode(array, axes="cyx", max_error=[1, 1.5, 0, 2]))


def test_equal_bounds_are_one_number() -> None:
    array = channels()
    assert mmip.encode(array, axes="cyx", max_error=[3, 3, 3, 3]) == mmip.encode(array, axes="cyx", max_error=3)
    assert mmip.encode(array, axes="cyx", max_error=[0] * 4) == mmip.encode(array, axes="cyx", max_error=0)


def test_steps_of_each_channel_are_kept_and_shown() -> None:
    blob = mmip.encode(channels(), axes="cyx", qstep=[40, 2.5, 16, 1])
    assert mmip.inspect(blob)["config"]["qstep"] == [40, 2.5, 16, 1]
    again = mmip.encode(channels(), axes="cyx", qstep=mmip.inspect(blob)["config"]["qstep"])
    assert again == blob


def test_a_ratio_holds_for_all_at_equal_psnr() -> None:
    array = channels((160, 150), constant=False)
    blob = mmip.encode(array, axes="cyx", colour=False, ratio=5)
    psnrs = errors(array, blob)[0]
    assert 5 <= array.nbytes / len(blob) <= 5.2
    assert max(psnrs) - min(psnrs) < 0.5
    one = mmip.encode(array, axes="cyx", colour=False, ratio=5, per_channel=False)
    assert np.ptp(errors(array, one)[0]) > 10


def test_a_quality_is_that_of_each_channel_alone() -> None:
    array = channels((120, 110), constant=False)
    together = errors(array, mmip.encode(array, axes="cyx", colour=False, quality=40))[0]
    alone = [errors(one[None], mmip.encode(one[None], axes="cyx", quality=40))[0][0] for one in array]
    assert together == pytest.approx(alone, abs=0.5)


@pytest.mark.parametrize("quality", [None, "lossless", 60])
def test_regions(quality: Any) -> None:
    array = channels((64, 64))
    mask = np.zeros((64, 64), bool)
    mask[8:40, 16:48] = True
    blob = mmip.encode(array, axes="cyx", psnr=40, roi=mask, roi_quality=quality)
    assert min(errors(array, blob)[0]) >= 40
    if quality == "lossless":
        assert np.array_equal(mmip.decode(blob)[:, mask], array[:, mask])
    assert np.array_equal(reference.decode(blob), mmip.decode(blob))


def test_float32() -> None:
    array = channels().astype(np.float32) / 64
    blob = mmip.encode(array, axes="cyx", psnr=45, step=2.0**-9)
    assert min(errors(array, blob)[0][:3]) >= 45
    assert errors(array, blob)[1][3] <= 2.0**-10
    with pytest.raises(mmip.InvalidArgument, match=r"with step=0\.5 the largest is"):
        mmip.encode(array, axes="cyx", psnr=60, step=0.5)


def test_a_range_that_is_given_is_that_of_all() -> None:
    array = channels()
    blob = mmip.encode(array, axes="cyx", psnr=50, data_range=4095)
    found = mmip.decode(blob).astype(float) - array
    assert all(10 * math.log10(4095**2 / max(np.mean(one**2), 1e-9)) >= 50 for one in found)


def test_constant_arrays_are_exact() -> None:
    for value in (0, 65535, 300):
        array = np.full((5, 40, 40), value, np.uint16)
        assert np.array_equal(mmip.decode(mmip.encode(array, axes="cyx", psnr=30)), array)


def test_a_thousand_channels_and_more_than_a_header_holds() -> None:
    array = np.arange(1000 * 256, dtype=np.uint32).reshape(1000, 16, 16) * 2654435761 % 251
    array = (array * np.linspace(0.1, 200, 1000)[:, None, None]).astype(np.uint16)
    blob = mmip.encode(array, axes="cyx", psnr=40, effort=1)
    assert min(errors(array, blob)[0]) >= 40
    report = mmip.inspect(blob)
    assert len(report["loss"]["channels"]) == 1000
    assert "and 984 more channels, the least PSNR of all is 40." in report.info
    many = np.zeros((3000, 8, 8), np.uint16)
    with pytest.raises(mmip.InvalidArgument, match=r"3000 channels: a header holds 2709 .* in parts along c"):
        mmip.encode(many, axes="cyx", psnr=40)
    assert np.array_equal(mmip.decode(mmip.encode(many, axes="cyx", psnr=40, per_channel=False)), many)
    assert np.array_equal(mmip.decode(mmip.encode(many, axes="cyx", lossless=True, stages=3)), many)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_error": [1, 2]}, "one number, or one for each of 4 channels"),
        ({"qstep": [1, 2, 3]}, "one number, or one for each of 4 channels"),
        ({"qstep": [1, 2, 3, 0.01]}, "qstep=0.01: expected 0.25"),
        ({"max_error": [1, 2, 3, -1]}, "max_error=-1"),
        ({"max_error": [1, 2, 3, 4], "per_channel": False}, "needs per_channel=True"),
        ({"max_error": [1, 2, 3, 4], "colour": True}, "colour=False"),
        ({"max_error": []}, "a number, or one for each channel"),
        ({"max_error": [1, "a"]}, "a finite number, or one for each channel"),
        ({"psnr": [40, 50]}, "a finite number"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(mmip.InvalidArgument, match=words):
        mmip.encode(channels(), axes="cyx", **options)


def test_colour_and_one_channel_have_one_step() -> None:
    colours = np.moveaxis(channels(constant=False), 0, 2)
    assert mmip.inspect(mmip.encode(colours, axes="yxc", psnr=40))["colour"]
    for array, axes in ((colours, "yxc"), (channels()[:1], "cyx"), (channels()[0], "yx")):
        found = mmip.inspect(mmip.encode(array, axes=axes, psnr=40))
        assert "channels" not in found["loss"]
        assert mmip.encode(array, axes=axes, psnr=40) == mmip.encode(array, axes=axes, psnr=40, per_channel=False)
    listed = mmip.inspect(mmip.encode(colours, axes="yxc", max_error=[1, 2, 3]))
    assert not listed["colour"]


def test_without_verification_the_errors_are_estimates() -> None:
    report = mmip.inspect(mmip.encode(channels(), axes="cyx", qstep=20, verify=False))
    found = report["loss"]["channels"]
    assert [one["max_error"] for one in found] == [None] * 4
    assert [one["maximum"] for one in found] == channels().max(axis=(1, 2)).tolist()


def test_noise_is_never_larger_than_the_samples() -> None:
    array = np.random.default_rng(0).integers(0, 65536, (900, 6, 6), np.uint16)
    blob = mmip.encode(array, axes="cyx", max_error=[0] * 899 + [1])
    assert len(blob) <= mmip.max_encoded_size(array.shape, array.dtype)
    assert np.array_equal(mmip.decode(blob), array)
