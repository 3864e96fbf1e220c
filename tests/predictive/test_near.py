"""An error bound without stages: it holds for every sample, the record is true, and what takes fewer bytes is kept."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import reference
from helpers.drawn_exact import STEP, drawn_exact
from helpers.kernel_copies import selected

import mmip_gpu as mmip

BOUNDS = (0, 0.9, 1, 2, 5.5, 30, 127, 128, 300, 40_000, 2**18)


def drawn(seed: int, most: int = 3000) -> tuple[np.ndarray, dict[str, Any], float]:
    """An array, options, and the largest error that they allow."""
    array, options = drawn_exact(seed, most)
    bound = BOUNDS[seed % len(BOUNDS)]
    if "step" in options:
        bound = (min(bound, 2**18 - 1) + 0.5) * STEP
    del options["lossless"]
    return array, options | {"max_error": bound}, bound


def errors(array: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    return np.abs(array.astype(np.float64) - decoded.astype(np.float64))


@pytest.mark.parametrize("part", range(6))
def test_no_sample_of_drawn_arrays_is_off_by_more(part: int) -> None:
    kinds: Counter[tuple[str, int]] = Counter()
    for seed in range(30_000 + 70 * part, 30_070 + 70 * part):
        array, options, bound = drawn(seed)
        blob = mmip.encode(array, threads=1, **options)
        decoded, report = mmip.decode(blob, threads=1), mmip.inspect(blob)
        found, loss = errors(array, decoded), report["loss"]
        assert found.max(initial=0) <= bound, seed
        assert (loss["mode"], loss["requested"], loss["verified"]) == ("max_error", bound, True), seed
        assert loss["max_error"] == pytest.approx(found.max(initial=0), rel=2e-7), seed
        assert loss["lossless"] == (not found.any()), seed
        peak = float(loss["maximum"] - loss["minimum"])
        if found.any() and peak:
            assert loss["psnr"] == pytest.approx(10 * np.log10(peak**2 / (found**2).mean())), seed
        kinds[report["kind"], options["effort"]] += 1
        assert len(blob) <= array.nbytes + report["header_bytes"], seed
    assert all(kinds["predictive", effort] > 5 for effort in (1, 2, 3))
    assert kinds["transform", 1] == 0 < kinds["transform", 2] + kinds["transform", 3]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("shape", [(300,), (19, 33), (5, 18, 35), (20, 21, 3)])
def test_both_ends_of_the_range_do_not_wrap_around(dtype: str, shape: tuple[int, ...], each_kernel: list[str]) -> None:
    """Spikes at the least and the greatest value, whose step would end beyond it."""
    info, rng = np.iinfo(dtype), np.random.default_rng(4)
    middle = int(info.min // 2 + info.max // 2)
    array = np.rint(rng.normal(middle, 3, shape)).astype(dtype)
    array[rng.random(shape) < 0.1] = info.max
    array[rng.random(shape) < 0.1] = info.min
    axes = "yxc" if shape[-1] == 3 else None
    for bound in (1, 2, 3, 63, 100, info.max - middle, 2**17):
        for effort in (1, 2):
            blob = mmip.encode(array, max_error=bound, effort=effort, axes=axes)
            for _ in selected(each_kernel):
                assert errors(array, mmip.decode(blob)).max() <= bound
            assert np.array_equal(reference.decode(blob), mmip.decode(blob))


@pytest.mark.parametrize("part", range(3))
def test_the_reference_decodes_alike(part: int) -> None:
    seen = 0
    for seed in range(50_000 + 60 * part, 50_060 + 60 * part):
        array, options, _ = drawn(seed, 700)
        blob = mmip.encode(array, **options | {"effort": 1})
        seen += mmip.inspect(blob)["kind"] == "predictive" and mmip.inspect(blob)["config"]["near"] > 0
        assert np.array_equal(reference.decode(blob), mmip.decode(blob)), seed
    assert seen > 10


@pytest.mark.parametrize("seed", range(30))
def test_threads_kernels_and_batches_do_not_change_bytes(seed: int, each_kernel: list[str]) -> None:
    array, options, _ = drawn(60_000 + seed, 20_000)
    expected = mmip.encode(array, threads=1, **options)
    for kernel in selected(each_kernel):
        for threads in (1, 3):
            assert mmip.encode(array, threads=threads, **options) == expected, (kernel, threads)
    assert mmip.encode_batch([array, array], **options) == [expected, expected]


def test_effort_1_is_fast_and_others_take_what_is_smaller() -> None:
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(200.0) ** 2 / 9, np.arange(220.0) ** 2 / 7) % 30_000
    noisy = rng.integers(0, 4000, (200, 220))
    seen = set()
    for image in (smooth + rng.normal(0, 40, smooth.shape), noisy, smooth):
        array = image.astype(np.uint16)
        fast = {effort: mmip.encode(array, max_error=9, effort=effort) for effort in (1, 2, 3)}
        assert mmip.inspect(fast[1])["kind"] == "predictive"
        for effort in (2, 3):
            in_blocks = mmip.encode(array, max_error=9, effort=effort, stages=2)
            kind = mmip.inspect(fast[effort])["kind"]
            seen.add(kind)
            assert fast[effort] == in_blocks if kind == "transform" else len(fast[effort]) <= len(in_blocks)
    assert seen == {"predictive", "transform"}


@pytest.mark.parametrize(
    "more", [{"stages": 3}, {"cuts": (9, 30)}, {"roi": "threshold:9000"}, {"cell_depth": 1}, {"padding": 0}]
)
def test_whatever_speaks_of_blocks_has_them(more: dict[str, Any]) -> None:
    blob = mmip.encode(mmip.phantom2d(80), max_error=20, effort=1, **more)
    report = mmip.inspect(blob)
    assert report["kind"] == "transform"
    assert len(report["stages"]) == 5 if "cuts" in more else 4


def test_a_bound_of_zero_is_exact_in_one_payload() -> None:
    array = mmip.phantom2d(100)
    for effort in (1, 2, 3):
        report = mmip.inspect(mmip.encode(array, max_error=0, effort=effort))
        assert (report["kind"], report["config"]["near"]) == ("predictive", 0)
        assert report["loss"]["lossless"]
        assert (report["loss"]["mode"], report["loss"]["requested"]) == ("max_error", 0)


def test_what_was_decoded_is_coded_without_loss() -> None:
    array = mmip.phantom3d((9, 60, 50))
    decoded = mmip.decode(mmip.encode(array, max_error=7, effort=1))
    again = mmip.encode(decoded, max_error=7, effort=1)
    assert mmip.inspect(again)["loss"]["lossless"]
    assert np.array_equal(mmip.decode(again), decoded)


def test_regions_and_scales() -> None:
    array = mmip.phantom3d((40, 90, 100))
    blob = mmip.encode(array, max_error=12, effort=1)
    whole = mmip.decode(blob)
    region = (slice(3, 9), slice(40, 50), slice(0, 100))
    assert np.array_equal(mmip.decode(blob, region=region), whole[region])
    assert mmip.inspect(blob, region=region)["bytes_needed"] < len(blob)
    means = whole[:40:, :90, :100].reshape(20, 2, 45, 2, 50, 2).mean(axis=(1, 3, 5))
    assert np.abs(mmip.decode(blob, scale=2) - means).max() <= 0.5
    assert np.array_equal(mmip.decode(blob, stages=1), whole)
    with pytest.raises(mmip.InvalidArgument, match="at most 1"):
        mmip.decode(blob, stages=2)


def test_options_that_do_not_go_together() -> None:
    array = mmip.phantom2d(32)
    for options in ({"lossless": "small"}, {"lossless": True}, {"labels": True}, {"psnr": 40}):
        with pytest.raises(mmip.InvalidArgument, match=r"expected exactly one of|it excludes max_error="):
            mmip.encode(array, max_error=3, **options)
    for bound in (-1, float("nan"), 2**18 + 1, "3"):
        with pytest.raises(mmip.InvalidArgument, match="max_error="):
            mmip.encode(array, max_error=bound)
    with pytest.raises(mmip.InvalidArgument, match=r"smallest is 0\.5"):
        mmip.encode(array.astype(np.float32), max_error=0.25, step=1.0)
