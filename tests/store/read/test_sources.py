"""Stores in any place, read stage by stage: zips, URLs, plain servers, an object store, views of other libraries."""

from __future__ import annotations

import threading
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.cluster_sources import OnDevice
from helpers.progressive_stores import CHUNKS, CountingStore
from zarr.storage import FsspecStore, MemoryStore, ZipStore

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import MissingResource, StoreError
from mmip_gpu.sources import open_source

# --- sources and views


def test_xarray(written):
    xarray = pytest.importorskip("xarray")
    da = pytest.importorskip("dask.array")
    held = da.zeros((2, 3, 32, 32), chunks=16, dtype=np.uint8)
    source = open_source(xarray.DataArray(held, dims=["z", "c", "y", "x"]))
    assert (source.axes, source.origin) == ("zcyx", held)
    lazy = mmip.open_zarr(written, scale=2, stages=2)
    labelled = lazy.xarray()
    assert isinstance(labelled, xarray.DataArray)
    assert labelled.dims == ("z", "y", "x")
    assert (labelled.isel(z=3).values == lazy[3]).all()
    assert labelled.x.values[:2].tolist() == [0.5, 2.5]
    assert labelled.attrs["report"]["complete"]


def test_without_xarray(written, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(MissingResource, match="xarray"):
        mmip.open_zarr(written).xarray()


def test_the_same_store_from_every_source(volume, written, tmp_path):
    array = pytest.importorskip("dask.array")
    np.save(tmp_path / "a.npy", volume)
    zarr.create_array(tmp_path / "in.zarr", data=volume, chunks=(16, 96, 96))
    expected = {k: v.to_bytes() for k, v in written._store_dict.items() if "/c/" in k}
    url = f"file://{tmp_path}/in.zarr"
    for source in (array.from_array(volume, chunks=(16, 50, 96)), tmp_path / "a.npy", tmp_path / "in.zarr", url):
        store = MemoryStore()
        mmip.write_zarr(source, store, quality=20, **CHUNKS)
        assert {k: v.to_bytes() for k, v in store._store_dict.items() if "/c/" in k} == expected


def test_arrays_of_a_device(volume, written):
    store = MemoryStore()
    mmip.write_zarr(OnDevice(volume), store, quality=20, **CHUNKS)
    assert (mmip.open_zarr(store)[...] == mmip.open_zarr(written)[...]).all()


# --- places


def test_zip(volume, written, tmp_path):
    path = tmp_path / "ct.zarr.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mmip.write_zarr(volume, path, quality=20, **CHUNKS)["complete"]
        with ZipStore(tmp_path / "own.zip", mode="w") as own:
            mmip.write_zarr(volume, own, quality=20, **CHUNKS)
    for place in (
        path,
        str(path),
        tmp_path / "own.zip",
        ZipStore(path, mode="r"),
        f"zip::file://{path}",
        f"zip://::file://{path}",
    ):
        lazy = mmip.open_zarr(place)
        assert lazy.report["complete"]
        assert (lazy[5:9, 3] == mmip.open_zarr(written)[5:9, 3]).all()
    fetched = tmp_path / "coarse.zip"
    mmip.fetch_zarr(path, fetched)
    assert mmip.open_zarr(fetched).stages == 1
    assert mmip.upgrade_zarr(fetched)["stages"] == 3
    assert (mmip.open_zarr(fetched)[5] == mmip.open_zarr(path)[5]).all()
    with pytest.raises(StoreError, match="does not exist"):
        mmip.open_zarr(tmp_path / "none.zip")
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    with pytest.raises(StoreError, match=r"no\.zip"):
        mmip.open_zarr(tmp_path / "no.zip")


def test_urls(volume, written, tmp_path):
    expected = mmip.open_zarr(written)[7]
    for url in (f"file://{tmp_path}/a.zarr", "memory://mmip/test.zarr"):
        assert mmip.write_zarr(volume, url, quality=20, **CHUNKS)["complete"]
        assert (mmip.open_zarr(url)[7] == expected).all()
    assert (mmip.open_zarr(tmp_path / "a.zarr")[7] == expected).all()


class NoRanges(SimpleHTTPRequestHandler):
    """A plain web server: no ranges, no listings."""

    def list_directory(self, path: Any) -> None:
        self.send_error(403)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_plain_web_server(one_chunk, tmp_path):
    pytest.importorskip("aiohttp")
    store, whole = one_chunk
    mmip.fetch_zarr(store, tmp_path / "noise.zarr", stages=None)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(NoRanges, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/noise.zarr"
        assert (mmip.open_zarr(url)[0:8, 60:64, 100:103] == whole[0:8, 60:64, 100:103]).all()
        assert mmip.fetch_zarr(url, tmp_path / "copy.zarr")["stages"] == 1
        assert mmip.upgrade_zarr(tmp_path / "copy.zarr")["stages"] == 3
        with pytest.raises(StoreError):
            mmip.open_zarr(f"{url}.none")
        server.shutdown()
    assert (mmip.open_zarr(tmp_path / "copy.zarr")[...] == whole).all()


def test_an_object_store(bucket, volume, tmp_path):
    url, options = bucket
    few = {"quality": 20, "chunks": (48, 64, 96)}
    expected = MemoryStore()
    mmip.write_zarr(volume, expected, **few)
    whole = mmip.open_zarr(expected)
    report = mmip.write_zarr(volume, f"{url}/ct.zarr", **few)
    assert report["bytes"] == whole.report["bytes"]
    counting = CountingStore(FsspecStore.from_url(f"{url}/ct.zarr", storage_options=options, read_only=True))
    coarse = mmip.open_zarr(counting, stages=1)
    assert (coarse[...] == mmip.open_zarr(expected, stages=1)[...]).all()
    assert counting.take().total() == coarse.bytes_needed
    assert (coarse.upgrade()[...] == whole[...]).all()
    assert set(counting.take()) == {"stage_2", "stage_3"}
    assert mmip.fetch_zarr(f"{url}/ct.zarr", tmp_path / "ct.zarr")["stages"] == 1
    assert mmip.upgrade_zarr(tmp_path / "ct.zarr")["stages"] == 3
    assert (mmip.open_zarr(tmp_path / "ct.zarr")[...] == whole[...]).all()
    mmip.write_zarr(volume, f"{url}/ct.zarr", **few)  # nothing left to do
    with pytest.raises(StoreError, match="another job"):
        mmip.write_zarr(volume, f"{url}/ct.zarr", **(few | {"quality": 30}))
    assert mmip.write_zarr(volume, f"{url}/ct.zarr", overwrite=True, **(few | {"quality": 30}))["complete"]
    with pytest.raises(StoreError):
        mmip.open_zarr(f"{url}/none.zarr")


def test_commands_take_urls_and_zips(bucket, tmp_path, monkeypatch, capsys):
    url, _ = bucket
    monkeypatch.chdir(tmp_path)
    for line in (
        f"compress phantom3d:8x32x32 {url}/p.zarr --quality 10 --check",
        f"info {url}/p.zarr",
        f"fetch {url}/p.zarr copy.zip",
        "info copy.zip",
        "upgrade copy.zip",
        "extract copy.zip -o a.npy",
        f"extract {url}/p.zarr -o b.npy",
    ):
        assert main(line.split()) == 0, line
    assert "1 of 3 stages" in capsys.readouterr().out
    assert (np.load("a.npy") == np.load("b.npy")).all()
    for line, message in (
        ("fetch none.zarr copy.zarr", "does not exist"),
        ("fetch copy.zip copy.zarr --stages 9", "expected 1..3"),
        ("upgrade none.zarr", "does not exist"),
        ("export none.zarr out", "does not exist"),
        ("serve none.zarr", "does not exist"),
        ("serve copy.zip --cache lots", "expected bytes"),
        (f"info {url}/none.zarr", "found nothing"),
    ):
        assert main(line.split()) == 2, line
        assert message in capsys.readouterr().err


def test_an_object_store_by_ranges(bucket, one_chunk):
    store, whole = one_chunk
    url, _ = bucket
    mmip.fetch_zarr(store, f"{url}/noise.zarr", stages=None)
    counting = CountingStore(FsspecStore.from_url(f"{url}/noise.zarr", read_only=True))
    volume = mmip.open_zarr(counting)
    assert (volume[0:8, 60:64, 100:103] == whole[0:8, 60:64, 100:103]).all()
    assert counting.take().total() < volume.bytes_needed / 3
