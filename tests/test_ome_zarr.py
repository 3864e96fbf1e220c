"""Stores as OME-Zarr for viewers without our code: written as a pyramid, and served over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import Source
from mmip_gpu.store.views import http_server, levels, pyramid

ROOT = Path(mmip.__file__).parents[1]
SCALES = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a voxel size, 3D cells, and chunks that are none of the pyramid's."""
    where = tmp_path_factory.mktemp("pyramid") / "ct.zarr"
    volume = mmip.phantom3d((40, 90, 101))
    source = Source(
        volume.shape, volume.dtype, "zyx", {"spacing": [3.0, 0.5, 0.25]}, "ct", "ct", lambda region: volume[region]
    )
    mmip.write_zarr(source, where, quality=20, cell_depth=8, chunks=(16, 48, 64), verify=False)
    return where


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    target = folder.with_name("ct.ome.zarr")
    mmip.export_ome_zarr(folder, target, chunks=(32, 64, 64), threads=2)
    return target


@pytest.fixture
def server(folder: Path) -> Any:
    with mmip.serve_zarr(folder, port=0, chunks=(32, 64, 64)) as running:
        yield running


def fetched(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urlopen(Request(url, headers=headers)) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read()


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


# --- serving


def test_ranges_heads_and_refusals(server, exported):
    key, data = "0/c/0/1/1", (exported / "0/c/0/1/1").read_bytes()
    for header, part in (
        ("bytes=0-9", data[:10]),
        ("bytes=5-", data[5:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=3-{10**9}", data[3:]),
    ):
        status, headers, body = fetched(f"{server.url}/{key}", Range=header)
        assert (status, body) == (206, part)
        first = len(data) - len(part) if header != "bytes=0-9" else 0
        assert headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        assert headers["Access-Control-Allow-Origin"] == "*"
    for header in ("lines=1-2", "bytes=1-2,4-5", "bytes=9-3", "bytes=-"):
        assert fetched(f"{server.url}/{key}", Range=header)[::2] == (200, data)
    for header in (f"bytes={len(data)}-", "bytes=-0"):
        status, headers, _ = fetched(f"{server.url}/{key}", Range=header)
        assert (status, headers["Content-Range"]) == (416, f"bytes */{len(data)}")
    for key in (
        "", ".zattrs", "4/zarr.json", "0/c/9/0/0", "0/c/0/0", "0/c/00/0/0", "0/c/0/0/0/0", "../ct.zarr/zarr.json",
        "0/c/-1/0/0", "0/c/0/0/" + "9" * 40, "%2e%2e/x", "c/0/0/0", "999/c/0/0/0", "../image.ome.zarrzarr.json",
    ):  # fmt: skip
        assert fetched(f"{server.url}/{key}")[0] == 404, key


def test_head_options_and_other_methods(server, exported):
    host = urlsplit(server.url).netloc
    size = (exported / "0/c/0/0/0").stat().st_size
    line = http.client.HTTPConnection(host)
    for method, expected in (("HEAD", 200), ("OPTIONS", 204), ("HEAD", 200), ("GET", 200)):
        line.request(method, "/image.ome.zarr/0/c/0/0/0")
        reply = line.getresponse()
        body = reply.read()
        assert reply.status == expected
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert len(body) == (size if method == "GET" else 0)
        assert method == "OPTIONS" or reply.headers["Content-Length"] == str(size)
    line.request("POST", "/zarr.json", body=b"x")
    assert line.getresponse().status == 501
    line.close()


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_the_body_of_a_request_is_not_the_next_one(server, method):
    host, port = urlsplit(server.url).netloc.split(":")
    hidden = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"{method} /zarr.json HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(head + hidden)
        reply = b"".join(iter(lambda: line.recv(2**16), b""))  # ends, since the server closes
    assert reply.count(b"HTTP/1.1") == 1


def test_a_chunk_is_decoded_once_and_kept_within_the_limit(folder, monkeypatch):
    read, counts = levels.ScaledLevel.read, Counter()

    def slow(self: Any, index: Any) -> Any:
        counts[self.volume.scale, tuple(index)] += 1
        time.sleep(0.05)
        return read(self, index)

    monkeypatch.setattr(levels.ScaledLevel, "read", slow)
    with mmip.serve_zarr(folder, port=0) as server:
        urls = [f"{server.url}/{key}" for key in ("0/c/0/0/0", "1/c/0/0/0")] * 4
        threads = [threading.Thread(target=fetched, args=(url,)) for url in urls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == {(1, (0, 0, 0)): 1, (2, (0, 0, 0)): 1}
    counts.clear()
    with mmip.serve_zarr(folder, port=0, cache_bytes=1000) as server:
        for _ in range(2):
            assert fetched(f"{server.url}/0/c/0/0/0")[0] == 200
    assert counts[1, (0, 0, 0)] == 2


def test_replies_do_not_wait_for_acknowledgements(server):
    line, seconds = http.client.HTTPConnection(urlsplit(server.url).netloc), []
    for _ in range(21):
        start = time.perf_counter()
        line.request("GET", "/3/c/0/0/0")
        line.getresponse().read()
        seconds.append(time.perf_counter() - start)
    line.close()
    assert sorted(seconds)[10] < 0.03  # one that waits takes 0.04


def test_many_connections_at_once(server, exported):
    """As clients in JavaScript make them: one for each chunk, none waits for another."""
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    body = (exported / "3/c/0/0/0").read_bytes()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /3/c/0/0/0 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        reply = await reader.read()
        assert reply.startswith(b"HTTP/1.1 200")
        assert reply.endswith(body)
        writer.close()

    async def clients() -> None:
        await asyncio.wait_for(asyncio.gather(*(client() for _ in range(300))), 20)

    asyncio.run(clients())


def test_damage_is_told_and_the_rest_served(folder, tmp_path):
    mmip.fetch_zarr(folder, tmp_path / "a.zarr", stages=None)
    (tmp_path / "a.zarr/stage_2/c/0/0/0/1/0").write_bytes(b"nonsense")
    with mmip.serve_zarr(tmp_path / "a.zarr", port=0, chunks=(16, 48, 64)) as server:
        status, _, body = fetched(f"{server.url}/0/c/0/0/1")
        assert status == 500
        assert re.match(rb"CorruptData: .*chunk \(0, 0, 0, 1\)", body)
        assert fetched(f"{server.url}/0/c/0/0/0")[0] == 200
        assert fetched(f"{server.url}/3/c/0/0/0")[0] == 200  # level 3 needs stage 1 alone


def test_who_may_read(folder):
    with mmip.serve_zarr(folder, port=0, allow_origin="https://viewer.example") as server:
        assert urlsplit(server.url).hostname == "127.0.0.1"
        assert fetched(f"{server.url}/zarr.json")[1]["Access-Control-Allow-Origin"] == "https://viewer.example"
        port = urlsplit(server.url).port
        with pytest.raises(StoreError, match="cannot listen"):
            mmip.serve_zarr(folder, port=port)
    server.close()
    with pytest.raises(OSError, match="refused"):
        fetched(f"{server.url}/zarr.json")
    for bad in ({"port": 70000}, {"host": "no such host"}):
        with pytest.raises(StoreError, match="cannot listen"):
            mmip.serve_zarr(folder, **bad)
    for bad in ({"allow_origin": "a\r\nSet-Cookie: b"}, {"cache_bytes": -1}, {"threads": 0}, {"allow_origin": ""}):
        with pytest.raises(InvalidArgument):
            mmip.serve_zarr(folder, port=0, **bad)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly(folder, number):
    command = [sys.executable, "-m", "mmip_gpu", "serve", str(folder), "--port", "0"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        url = running.stdout.readline().split()[0]
        assert fetched(f"{url}/zarr.json")[0] == 200
        running.send_signal(number)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "stopped\n", "")


def test_examples():
    import doctest

    assert doctest.testmod(http_server).failed == 0
    assert doctest.testmod(levels).failed == 0
    assert doctest.testmod(__import__("mmip_gpu.store.views.export", fromlist=["x"])).failed == 0
