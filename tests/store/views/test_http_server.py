"""Stores served as OME-Zarr over HTTP: ranges, methods, many clients, damage, who may read."""

from __future__ import annotations

import asyncio
import http.client
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
from urllib.parse import urlsplit

import pytest
from helpers.http_requests import fetched

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.store.views import levels

ROOT = Path(mmip.__file__).parents[1]


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
        ".zattrs", "4/zarr.json", "0/c/9/0/0", "0/c/0/0", "0/c/00/0/0", "0/c/0/0/0/0", "../ct.zarr/zarr.json",
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
