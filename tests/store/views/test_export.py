"""Stores written as OME-Zarr: levels, metadata, axes, interruption."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.http_requests import fetched
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import Source
from mmip_gpu.store.views import http_server, levels, pyramid

SCALES = (1, 2, 4, 8)

# --- what the levels are


def test_levels_are_scaled_decodes(folder, exported):
    for number, scale in enumerate(SCALES):
        level = zarr.open_array(exported / str(number), mode="r")
        expected = mmip.open_zarr(folder, scale=scale)
        assert level.shape == expected.shape
        assert level.metadata.dimension_names == ("z", "y", "x")
        assert (level[...] == expected[...]).all()


def test_metadata_by_the_models(exported, server):
    models = pytest.importorskip("ome_zarr_models.v05")
    for place in (str(exported), server.url, server.url.rsplit("/", 1)[0]):
        image = models.Image.from_zarr(zarr.open_group(place, mode="r"))
        (multiscale,) = image.attributes.ome.multiscales
        assert [(axis.name, axis.type, axis.unit) for axis in multiscale.axes] == [
            (letter, "space", "millimeter") for letter in "zyx"
        ]
        assert [dataset.path for dataset in multiscale.datasets] == ["0", "1", "2", "3"]
        scale, translation = multiscale.datasets[3].coordinateTransformations
        assert scale.scale == [24.0, 4.0, 2.0]
        assert translation.translation == [10.5, 1.75, 0.875]


def test_cells_of_one_slice_keep_z(tmp_path):
    mmip.write_zarr("phantom3d:5x64x64", tmp_path / "a.zarr", quality=10, cell_depth=1)
    found = mmip.export_ome_zarr(tmp_path / "a.zarr", tmp_path / "b")
    assert found["levels"] == [[5, 64, 64], [5, 32, 32], [5, 16, 16], [5, 8, 8]]
    (multiscale,) = zarr.open_group(tmp_path / "b").attrs["ome"]["multiscales"]
    assert multiscale["datasets"][2]["coordinateTransformations"][0]["scale"] == [1.0, 4.0, 4.0]
    assert "unit" not in multiscale["axes"][0]


def test_read_by_ome_zarr_over_http(folder, server):
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    (image,) = reader.Reader(io.parse_url(server.url))()
    assert len(image.data) == 4
    for level, scale in zip(image.data, SCALES, strict=True):
        assert (level.compute() == mmip.open_zarr(folder, scale=scale)[...]).all()
    assert image.metadata["contrast_limits"] == [[0, mmip.open_zarr(folder).report["loss"]["maximum"]]]


def test_what_is_served_is_what_is_exported(exported, server):
    for path in sorted(exported.rglob("*")):
        key = path.relative_to(exported).as_posix()
        if not path.is_file() or key == "zarr.json":
            continue
        status, headers, body = fetched(f"{server.url}/{key}")
        assert status == 200
        assert headers["Content-Length"] == str(path.stat().st_size)
        if key.endswith("zarr.json"):
            assert json.loads(body) == json.loads(path.read_bytes())
        else:
            assert body == path.read_bytes()
    found = json.loads(fetched(f"{server.url}/zarr.json")[2])["attributes"]["ome"]
    assert found == json.loads((exported / "zarr.json").read_bytes())["attributes"]["ome"]


CASES: dict[str, tuple[tuple[int, ...], str, dict[str, Any], str]] = {
    "yx": ((40, 50), "uint16", {"axes": "yx"}, "yx"),
    "colour": ((40, 50, 3), "uint8", {"axes": "yxc", "colour": True}, "cyx"),
    "channels": ((9, 40, 50, 2), "int16", {"axes": "zyxc"}, "czyx"),
    "time": ((2, 3, 9, 40, 50), "uint8", {"axes": "tczyx"}, "tczyx"),
    "numbered": ((3, 40, 50), "uint8", {"axes": "nyx"}, "nyx"),
    "float": ((9, 40, 50), "float32", {"axes": "zyx", "step": 0.5, "quality": None, "max_error": 2.0}, "zyx"),
}


@pytest.mark.parametrize("case", CASES)
def test_axes_are_put_in_order(case, tmp_path):
    shape, dtype, options, expected = CASES[case]
    options = dict(options)
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    source = Source(shape, values.dtype, options.pop("axes"), {}, case, case, lambda region: values[region])
    mmip.write_zarr(source, tmp_path / "a.zarr", verify=False, **({"quality": 50} | options))
    mmip.export_ome_zarr(tmp_path / "a.zarr", tmp_path / "b.ome.zarr")
    lazy = mmip.open_zarr(tmp_path / "a.zarr", scale=2)
    level = zarr.open_array(tmp_path / "b.ome.zarr/1", mode="r")
    order = [lazy.axes.index(letter) for letter in expected]
    assert (level[...] == lazy[...].transpose(order)).all()
    ome = zarr.open_group(tmp_path / "b.ome.zarr", mode="r").attrs["ome"]
    assert "".join(axis["name"] for axis in ome["multiscales"][0]["axes"]) == expected
    assert len(ome["omero"]["channels"]) == {"c": shape[lazy.axes.find("c")]}.get("c" if "c" in expected else "", 1)
    models = pytest.importorskip("ome_zarr_models.v05")
    models.Image.from_zarr(zarr.open_group(tmp_path / "b.ome.zarr", mode="r"))


@pytest.mark.parametrize(
    ("shape", "axes"), [((300,), "x"), ((2, 3, 40, 50), "ncyx"), ((0, 8, 8), "zyx")], ids=["x", "n-and-c", "empty"]
)
def test_what_ome_zarr_has_no_place_for(shape, axes, tmp_path):
    store = MemoryStore()
    mmip.write_zarr(np.zeros(shape, np.uint8), store, axes=axes, quality=10)
    with pytest.raises(InvalidArgument, match="OME-Zarr holds"):
        mmip.export_ome_zarr(store, tmp_path / "b")
    assert not (tmp_path / "b").exists()


# --- export


def test_an_interrupted_export_goes_on(folder, tmp_path, monkeypatch):
    read, done = levels.ScaledLevel.read, Counter()

    def interrupted(self: Any, index: Any) -> Any:  # of the sixth chunk
        if done["read"] == 5:
            raise KeyboardInterrupt
        done["read"] += 1
        return read(self, index)

    target = tmp_path / "out.ome.zarr"
    monkeypatch.setattr(levels.ScaledLevel, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mmip.export_ome_zarr(folder, target, chunks=(16, 32, 32), threads=1)
    monkeypatch.undo()
    assert "ome" not in zarr.open_group(target, mode="r").attrs
    found = mmip.export_ome_zarr(folder, target, chunks=(16, 32, 32), threads=2)
    assert found["written"] == found["chunk_count"] - 5
    assert (zarr.open_array(target / "0")[...] == mmip.open_zarr(folder)[...]).all()
    assert mmip.export_ome_zarr(folder, target, chunks=(16, 32, 32))["written"] == 0
    with pytest.raises(StoreError, match="another export"):
        mmip.export_ome_zarr(folder, target, chunks=(16, 32, 32), stages=1)
    monkeypatch.setattr(pyramid.Pyramid, "create_arrays", interrupted)  # after the other export is gone
    with pytest.raises(KeyboardInterrupt):
        mmip.export_ome_zarr(folder, target, stages=1, overwrite=True)
    monkeypatch.undo()
    again = mmip.export_ome_zarr(folder, target, stages=1, overwrite=True)
    assert again["written"] == again["chunk_count"]
    assert (zarr.open_array(target / "0")[...] == mmip.open_zarr(folder, stages=1)[...]).all()


def test_few_chunks_are_in_memory(folder, tmp_path, monkeypatch):
    read, under_way, most = levels.ScaledLevel.read, Counter(), Counter()

    def counted(self: Any, index: Any) -> Any:
        under_way["now"] += 1
        most["seen"] = max(most["seen"], under_way["now"])
        samples = read(self, index)
        assert samples.nbytes <= 16 * 32 * 32 * 2
        under_way["now"] -= 1
        return samples

    monkeypatch.setattr(levels.ScaledLevel, "read", counted)
    mmip.export_ome_zarr(folder, tmp_path / "a", chunks=(16, 32, 32), threads=2)
    assert 1 <= most["seen"] <= 2


def test_exports_that_are_refused(folder, exported, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.txt").write_text("1")
    for place in (tmp_path / "photos", folder.with_name("other.zarr")):
        if place.name == "other.zarr":
            mmip.write_zarr("phantom", place, quality=10)
        for overwrite in (False, True):
            with pytest.raises(StoreError, match="something else"):
                mmip.export_ome_zarr(folder, place, overwrite=overwrite)
    with pytest.raises(InvalidArgument, match="itself"):
        mmip.export_ome_zarr(folder, folder)
    with pytest.raises(StoreError, match="does not exist"):
        mmip.export_ome_zarr(tmp_path / "none", tmp_path / "a")
    for chunks in ((8, 8), (8, 8, 0), (8, 8, 8, 8), (8, 8, True)):
        with pytest.raises(InvalidArgument, match="chunks"):
            mmip.export_ome_zarr(folder, tmp_path / "a", chunks=chunks)
    with pytest.raises(StoreError, match="read-only"):
        mmip.export_ome_zarr(folder, MemoryStore(read_only=True))
    unfinished = MemoryStore()
    mmip.write_zarr("phantom", unfinished, quality=10)
    group = zarr.open_group(unfinished, mode="r+")
    group.update_attributes({"mmip": dict(group.attrs["mmip"]) | {"state": "writing"}})
    with pytest.raises(StoreError, match="not ended"):
        mmip.export_ome_zarr(unfinished, tmp_path / "a")


def test_a_copy_of_one_stage_is_exported_as_far_as_it_goes(folder, tmp_path):
    mmip.fetch_zarr(folder, tmp_path / "coarse.zarr")
    mmip.export_ome_zarr(tmp_path / "coarse.zarr", tmp_path / "a")
    assert (zarr.open_array(tmp_path / "a/0")[...] == mmip.open_zarr(folder, stages=1)[...]).all()
    assert (zarr.open_array(tmp_path / "a/3")[...] == mmip.open_zarr(folder, scale=8)[...]).all()


def test_examples():
    import doctest

    assert doctest.testmod(http_server).failed == 0
    assert doctest.testmod(levels).failed == 0
    assert doctest.testmod(__import__("mmip_gpu.store.views.export", fromlist=["x"])).failed == 0


@pytest.mark.parametrize(
    ("axes", "dtype", "options", "expected"),
    [
        ("czyx", "uint16", {"lossless": True, "stages": 2}, [(3, 40), (1000, 5000)]),
        ("czyx", "int16", {"lossless": True, "stages": 2}, [(3, 40), (1000, 5000)]),
        ("zyxc", "uint16", {"lossless": True, "stages": 2}, [(3, 40), (1000, 5000)]),
        ("tcyx", "float32", {"max_error": 1, "step": 0.5}, [(3, 40), (1000, 5000)]),
    ],
)
def test_each_channel_has_a_display_window_of_its_own(axes, dtype, options, expected):
    """Window of what the channel holds, in exports and for the server alike."""
    rng = np.random.default_rng(0)
    stains = np.stack([rng.integers(low, high + 1, (20, 70, 80)) for low, high in expected]).astype(dtype)
    for i, bounds in enumerate(expected):
        stains[i].flat[:2] = bounds
    array = stains if axes == "czyx" else np.moveaxis(stains, 0, {"zyxc": 3, "tcyx": 1}[axes])
    store, image = {}, {}
    mmip.write_zarr(array, store, axes=axes, chunks=32, **options)
    mmip.export_ome_zarr(store, image)
    channels = zarr.open_group(image, mode="r").attrs["ome"]["omero"]["channels"]
    assert [(c["window"]["start"], c["window"]["end"]) for c in channels] == expected
