"""What is written comes back: every dtype, rank and option, and what the source says of itself."""

from __future__ import annotations

import doctest
import importlib
import json
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.stores import SMALL, VOLUME, chunk_bytes, textured
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu import errors
from mmip_gpu.sources import open_source
from mmip_gpu.store.group.grid import ChunkGrid
from mmip_gpu.store.read import open_store as reading
from mmip_gpu.transform.chunk import Encoded
from mmip_gpu.volume.axes import PlaneLayout

# --- round trip

CASES: dict[str, tuple[tuple[int, ...], str, dict[str, Any]]] = {
    "x": ((300,), "uint8", {"chunks": (64,)}),
    "yx": ((75, 41), "uint16", {"chunks": (32, 32)}),
    "zyx-flat": ((1, 40, 70), "int16", {"chunks": (1, 64, 32)}),
    "zyx-8": ((19, 33, 47), "uint16", {"cell_depth": 8, "chunks": (5, 17, 40)}),
    "zyx-1": ((5, 33, 47), "int8", {"cell_depth": 1, "chunks": (2, 20, 40), "stages": 4}),
    "tzyx": ((3, 9, 20, 40), "int16", {"chunks": (1, 8, 16, 32)}),
    "tzyx-spatial-chunks": ((2, 9, 20, 40), "uint8", {"chunks": (8, 16, 32)}),
    "yxc-colour": ((40, 70, 3), "uint8", {"axes": "yxc", "chunks": (32, 32, 3)}),
    "yxc-grey": ((40, 70, 3), "uint8", {"axes": "yxc", "colour": False, "chunks": (32, 32)}),
    "zyxc": ((9, 20, 40, 3), "uint16", {"axes": "zyxc", "cell_depth": 8}),
    "cyx": ((5, 40, 33), "int16", {"axes": "cyx", "chunks": (32, 32)}),
    "tczyx": ((2, 3, 3, 20, 33), "uint8", {"chunks": (8, 16, 32)}),
    "tzyxc": ((1, 2, 20, 33, 3), "uint8", {"axes": "tzyxc"}),
    "one": ((1, 1, 1), "uint8", {}),
    "empty": ((0, 8, 8), "int16", {}),
    "big-endian": ((20, 33, 47), ">i2", {}),
    "default": ((20, 50, 70), "int16", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_lossless_round_trip(case):
    shape, dtype, options = CASES[case]
    array = textured(shape, np.dtype(dtype).newbyteorder("=").name).astype(dtype)
    target = MemoryStore()
    report = mmip.write_zarr(array, target, lossless=True, **({"stages": 3} | options))
    assert report["complete"]
    assert report["loss"]["lossless"]
    volume = mmip.open_zarr(target)
    assert volume.shape == shape
    assert volume.dtype == np.dtype(dtype).newbyteorder("=")
    found = volume.to_numpy()
    assert (found == array).all()
    assert json.loads(json.dumps(volume.report, allow_nan=False)) == volume.report
    assert volume.bytes_needed == report["bytes"] == sum(map(len, chunk_bytes(target).values()))
    for scale in (2, 4, 8):
        reduced = mmip.open_zarr(target, scale=scale)
        depth = report["plan"]["cell_depth"]
        axes = report["axes"]
        small = PlaneLayout(axes, shape).scaled(scale, depth).shape
        assert reduced.shape == reduced[...].shape == small


@pytest.mark.parametrize(
    "options", [{}, {"stages": 1}, {"stages": 2}, {"scale": 2}, {"scale": 4}, {"scale": 8}], ids=str
)
@pytest.mark.parametrize("roi", [None, "threshold:100"])
def test_a_chunk_decodes_as_its_container_does(roi, options):
    target = MemoryStore()
    mmip.write_zarr(VOLUME, target, roi=roi, **SMALL)
    volume = mmip.open_zarr(target, **options)
    inside = volume._store
    for part in volume._grid.overlaps(tuple(slice(0, n) for n in volume.shape)):
        at = part.coordinates
        header = inside.header(at)
        payloads = tuple(bytes(inside.payload(at, header, k + 1)) for k in range(3))
        container = Encoded(header, payloads).to_bytes()
        assert (mmip.decode(container, **options) == volume[part.target]).all()
        assert mmip.inspect(container)["stages"][0]["bytes"] == volume.record(at)["stages"][0]["bytes"]
    assert len(list(volume.records())) == volume.report["chunk_count"] == 12


def test_channels_of_five_axes_are_no_colour():
    array = textured((1, 3, 2, 20, 33), "uint8")
    report = mmip.write_zarr(array, MemoryStore(), lossless=True, stages=2)
    assert (report["axes"], report["colour"], report["chunk_count"]) == ("tczyx", False, 3)
    assert mmip.write_zarr(array, MemoryStore(), lossless=True, stages=2, colour=True)["chunk_count"] == 1
    stated = mmip.write_zarr(array.transpose(0, 2, 3, 4, 1), MemoryStore(), lossless=True, stages=2, axes="tzyxc")
    assert stated["colour"]


def test_colour_and_time_chunks_hold_whole_planes():
    grid = ChunkGrid(PlaneLayout.of((2, 40, 3, 70), "tycx"), 1, (1, 32, 3, 32))
    assert grid.counts == (2, 1, 2, 3)
    assert grid.cells((1, 0, 1, 2)) == (3, 1, 1, 1)
    assert grid.region((1, 0, 1, 2)) == (slice(1, 2), slice(32, 40), slice(0, 3), slice(64, 70))
    parts = list(grid.overlaps((slice(1, 2), slice(0, 40), slice(0, 3), slice(33, 34))))
    assert [p.coordinates for p in parts] == [(1, 0, 0, 1), (1, 0, 1, 1)]


def test_threads_and_place_do_not_change_the_bytes(tmp_path):
    found = []
    for threads in (1, 3):
        target = MemoryStore()
        mmip.write_zarr(VOLUME, target, quality=20, chunks=(16, 32, 32), threads=threads)
        found.append(chunk_bytes(target))
    mmip.write_zarr(VOLUME, tmp_path / "a.zarr", **SMALL)
    found.append({k: (tmp_path / "a.zarr" / k).read_bytes() for k in found[0]})
    assert found[0] == found[1] == found[2]


# --- sources and metadata


def test_sources(tmp_path):
    np.save(tmp_path / "a.npy", VOLUME)
    zarr.create_array(tmp_path / "in.zarr", data=VOLUME, chunks=(7, 50, 70))
    for name, source in {"npy": tmp_path / "a.npy", "zarr": tmp_path / "in.zarr", "array": VOLUME}.items():
        mmip.write_zarr(source, tmp_path / f"{name}.out", **SMALL)
        assert (mmip.open_zarr(tmp_path / f"{name}.out")[5] == mmip.open_zarr(tmp_path / "npy.out")[5]).all()
    report = mmip.write_zarr("phantom3d:8x32x32", tmp_path / "p", quality=10, progress=False)
    assert report["shape"] == [8, 32, 32]


def test_metadata_of_a_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(VOLUME.T, np.diag([0.5, 0.75, 3.0, 1.0]))
    image.header.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    mmip.write_zarr(tmp_path / "a.nii.gz", tmp_path / "a.zarr", **SMALL)
    metadata = mmip.open_zarr(tmp_path / "a.zarr").metadata
    assert metadata["kind"] == "nifti"
    assert metadata["scale"] == [3.0, 0.75, 0.5]
    assert metadata["axes"][0] == {"name": "z", "type": "space", "unit": "millimeter"}


def test_unknown_spacing_says_nothing(store):
    metadata = mmip.open_zarr(store).metadata
    assert metadata["scale"] is None
    assert metadata["axes"][2] == {"name": "x", "type": "space"}


def test_progress(capsys):
    mmip.write_zarr(VOLUME, MemoryStore(), progress=True, **SMALL)
    assert "12/12" in capsys.readouterr().err
    mmip.write_zarr(VOLUME, MemoryStore(), **SMALL)
    assert not capsys.readouterr().err


def test_errors_are_of_one_family():
    assert issubclass(reading.StoreError, errors.MmipError)
    assert open_source(VOLUME).axes == "zyx"


@pytest.mark.parametrize(
    "name",
    ["group.grid", "group.bounded", "read.selection", "write.write", "read.open_store", "write.repair"],
)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"mmip_gpu.store.{name}")).failed == 0
