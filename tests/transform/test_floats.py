"""float32 samples with step=: the written conversion, targets in the caller's unit, and what is refused."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import reference
from helpers.damage import patched
from helpers.strategies import CONTENT, make
from numpy.typing import NDArray
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.volume import floats

STEPS = (0.5, 0.1, 2.0**-7, 3.0, 0.0123)


def errors(array: NDArray[Any], decoded: NDArray[Any]) -> tuple[float, float]:
    """(largest error, PSNR in dB on the range of `array`)."""
    difference = array.astype(np.float64) - decoded
    mean = float(np.mean(difference**2))
    peak = float(array.max()) - float(array.min())
    return float(np.abs(difference).max()), 10 * math.log10(peak**2 / mean) if mean else math.inf


@pytest.mark.parametrize("step", STEPS)
def test_conversion_is_the_written_one(step: float) -> None:
    array = np.random.default_rng(1).normal(0, 50 * step, 5000).astype(np.float32)
    indices = floats.to_indices(array, step)
    assert np.array_equal(indices, np.rint(array.astype(np.float64) / step))
    back = floats.from_indices(indices, step)
    assert np.array_equal(back, (indices.astype(np.float64) * step).astype(np.float32))
    assert np.abs(array.astype(np.float64) - back).max() <= step * (0.5 + 1 / 64)
    assert floats.index_error(3 * step + step / 64, step) == 2


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", CONTENT)
def test_targets_hold_in_the_caller_s_unit(kind: str, step: float) -> None:
    for axes, shape in (("yx", (33, 41)), ("zyx", (9, 17, 20)), ("yxc", (20, 25, 3))):
        array = make(kind, shape, "float32", 3)
        for bound, effort in product((0.52, 1.7, 20.0), (1, 2)):
            blob = mmip.encode(array, max_error=bound * step, step=step, axes=axes, effort=effort)
            decoded = mmip.decode(blob)
            largest, _ = errors(array, decoded)
            assert decoded.dtype == np.float32
            assert largest <= bound * step
            assert largest <= mmip.inspect(blob)["loss"]["max_error"] <= largest * (1 + 2e-7)
        for psnr in (20, 35):
            try:
                blob = mmip.encode(array, psnr=psnr, step=step, axes=axes)
            except mmip.InvalidArgument as error:
                assert "the largest is" in str(error)  # noqa: PT017  # rounding alone may cost more
                continue
            assert errors(array, mmip.decode(blob))[1] >= psnr
        exact = mmip.decode(mmip.encode(array, lossless=True, stages=3, step=step, axes=axes))
        assert errors(array, exact)[0] <= step * (0.5 + 1 / 64)


def test_records_are_in_the_caller_s_unit() -> None:
    array = make("textured", (60, 70), "float32", 1)
    report = mmip.inspect(mmip.encode(array, quality=30, step=0.25))
    largest, psnr = errors(array, mmip.decode(mmip.encode(array, quality=30, step=0.25)))
    loss = report["loss"]
    assert report["step"] == 0.25
    assert (loss["minimum"], loss["maximum"]) == (array.min(), array.max())
    assert loss["psnr"] == pytest.approx(psnr, abs=1e-9)
    assert loss["max_error"] == pytest.approx(largest)
    estimate = mmip.inspect(mmip.encode(array, quality=30, step=0.25, verify=False))["loss"]
    assert not estimate["verified"]
    assert estimate["max_error"] is None
    assert estimate["psnr"] == pytest.approx(psnr, abs=0.5)
    rounded = mmip.inspect(mmip.encode(array, lossless=True, stages=3, step=0.25, verify=False))["loss"]
    assert not rounded["lossless"]


@pytest.mark.parametrize("kind", ["noise", "checkerboard", "spikes", "half", "constant", "edges"])
def test_the_whole_range_is_exact(kind: str) -> None:
    """2^18 steps with 2D cells, 2^17 with 3D ones: what the reversible transform holds."""
    for shape in ((64, 64), (16, 24, 32), (3, 70, 70)):
        array = make(kind, shape, "float32", 2)
        for depth, limit in ((1, 2**18), (8, 2**17)):
            scaled = np.rint(array.astype(np.float64) * (limit / 100)).astype(np.float32)
            blob = mmip.encode(scaled, lossless=True, stages=3, step=1, cell_depth=depth)
            assert np.array_equal(mmip.decode(blob), scaled)
            assert np.array_equal(reference.decode(blob), scaled)
        assert np.array_equal(mmip.decode(mmip.encode(2 * scaled, lossless=True, stages=3, step=1)), 2 * scaled)


def test_layouts_of_memory_do_not_matter() -> None:
    array = make("textured", (40, 50), "float32", 1)
    blob = mmip.encode(array, psnr=40, step=0.1)
    assert mmip.encode(np.asfortranarray(array), psnr=40, step=0.1) == blob
    assert mmip.encode(array.astype(">f4"), psnr=40, step=0.1) == blob
    part = (slice(3, 30), slice(10, 50))
    assert np.array_equal(mmip.decode(blob, region=part), mmip.decode(blob)[part])


def test_raw_containers_keep_the_samples() -> None:
    array = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    blob = mmip.encode(array, lossless=True, stages=2, step=1e-4)
    assert mmip.inspect(blob)["kind"] == "raw"
    assert np.array_equal(mmip.decode(blob), array)
    assert len(blob) <= mmip.max_encoded_size(array.shape, "float32")
    for scale in (2, 4, 8):
        assert np.array_equal(mmip.decode(blob, scale=scale), reference.decode(blob, scale=scale))


# --- stores and the command line


@pytest.mark.parametrize(
    "target", [{"psnr": 45}, {"max_error": 0.6}, {"ratio": 5}, {"quality": 40}, {"lossless": True, "stages": 3}]
)
def test_stores_of_float32(target: dict[str, Any]) -> None:
    volume = make("textured", (20, 50, 70), "float32", 4)
    store = MemoryStore()
    report = mmip.write_zarr(volume, store, step=0.125, chunks=(16, 32, 32), **target)
    stored = mmip.open_zarr(store)
    assert stored.dtype == np.float32
    largest, psnr = errors(volume, stored.to_numpy())
    assert report["loss"]["max_error"] == pytest.approx(largest)
    assert report["loss"]["psnr"] == pytest.approx(psnr, abs=1e-6)
    assert psnr >= target.get("psnr", 0)
    assert largest <= target.get("max_error", math.inf)
    assert report["ratio"] >= target.get("ratio", 0)
    if "lossless" in target:
        assert largest <= 0.0625


def test_stores_refuse_what_they_cannot_hold() -> None:
    volume = make("textured", (20, 50, 70), "float32", 4)
    volume[11, 40, 60] = np.nan
    for source, options in (
        (volume, {"quality": 10, "step": 0.1}),
        (volume, {"quality": 10}),
        (make("noise", (20, 50, 70), "float32", 4), {"psnr": 90, "step": 1}),
        (make("noise", (20, 50, 70), "float32", 4), {"quality": 10, "step": 1, "roi": "otsu"}),
    ):
        with pytest.raises(mmip.InvalidArgument):
            mmip.write_zarr(source, MemoryStore(), chunks=(16, 32, 32), **options)


def test_nifti_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    array = make("textured", (40, 33, 12), "float32", 5)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "map.nii")
    places = [str(tmp_path / name) for name in ("map.nii", "map.mmip", "map.npy", "map.zarr")]
    assert main(["encode", places[0], "-o", places[1], "--max-error", "0.5", "--step", "0.125"]) == 0
    assert main(["decode", places[1], "-o", places[2]]) == 0
    assert np.abs(np.load(places[2]).astype(np.float64) - array.T).max() <= 0.5
    assert main(["evaluate", places[0], places[1]]) == 0
    assert main(["compress", places[0], places[3], "--psnr", "40", "--step", "0.125", "--check"]) == 0
    assert "checked" in capsys.readouterr().out
    assert main(["encode", places[0], "-o", places[1], "--psnr", "40", "--overwrite"]) == 2
    assert "--step" in capsys.readouterr().err


# --- hostile headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value_step", 0.0),
        ("value_step", -1.0),
        ("value_step", math.nan),
        ("value_step", math.inf),
        ("minimum", math.nan),
        ("maximum", math.inf),
        ("minimum", 1e9),
        ("sse", math.nan),
        ("sse", -1.0),
        ("max_error", math.nan),
        ("max_error", -0.5),
        ("offset", 2**18 + 1),
        ("offset", -(2**18) - 1),
        ("dtype", 5),
        ("colour", 1),
    ],
)
def test_header_fields_out_of_range_are_corrupt(name: str, value: Any) -> None:
    blob = mmip.encode(make("textured", (20, 24, 3), "float32", 1), quality=40, step=0.1, axes="yxc")
    bad = patched(blob, name, value)
    with pytest.raises(mmip.CorruptData):
        mmip.decode(bad)
    with pytest.raises(reference.CorruptError):
        reference.decode(bad)


def test_any_step_decodes() -> None:
    blob = mmip.encode(make("textured", (20, 24), "float32", 1), quality=40, step=0.1)
    for step in (5e-324, 1e-50, 1e308):
        changed = patched(blob, "value_step", step)
        with np.errstate(over="ignore"):
            assert np.array_equal(mmip.decode(changed), reference.decode(changed))
