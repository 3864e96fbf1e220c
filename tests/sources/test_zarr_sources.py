"""Zarr, Dask and xarray as sources: images of OME-Zarr, stores by any name, coordinates, and what codecs lost."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import numcodecs as filters
from zarr.storage import LocalStore, MemoryStore, ZipStore

import mmip_gpu
from mmip_gpu.errors import InvalidArgument, MetadataWarning, StoreError
from mmip_gpu.sources import open_source
from numcodecs_plugin import Mmip, MmipV2

VOLUME = mmip_gpu.phantom3d((16, 32, 48))
EXACT: dict[str, Any] = {"lossless": True, "stages": 3}

# --- what codecs lost

LOSSY: list[tuple[dict[str, Any], str]] = [
    ({"serializer": Mmip(quality=5), "compressors": None}, "MMIP"),
    ({"compressors": MmipV2(quality=5), "filters": None, "zarr_format": 2}, "MMIP"),
    ({"serializer": Mmip(quality=5), "compressors": None, "shards": (16, 32, 48)}, "MMIP"),
    ({"filters": [filters.Quantize(digits=2, dtype="f4")]}, "QUANTIZE"),
    ({"filters": [filters.BitRound(keepbits=4)]}, "BITROUND"),
    ({"filters": [filters.FixedScaleOffset(offset=0, scale=1, dtype="f4", astype="u1")]}, "FIXEDSCALEOFFSET"),
]


def made(place: Any, options: dict[str, Any]) -> zarr.Array:
    is_float = bool(options.get("filters"))
    samples = (VOLUME / 700).astype("f4") if is_float else VOLUME
    return zarr.create_array(place, data=samples, chunks=(8, 32, 48), **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("options", "method"), LOSSY, ids=lambda value: value if isinstance(value, str) else "")
def test_once_lossy_always_lossy(options: dict[str, Any], method: str, tmp_path: Path) -> None:
    dask, xarray = pytest.importorskip("dask.array"), pytest.importorskip("xarray")
    array = made(tmp_path / "a.zarr", options)
    lazy = dask.from_zarr(tmp_path / "a.zarr")
    inline = dask.from_array(array, chunks=array.chunks, inline_array=True)
    named = xarray.DataArray(lazy, dims=("z", "y", "x"))
    for source in (array, tmp_path / "a.zarr", str(tmp_path / "a.zarr"), lazy, lazy + 0, inline, named):
        opened = open_source(source)
        assert [entry["method"] for entry in opened.metadata["history"]] == [method]
        assert opened.metadata["lossy"]
    step = {"step": 0.01} if opened.dtype.kind == "f" else {}
    report = mmip_gpu.write_zarr(array, {}, **EXACT, **step)
    assert (report["lossy"], report["history"][0]["method"]) == (True, method)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"serializer": Mmip(lossless=True, stages=3), "compressors": None},
        {"serializer": Mmip(max_error=0), "compressors": None},
        {"compressors": [filters.Blosc(cname="zstd")], "filters": [filters.Delta(dtype="u2")]},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_codecs_that_lose_nothing_leave_no_history(options: dict[str, Any]) -> None:
    array = zarr.create_array({}, data=VOLUME, chunks=(8, 32, 48), **options)
    assert "history" not in open_source(array).metadata


def test_xarray_of_a_lossy_array_and_lazy_arrays_of_a_store(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    dataset = xarray.Dataset({"a": (("z", "y", "x"), VOLUME)})
    encoding = {"serializer": Mmip(quality=5), "compressors": None, "chunks": (8, 32, 48)}
    dataset.to_zarr(tmp_path / "x.zarr", zarr_format=3, encoding={"a": encoding}, consolidated=False)
    for chunks in ({}, None):
        opened = xarray.open_zarr(tmp_path / "x.zarr", chunks=chunks, consolidated=False)["a"]
        assert open_source(opened).metadata["lossy"]
    mmip_gpu.write_zarr(VOLUME, tmp_path / "s.zarr", quality=10)
    volume = mmip_gpu.open_zarr(tmp_path / "s.zarr")
    for source in (volume, volume.dask(), volume.xarray()):
        assert mmip_gpu.write_zarr(source, {}, **EXACT)["lossy"]


# --- images of OME-Zarr


def image(place: Any, version: str) -> zarr.Group:
    """An image of two levels, with a translation, channels, and a scale of the whole."""
    group = zarr.open_group(place, mode="w", zarr_format=3 if version == "0.5" else 2)
    scales = [[0.5, 1, 2.0, 0.25, 0.25], [0.5, 1, 4.0, 0.5, 0.5]]
    units = [{"name": "t", "type": "time", "unit": "second"}, {"name": "c", "type": "channel"}]
    units += [{"name": letter, "type": "space", "unit": "micrometer"} for letter in "zyx"]
    datasets = []
    for level, scale in enumerate(scales):
        group.create_array(
            str(level), data=np.arange(3 * 2 * 4 * 8 * 8, dtype="u2").reshape(3, 2, 4, 8, 8)[..., :: 1 + level]
        )
        transforms = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": [0, 0, 10, 1, 2]}]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    whole = [{"type": "scale", "scale": [2, 1, 1, 1, 1]}]
    ome = {
        "multiscales": [{"axes": units, "datasets": datasets, "coordinateTransformations": whole}],
        "omero": {"channels": [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]},
    }
    group.attrs.update({"ome": ome | {"version": version}} if version == "0.5" else ome)
    return group


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_is_its_full_level_with_sizes_units_and_channels(version: str, tmp_path: Path) -> None:
    group = image(tmp_path / "i.zarr", version)
    for source in (tmp_path / "i.zarr", group, LocalStore(tmp_path / "i.zarr"), f"file://{tmp_path}/i.zarr"):
        opened = open_source(source)
        assert (opened.shape, opened.axes, opened.colour) == ((3, 2, 4, 8, 8), "tczyx", False)
        found = opened.metadata
        assert found["spacing"] == pytest.approx([2e-3, 25e-5, 25e-5])
        assert found["origin"] == pytest.approx([10e-3, 1e-3, 2e-3])
        assert (found["length_unit"], found["time_step"], found["time_unit"]) == ("micrometer", 1.0, "second")
        assert found["channels"] == [{"name": "DAPI", "colour": "0000FF"}, {"name": "GFP", "colour": "00FF00"}]
    assert open_source(tmp_path / "i.zarr" / "1").metadata["spacing"] == pytest.approx([4e-3, 5e-4, 5e-4])
    store: dict[str, Any] = {}
    mmip_gpu.write_zarr(tmp_path / "i.zarr", store, **EXACT)
    mmip_gpu.export_ome_zarr(store, tmp_path / "o.zarr")
    again = open_source(tmp_path / "o.zarr").metadata
    for key in ("spacing", "origin", "time_step", "channels", "length_unit"):
        assert again[key] == (pytest.approx(found[key]) if key in ("spacing", "origin") else found[key])


def test_images_that_are_damaged_and_groups_that_are_none(tmp_path: Path) -> None:
    group = image(tmp_path / "i.zarr", "0.4")
    attributes = group.attrs.asdict()
    attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 2]}]
    group.attrs.put(attributes)
    with pytest.raises(StoreError, match="coordinate transformation"):
        open_source(tmp_path / "i.zarr")
    group.attrs.put({"multiscales": []})
    with pytest.raises(InvalidArgument, match=r"no image: give the path of one of its members \(0, 1\)"):
        open_source(tmp_path / "i.zarr")
    mmip_gpu.write_zarr(VOLUME, tmp_path / "s.zarr", quality=10)
    with pytest.raises(InvalidArgument, match="open it with open_zarr"):
        open_source(tmp_path / "s.zarr")


# --- names of stores and arrays


@pytest.mark.parametrize("kind", ["folder", "file", "memory", "zip", "dict", "LocalStore", "MemoryStore", "ZipStore"])
@pytest.mark.parametrize("what", ["store", "array"])
def test_what_opens_for_reading_is_a_source(what: str, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    places: dict[str, Any] = {"file": f"file://{folder}", "memory": f"memory://{tmp_path}/a.zarr", "dict": {}}
    places |= {"folder": folder, "zip": tmp_path / "a.zip", "MemoryStore": MemoryStore()}
    place = places.get(kind)
    if kind == "LocalStore":
        place = LocalStore(folder)
    if kind == "ZipStore":
        place = ZipStore(tmp_path / "b.zip", mode="w")
    if what == "store":
        mmip_gpu.write_zarr(VOLUME, place, quality=10)
        expected = mmip_gpu.open_zarr(place)[...]
    else:
        made_in = ZipStore(place, mode="w") if kind == "zip" else folder if kind == "file" else place
        zarr.create_array(made_in, data=VOLUME)
        expected = VOLUME
        if kind == "zip":
            made_in.close()
    target: dict[str, Any] = {}
    report = mmip_gpu.write_zarr(place, target, **EXACT)
    np.testing.assert_array_equal(mmip_gpu.open_zarr(target)[...], expected)
    assert report["lossy"] == (what == "store")


def test_storage_options_reach_every_function(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    url, options = "memory://options/a.zarr", {"skip_instance_cache": True}
    given: list[dict[str, Any]] = []
    original = fsspec.get_filesystem_class("memory").__init__

    def noted(self: Any, *args: Any, **known: Any) -> None:
        given.append(known)
        original(self, *args, **known)

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "__init__", noted)
    with_options: dict[str, Any] = {"storage_options": options | {"key": "k"}}
    mmip_gpu.write_zarr(VOLUME, url, quality=10, overwrite=True, **with_options)
    calls = [
        lambda: mmip_gpu.open_zarr(url, **with_options),
        lambda: mmip_gpu.write_zarr(url, {}, **EXACT, **with_options),
        lambda: mmip_gpu.verify_zarr(url, **with_options),
        lambda: mmip_gpu.repair_zarr(url, VOLUME, **with_options),
        lambda: mmip_gpu.fetch_zarr(url, {}, **with_options),
        lambda: mmip_gpu.export_ome_zarr(url, {}, **with_options),
        lambda: mmip_gpu.serve_zarr(url, port=0, **with_options).close(),
        lambda: open_source(f"{url}/stage_1", **with_options),
    ]
    for call in calls:
        given.clear()
        with contextlib.suppress(InvalidArgument):  # an array of a stage is no image
            call()
        assert any(known.get("key") == "k" for known in given)


# --- coordinates of xarray


def test_coordinates_come_back() -> None:
    xarray = pytest.importorskip("xarray")
    times = np.array(["2026-01-01", "2026-01-03", "2026-01-04"], "datetime64[ns]")
    coordinates = {
        "t": times,
        "c": ["DAPI", "GFP"],
        "z": ("z", np.arange(4) * 1.5 + 7, {"units": "um"}),
        "y": ("y", -np.arange(8.0)),
        "x": ("x", np.arange(8.0) ** 2, {"units": "degrees"}),
    }
    array = xarray.DataArray(np.ones((3, 2, 4, 8, 8), "u2"), dims=("t", "c", "z", "y", "x"), coords=coordinates)
    store: dict[str, Any] = {}
    mmip_gpu.write_zarr(array, store, quality=10, cell_depth=1)
    found = mmip_gpu.open_zarr(store).xarray()
    for name in array.dims:
        np.testing.assert_array_equal(found[name].values, array[name].values)
    assert (found["z"].attrs, found["x"].attrs) == ({"units": "micrometer"}, {"units": "degrees"})
    half = mmip_gpu.open_zarr(store, scale=2).xarray()
    np.testing.assert_allclose(half["x"].values, [0.5, 6.5, 20.5, 42.5])
    np.testing.assert_allclose(half["y"].values, [-0.5, -2.5, -4.5, -6.5])
    np.testing.assert_allclose(half["z"].values, array["z"].values)


def test_coordinates_of_no_axis_are_told() -> None:
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(np.ones((8, 8), "u2"), dims=("y", "x"), coords={"patient": "x"})
    with pytest.warns(MetadataWarning, match="1 coordinates that are not of an axis"):
        open_source(array)


@pytest.mark.parametrize("scheme", ["zip::", "zip://::"])
def test_an_array_in_a_zip_behind_a_url(scheme: str, tmp_path: Path) -> None:
    samples = np.arange(64, dtype="u2").reshape(8, 8)
    with ZipStore(tmp_path / "a.zip", mode="w") as store:
        zarr.create_array(store, data=samples)
    assert (open_source(f"{scheme}file://{tmp_path}/a.zip").read() == samples).all()
