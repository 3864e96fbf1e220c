"""What a caller states: types of samples that are not coded as they are, NaN, voxel size and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import zarr

import mmip_gpu
from mmip_gpu.cli import main
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources import open_source, stated
from numcodecs_plugin import Mmip

WHOLE = np.arange(8 * 20 * 24).reshape(8, 20, 24)


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".nii", ".zarr"])
@pytest.mark.parametrize(
    ("dtype", "held"),
    [
        ("bool", "uint8"),
        ("int32", "uint16"),
        ("uint32", "uint16"),
        ("int64", "uint16"),
        ("uint64", "uint16"),
        ("float16", "float32"),
        ("float64", "float32"),
    ],
)
def test_what_fits_is_taken_from_every_format(dtype: str, held: str, suffix: str, tmp_path: Path) -> None:
    samples, path = (WHOLE % 2000).astype(dtype), tmp_path / f"a{suffix}"
    if suffix == ".nii" and dtype in ("bool", "float16"):
        pytest.skip("NIfTI has no such type")
    if suffix == ".npy":
        np.save(path, samples)
    elif suffix == ".tif":
        tifffile.imwrite(path, samples, photometric="minisblack")
    elif suffix == ".nii":
        nibabel.Nifti1Image(samples.T, np.eye(4), dtype=samples.dtype).to_filename(path)
    else:
        zarr.create_array(path, data=samples)
    step = ["--step", "0.5"] if held == "float32" else []
    assert main(["compress", str(path), str(tmp_path / "s.zarr"), "--lossless", *step]) == 0
    found = mmip_gpu.open_zarr(tmp_path / "s.zarr")
    assert found.dtype == np.dtype(held)
    np.testing.assert_array_equal(found[...], samples)
    assert main(["encode", str(path), "-o", str(tmp_path / "s.mmip"), "--lossless", *step]) == 0
    np.testing.assert_array_equal(mmip_gpu.decode((tmp_path / "s.mmip").read_bytes()), samples)


@pytest.mark.parametrize(
    ("samples", "dtype", "message"),
    [
        (WHOLE * 100, None, "int64 samples of 0 to 383900"),
        (WHOLE - 40000, None, "int64 samples of -40000"),
        (WHOLE / 3, None, "float64.*--dtype float32"),
        (WHOLE / 2, "int16", r"found 0\.5 at \[0, 0, 1\], which has no equal in int16"),
        (WHOLE - 5, "uint16", r"found -5 at \[0, 0, 0\]"),
        (WHOLE, "uint8", r"found 256 at \[0, 10, 16\]"),
        (WHOLE, "int32", "expected uint8, int8, uint16, int16 or float32"),
        (WHOLE, "name", "dtype='name': expected"),
        (WHOLE * 1e300, "float32", r"found 1e\+300 at \[0, 0, 1\]"),
    ],
)
def test_what_does_not_fit_is_refused_everywhere(samples: np.ndarray, dtype: Any, message: str) -> None:
    step = {"step": 0.5} if dtype == "float32" or (dtype is None and samples.dtype.kind == "f") else {}
    for call in (
        lambda: mmip_gpu.encode(samples, quality=10, dtype=dtype, **step),
        lambda: mmip_gpu.encode_batch([samples], quality=10, dtype=dtype, **step),
        lambda: mmip_gpu.write_zarr(samples, {}, quality=10, dtype=dtype, **step),
        lambda: open_source(samples, dtype=dtype).read(),
    ):
        with pytest.raises(InvalidArgument, match=message):
            call()


def test_float64_is_rounded_where_asked_and_that_is_recorded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", WHOLE / 3)
    arguments = ["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), "--max-error", "1", "--step", "0.01"]
    assert main(arguments) != 0
    assert main([*arguments, "--dtype", "float32"]) == 0
    volume = mmip_gpu.open_zarr(tmp_path / "a.zarr")
    assert volume.report["lost"] == ["digits of float64 beyond float32"]
    assert abs(volume[...] - WHOLE / 3).max() <= 1


def test_dask_arrays_of_wide_samples_stay_lazy() -> None:
    dask = pytest.importorskip("dask.array")
    opened = open_source(dask.from_array(WHOLE, chunks=(4, 20, 24)))
    assert (opened.dtype, opened.origin.dtype) == (np.uint16, np.uint16)
    np.testing.assert_array_equal(opened.read(), WHOLE)


# --- NaN

TARGETS: list[dict[str, Any]] = [
    {"quality": 10},
    {"psnr": 50},
    {"ratio": 10},
    {"max_error": 2},
    {"qstep": 4},
    {"lossless": True, "stages": 3},
]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: next(iter(target)))
def test_samples_that_are_not_finite(target: dict[str, Any], value: float, tmp_path: Path) -> None:
    samples = (WHOLE % 900).astype(np.float32)
    samples[1, 3, 5] = value
    message = r"expected finite samples, found -?(nan|inf) at \[1, 3, 5\]"
    for call in (
        lambda: mmip_gpu.encode(samples, step=0.5, **target),
        lambda: mmip_gpu.write_zarr(samples, {}, step=0.5, **target),
    ):
        with pytest.raises(InvalidArgument, match=message):
            call()
    np.save(tmp_path / "a.npy", samples)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in target.items() if name != "lossless"]
    arguments = ["encode", str(tmp_path / "a.npy"), "-o", str(tmp_path / "a.mmip"), "--step", "0.5", *flags]
    arguments += ["--lossless"] if "lossless" in target else []
    assert main(arguments) != 0
    assert main([*arguments, "--nan", "-7"]) == 0
    replaced = np.where(np.isfinite(samples), samples, np.float32(-7))
    blob = mmip_gpu.encode(samples, step=0.5, nan=-7, **target)
    assert blob == mmip_gpu.encode(replaced, step=0.5, **target)
    store: dict[str, Any] = {}
    report = mmip_gpu.write_zarr(samples, store, step=0.5, nan=-7, **target)
    assert report["complete"]
    assert mmip_gpu.open_zarr(store).metadata["nan"] == -7


@pytest.mark.parametrize(("progress", "is_shown"), [(True, True), (False, False), (None, False)])
def test_a_long_look_shows_a_bar(
    progress: bool | None, is_shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stated, "_BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr(stated, "_BAR_AFTER", 0)
    open_source(WHOLE.astype(np.int32), progress=progress)
    assert ("look through int32" in capsys.readouterr().err) == is_shown
    mmip_gpu.write_zarr(WHOLE.astype(np.int32), {}, quality=10, progress=progress)
    assert ("look through int32" in capsys.readouterr().err) == is_shown


def test_nan_of_lazy_arrays_decodes_to_the_number() -> None:
    dask_array, xarray = pytest.importorskip("dask.array"), pytest.importorskip("xarray")
    samples = (WHOLE % 900).astype(np.float32)
    samples[1, 3:5], samples[0, 0, 0] = np.nan, np.inf
    lazy = dask_array.from_array(samples, chunks=8)
    named = xarray.DataArray(lazy, dims=list("zyx"))
    for source in (samples, lazy, named, zarr.array(samples, chunks=(4, 8, 8)), lazy.astype("f8")):
        store: dict[str, Any] = {}
        mmip_gpu.write_zarr(source, store, step=0.5, nan=-70, max_error=2, dtype="float32", progress=False)
        volume = mmip_gpu.open_zarr(store)
        assert np.array_equal(volume[...] < -60, ~np.isfinite(samples))
        assert volume.metadata["nan"] == -70
        with pytest.raises(InvalidArgument, match=r"found (nan|inf) at \["):
            mmip_gpu.write_zarr(source, {}, step=0.5, max_error=2, dtype="float32", progress=False)


@pytest.mark.parametrize(("options", "array"), [({}, "samples"), ({"stages": 3}, "stage_2")])
def test_stores_are_appended_to_and_repaired_with_what_was_stated(
    tmp_path: Path, options: dict[str, Any], array: str
) -> None:
    samples = (WHOLE % 900).astype(np.float64)[:, None] / 3
    samples[1, 0, 3:5] = np.nan
    store = tmp_path / "a.zarr"
    mmip_gpu.write_zarr(samples, store, step=0.5, nan=-70, max_error=2, dtype="float32", progress=False, **options)
    before = mmip_gpu.open_zarr(store)[...]
    next(path for path in store.glob(f"{array}/c/**/*") if path.is_file()).unlink()
    assert mmip_gpu.repair_zarr(store, samples, progress=False)["repaired"]
    mmip_gpu.append_zarr(samples[:2], store, progress=False)
    assert np.array_equal(mmip_gpu.open_zarr(store)[...], np.concatenate([before, before[:2]]))


@pytest.mark.parametrize("nan", [float("nan"), float("inf"), "x"])
def test_what_stands_for_nan_is_finite(nan: Any) -> None:
    with pytest.raises(InvalidArgument, match="nan="):
        open_source(np.ones((4, 4), np.float32), nan=nan)


# --- voxel size and units


@pytest.mark.parametrize(
    ("size", "units", "spacing", "unit"),
    [
        ((2, 0.5, 0.25), None, [2.0, 0.5, 0.25], "millimeter"),
        (0.5, "um", [5e-4] * 3, "micrometer"),
        ([4, 2, 1], "nanometers", [4e-6, 2e-6, 1e-6], "nanometer"),
        ((1, 1, 1), "µm", [1e-3] * 3, "micrometer"),
    ],
)
def test_a_voxel_size_for_arrays_that_know_none(size: Any, units: Any, spacing: list[float], unit: str) -> None:
    store: dict[str, Any] = {}
    mmip_gpu.write_zarr(WHOLE, store, quality=10, voxel_size=size, units=units)
    volume = mmip_gpu.open_zarr(store)
    assert volume.metadata["spacing"] == pytest.approx(spacing)
    assert {axis["unit"] for axis in volume.metadata["axes"]} == {unit}
    given = [size] * 3 if isinstance(size, float) else size
    assert volume.metadata["scale"] == pytest.approx(given)
    assert float(volume.xarray()["z"][1]) == pytest.approx(given[0])


@pytest.mark.parametrize(
    ("size", "units"), [((1, 2), None), (0, None), ((1, -1, 1), None), ("abc", None), (1, "pixels"), (None, "um")]
)
def test_sizes_that_make_no_sense_are_refused(size: Any, units: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"voxel_size|units"):
        mmip_gpu.write_zarr(WHOLE, {}, quality=10, voxel_size=size, units=units)


def test_the_command_line_takes_a_voxel_size(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", WHOLE)
    more = ["--quality", "10", "--voxel-size", "2,0.5,0.5", "--units", "um"]
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.zarr"), *more]) == 0
    assert main(["extract", str(tmp_path / "a.zarr"), "-o", str(tmp_path / "a.nii")]) == 0
    header = nibabel.load(tmp_path / "a.nii").header
    assert header.get_xyzt_units()[0] == "micron"
    np.testing.assert_allclose(header.get_zooms(), (0.5, 0.5, 2))


# --- NaN as the fill value of a Zarr array


@pytest.mark.parametrize("target", [{"max_error": 1}, {"quality": 10}, {"psnr": 50, "data_range": 900.0}])
@pytest.mark.parametrize("shape", [(10, 35, 45), (8, 32, 32), (5, 7, 9), (17, 32, 33)])
def test_nan_that_fills_up_chunks_is_never_coded(shape: tuple[int, ...], target: dict[str, Any]) -> None:
    samples = (np.arange(np.prod(shape)).reshape(shape) % 900).astype("f4")
    codec = Mmip(step=0.5, **target)
    options: dict[str, Any] = {"fill_value": np.nan, "serializer": codec, "compressors": None}
    array = zarr.create_array({}, shape=shape, chunks=(8, 32, 32), dtype="f4", **options)
    array[...] = samples
    same = zarr.create_array({}, shape=shape, chunks=(8, 32, 32), dtype="f4", **(options | {"fill_value": 0}))
    same[...] = samples
    assert abs(array[...] - samples).max() <= max(1, 4 * abs(same[...] - samples).max())
    samples[2, 3, 4] = np.nan
    with pytest.raises(InvalidArgument, match=r"mmip: expected finite samples.*fill_value"):
        array[...] = samples


def test_nan_inside_of_an_array_that_has_grown_is_refused() -> None:
    codec = Mmip(step=0.5, max_error=1)
    options: dict[str, Any] = {"fill_value": np.nan, "serializer": codec, "compressors": None}
    first = zarr.create_array({}, shape=(8, 35), chunks=(8, 32), dtype="f4", **options)
    other = zarr.create_array({}, shape=(8, 40), chunks=(8, 32), dtype="f4", **options)  # of the same codec
    for array in (first, other):
        array[...] = np.ones(array.shape, "f4")
        assert (array[...] == 1).all()
    first.resize((8, 64))
    samples = np.ones(first.shape, "f4")
    samples[:, 40:] = np.nan
    with pytest.raises(InvalidArgument, match="expected finite samples"):
        first[...] = samples
