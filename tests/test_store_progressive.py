"""Stores are read stage by stage: how many bytes that takes, by ranges, from copies, zips, URLs and an object store."""

from __future__ import annotations

import pickle
import threading
import warnings
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import zarr
from cluster_sources import OnDevice
from machine import data_folder
from zarr.storage import FsspecStore, MemoryStore, WrapperStore, ZipStore

import mmip_gpu as mmip
from mmip_gpu.cli import main
from mmip_gpu.errors import CorruptData, InvalidArgument, MissingResource, StoreError
from mmip_gpu.sources import open_source
from mmip_gpu.store import repair_zarr, verify_zarr
from mmip_gpu.store.read import chunk_reader

CHUNKS = {"chunks": (32, 64, 64), "threads": 2}


class CountingStore(WrapperStore[Any]):
    """Counts bytes and requests by array."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.bytes: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        found = await super().get(key, prototype, byte_range)
        if found is not None and "/c/" in key:
            self.bytes[key.split("/", maxsplit=1)[0]] += len(found)
            self.requests[key.split("/", maxsplit=1)[0]] += 1
        return found

    def take(self) -> Counter[str]:
        found, self.bytes = self.bytes, Counter()
        return found


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return mmip.phantom3d((40, 96, 96))


@pytest.fixture(scope="module")
def written(volume: np.ndarray) -> MemoryStore:
    store = MemoryStore()
    mmip.write_zarr(volume, store, quality=20, **CHUNKS)
    return store


@pytest.fixture(scope="module")
def one_chunk() -> tuple[MemoryStore, np.ndarray]:
    """A chunk of many tiles whose stages are larger than what is read of them at once."""
    noise = np.random.default_rng(0).integers(0, 4000, (32, 128, 192)).astype(np.uint16)
    store = MemoryStore()
    mmip.write_zarr(noise, store, quality=200, cell_depth=8, chunks=noise.shape, verify=False)
    return store, mmip.open_zarr(store)[...]


# --- how many bytes


def real_or_phantom(name: str, shape: tuple[int, int, int]) -> np.ndarray:
    folder = data_folder()
    path = None if folder is None else folder / f"{name}.npy"
    return np.load(path) if path is not None and path.exists() else mmip.phantom3d(shape)


@pytest.mark.parametrize(
    ("name", "options"),
    [("niivue_chris_t1", {"quality": 10}), ("ct_ge_head_4mm", {"ratio": 15})],
    ids=["volume", "ct-at-1-bit"],
)
def test_stage_1_is_less_than_a_tenth(name, options):
    store = MemoryStore()
    report = mmip.write_zarr(real_or_phantom(name, (48, 192, 192)), store, stages=3, verify=False, **options)
    if "ratio" in options:
        assert report["bits_per_sample"] >= 1
    counting = CountingStore(store)
    whole = mmip.open_zarr(counting)[...]
    everything = counting.take().total()
    coarse = mmip.open_zarr(counting, stages=1)[...]
    assert everything == report["bytes"]
    assert counting.take().total() < everything / 10
    assert np.corrcoef(coarse.reshape(-1)[::97], whole.reshape(-1)[::97])[0, 1] > 0.9
    _ = mmip.open_zarr(counting, scale=8)[...]
    assert counting.take().total() < everything / 10


def test_a_region_reads_the_sub_streams_it_touches(one_chunk):
    store, whole = one_chunk
    counting = CountingStore(store)
    volume = mmip.open_zarr(counting)
    part = volume[0:8, 60:64, 100:103]
    assert (part == whole[0:8, 60:64, 100:103]).all()
    assert counting.take().total() < volume.bytes_needed / 3
    assert counting.requests["stage_3"] == 2  # its start, and one group
    assert (volume[1:3, 60, 101] == whole[1:3, 60, 101]).all()
    assert not counting.take()
    assert (volume[20:30, 5, ::40] == whole[20:30, 5, ::40]).all()
    assert 0 < counting.take().total() < volume.bytes_needed / 2
    assert (volume[...] == whole).all()


@pytest.fixture(scope="module")
def noise_stores() -> list[MemoryStore]:
    noise = np.random.default_rng(1).integers(0, 255, (2, 19, 50, 70)).astype(np.uint8)
    codings = ({"cell_depth": 8, "max_error": 3}, {"cell_depth": 1, "quality": 50}, {"lossless": True, "stages": 3})
    stores = [MemoryStore() for _ in codings]
    for store, coding in zip(stores, codings, strict=True):
        mmip.write_zarr(noise, store, verify=False, **coding)
    return stores


@pytest.mark.parametrize("options", [{}, {"stages": 2}, {"scale": 2}, {"scale": 4}, {"scale": 8}], ids=str)
def test_every_region_by_ranges_is_that_of_the_whole(noise_stores, options, monkeypatch):
    monkeypatch.setattr(chunk_reader, "START_BYTES", 64)
    for store in noise_stores:
        volume, whole = mmip.open_zarr(store, **options), mmip.open_zarr(store, **options)[...]
        rng = np.random.default_rng(2)
        for _ in range(6):
            edges = [sorted(rng.integers(0, n + 1, 2)) for n in volume.shape]
            region = tuple(slice(int(a), int(b)) for a, b in edges)
            assert (volume[region] == whole[region]).all()


def test_bytes_are_kept_up_to_a_limit(one_chunk):
    store, whole = one_chunk
    counting = CountingStore(store)
    volume = mmip.open_zarr(counting, keep_bytes=0)
    for _ in range(2):
        assert (volume[3, 5] == whole[3, 5]).all()
        assert counting.take()
    with pytest.raises(InvalidArgument, match="keep_bytes"):
        mmip.open_zarr(store, keep_bytes=-1)
    kept = chunk_reader.ByteCache(10)
    kept["a"], kept["b"], kept["a"] = b"1234", b"12345", b"123456"
    assert kept.get("b") is None
    assert kept.get("a") == b"123456"
    kept["c"] = b"x" * 11
    assert kept.get("c") is None
    assert pickle.loads(pickle.dumps(kept)).get("a") is None


def test_a_server_without_ranges_may_send_all(one_chunk):
    store, whole = one_chunk

    class Whole(WrapperStore[Any]):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            return await super().get(key, prototype, None)

    assert (mmip.open_zarr(Whole(store))[0:8, 60:64, 100:103] == whole[0:8, 60:64, 100:103]).all()


def damaged(store: MemoryStore, name: str, at: int, cut: int | None = None) -> MemoryStore:
    changed = MemoryStore(dict(store._store_dict))
    key = f"{name}/c/0/0/0/0/0"
    data = bytearray(changed._store_dict[key].to_bytes())
    data[at] ^= 1
    changed._store_dict[key] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(bytes(data[:cut]))
    return changed


def test_damage_by_ranges(one_chunk):
    store, whole = one_chunk
    for at in (2, 30, 2000):  # the prefix, the codes, the index or a crc
        with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\)"):
            mmip.open_zarr(damaged(store, "stage_2", at))[0, 0, 0]
    late = damaged(store, "stage_3", -5)
    opened = mmip.open_zarr(late)
    with pytest.raises(CorruptData, match="crc"):
        opened[...]
    late._store_dict.update(store._store_dict)
    assert (opened[...] == whole).all()  # what was damaged is not kept
    late = damaged(store, "stage_3", -5)
    assert (mmip.open_zarr(late)[0, :8] == whole[0, :8]).all()
    with pytest.raises(CorruptData, match="crc"):
        mmip.open_zarr(late)[-1, -1]
    with pytest.raises(CorruptData, match=r"expected \d+ bytes"):
        mmip.open_zarr(damaged(store, "stage_3", -5, -100))[-1, -1]


# --- refining


def test_upgrade_reads_the_new_stages_only(written, volume):
    counting = CountingStore(written)
    lazy = mmip.open_zarr(counting, stages=1)
    coarse = lazy[...]
    assert set(counting.take()) == {"chunk", "stage_1"}
    assert lazy.upgrade(2) is lazy
    middle = lazy[...]
    assert set(counting.take()) == {"stage_2"}
    fine = lazy.upgrade()[...]
    assert set(counting.take()) == {"stage_3"}
    errors = [np.square(image.astype(float) - volume).mean() for image in (coarse, middle, fine)]
    assert errors[0] > errors[1] > errors[2]
    assert lazy.stages == 3
    for bad in (0, 4, True):
        with pytest.raises(InvalidArgument, match="stages"):
            lazy.upgrade(bad)


def test_a_copy_of_the_first_stages_is_upgraded(written, tmp_path):
    counting, copy = CountingStore(written), tmp_path / "copy.zarr"
    whole = mmip.open_zarr(written)
    fetched = mmip.fetch_zarr(counting, copy, stages=1)
    assert set(counting.bytes) == {"chunk", "stage_1"}
    assert fetched == {"stages": 1, "stage_count": 3, "bytes_read": counting.take().total()}
    opened = mmip.open_zarr(copy)
    assert opened.stages == 1
    assert (opened[...] == mmip.open_zarr(written, stages=1)[...]).all()
    assert (mmip.open_zarr(copy, scale=8)[...] == mmip.open_zarr(written, scale=8)[...]).all()
    for options in ({"stages": 2}, {"scale": 4, "stages": 2}):
        with pytest.raises(StoreError, match=r"a copy of 1 of 3 stages"):
            mmip.open_zarr(copy, **options)
    with pytest.raises(InvalidArgument, match="source="):
        mmip.upgrade_zarr(copy)
    (copy / "stage_1/c/0/0/0/0/0").unlink()
    assert mmip.upgrade_zarr(copy, source=counting, stages=2)["stages"] == 2
    assert set(counting.bytes) == {"stage_1", "stage_2"}
    assert counting.requests["stage_1"] == 8 + 1
    assert mmip.fetch_zarr(counting, copy, stages=1)["bytes_read"] == 0
    mmip.upgrade_zarr(copy, source=counting)
    refined = mmip.open_zarr(copy)
    assert (refined[...] == whole[...]).all()
    assert refined.report == whole.report
    assert mmip.upgrade_zarr(copy)["bytes_read"] == 0


def test_a_copy_of_a_folder_knows_its_origin(written, tmp_path, monkeypatch):
    mmip.fetch_zarr(written, tmp_path / "a.zarr", stages=None)
    monkeypatch.chdir(tmp_path)
    mmip.fetch_zarr("a.zarr", "b.zarr")
    monkeypatch.chdir("/")
    assert mmip.upgrade_zarr(tmp_path / "b.zarr")["stages"] == 3
    assert (mmip.open_zarr(tmp_path / "b.zarr")[3] == mmip.open_zarr(written)[3]).all()


def test_a_copy_is_checked_as_far_as_it_goes(written, tmp_path, capsys):
    mmip.fetch_zarr(written, tmp_path / "a", stages=2)
    assert main(["info", str(tmp_path / "a")]) == 0
    assert "a copy of the first 2 of 3 stages: mmip upgrade" in capsys.readouterr().out
    assert verify_zarr(tmp_path / "a")["ok"]
    with pytest.raises(StoreError, match="mmip upgrade"):
        repair_zarr(tmp_path / "a", mmip.phantom3d((40, 96, 96)))
    (tmp_path / "a/stage_2/c/0/0/0/1/0").unlink()
    assert verify_zarr(tmp_path / "a")["chunks"][0]["chunk"] == [0, 0, 0, 1]


def test_an_interrupted_copy_goes_on(written, tmp_path):
    class Broken(CountingStore):
        left = 5

        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            self.left -= "stage_1/c/" in key
            if self.left < 0:
                raise OSError("the line is dead")
            return await super().get(key, prototype, byte_range)

    with pytest.raises(StoreError, match="the line is dead"):
        mmip.fetch_zarr(Broken(written), tmp_path / "a", threads=1)
    with pytest.raises(StoreError, match=r"a copy of 0 of 3"):
        mmip.open_zarr(tmp_path / "a")
    counting = CountingStore(written)
    mmip.fetch_zarr(counting, tmp_path / "a")
    assert counting.requests["stage_1"] == 8 - 5
    assert (mmip.open_zarr(tmp_path / "a")[0] == mmip.open_zarr(written, stages=1)[0]).all()


def test_copies_that_are_refused(written, volume, tmp_path):
    other = MemoryStore()
    mmip.write_zarr(volume, other, quality=30, **CHUNKS)
    mmip.fetch_zarr(written, tmp_path / "a")
    with pytest.raises(StoreError, match="another store"):
        mmip.fetch_zarr(other, tmp_path / "a")
    for stages in (0, 4, True):
        with pytest.raises(InvalidArgument, match="stages"):
            mmip.fetch_zarr(written, tmp_path / "b", stages=stages)
    with pytest.raises(InvalidArgument, match="itself"):
        mmip.fetch_zarr(tmp_path / "a", tmp_path / "a")
    with pytest.raises(InvalidArgument, match="threads"):
        mmip.fetch_zarr(written, tmp_path / "b", threads=0)
    with pytest.raises(StoreError, match="does not exist"):
        mmip.fetch_zarr(tmp_path / "none", tmp_path / "b")
    with pytest.raises(CorruptData, match=r"chunk \(0, 0, 0, 0\): .*crc"):
        mmip.fetch_zarr(damaged(written, "stage_1", 20), tmp_path / "c")
    group = zarr.open_group(tmp_path / "a", mode="r+")
    for bad in (7, {"stages": 4}, {"stages": True}):
        group.update_attributes({"mmip": dict(group.attrs["mmip"]) | {"copy": bad}})
        with pytest.raises(CorruptData, match="copy"):
            mmip.open_zarr(tmp_path / "a")


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
    for place in (path, str(path), tmp_path / "own.zip", ZipStore(path, mode="r"), f"zip::file://{path}"):
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
