"""Requests to a served store that no viewer makes: other hosts, malformed lines, too many connections; and its page."""

from __future__ import annotations

import json
import re
import resource
import socket
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from helpers.http_requests import fetched

import mmip_gpu as mmip
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.store.views import http_server


def answered(url: str, request: bytes, seconds: float = 10) -> bytes:
    """All that a server says to some bytes."""
    host, port = urlsplit(url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(2**16), b""))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:8000", "[::1]:8000", "192.168.1.7", "here", "viewer.example"]
)
def test_hosts_that_are_served(folder, host):
    with mmip.serve_zarr(folder, port=0, allow_host=["Viewer.example"]) as server:
        assert fetched(f"{server.url}/zarr.json", Host=host)[0] == 200


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:80", "127.0.0.1.attacker.example", "", "[::1"])
def test_hosts_that_are_refused(server, host):
    for path in ("/zarr.json", "/", "/image.ome.zarr/0/c/0/0/0"):
        for method in ("GET", "HEAD", "OPTIONS"):
            reply = answered(server.url, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert reply.startswith(b"HTTP/1.1 421 "), (method, reply)
    assert answered(server.url, b"GET /zarr.json HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 421 ")
    twice = b"GET /zarr.json HTTP/1.1\r\nHost: here\r\nHost: attacker.example\r\n\r\n"
    assert answered(server.url, twice).startswith(b"HTTP/1.1 421 ")
    assert b" 200 " in answered(server.url, b"GET /zarr.json HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"\x00\x01\x02", 400),
        (b"", 400),
        (b"GET", 400),
        (b"GET /zarr.json", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"get / HTTP/1.1", 400),
        (b"GET / HTTP/2.0", 400),
        (b"GET / HTTP/1.1 x", 400),
        (b"GET /\xff HTTP/1.1", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET http://[x/ HTTP/1.1", 400),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1", 414),
        (b"BREW / HTTP/1.1", 501),
    ],
    ids=range(13),
)
def test_malformed_lines_are_answered(server, line, status):
    reply = answered(server.url, line + b"\r\nHost: here\r\n\r\n")
    assert re.match(rb"HTTP/1.1 %d .*\r\n" % status, reply), reply
    assert reply.count(b"Server: mmip") == 1
    assert fetched(f"{server.url}/zarr.json")[0] == 200


def test_headers_that_are_too_many_are_refused(server):
    request = b"GET / HTTP/1.1\r\nHost: here\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(300)) + b"\r\n"
    assert answered(server.url, request).startswith(b"HTTP/1.1 431 ")


def test_a_connection_beyond_the_limit_is_told_so(folder, monkeypatch):
    monkeypatch.setattr(http_server, "_MOST_CONNECTIONS", 3)
    with mmip.serve_zarr(folder, port=0) as server, ExitStack() as held:
        place = urlsplit(server.url).hostname, urlsplit(server.url).port
        for _ in range(3):
            line = held.enter_context(socket.create_connection(place))
            line.sendall(b"GET /zarr.json HTTP/1.1\r\nHost: here\r\n\r\n")
            assert line.recv(2**16).startswith(b"HTTP/1.1 200")
        for _ in range(5):
            status, headers, body = fetched(f"{server.url}/zarr.json")
            assert (status, headers["Retry-After"]) == (503, "1")
            assert b"too many connections" in body
        held.close()
        end = time.monotonic() + 10
        while fetched(f"{server.url}/zarr.json")[0] != 200:
            assert time.monotonic() < end


def test_the_limit_leaves_files_for_the_store(monkeypatch):
    for files, expected in ((64, 32), (10**6, 1024), (resource.RLIM_INFINITY, 1024), (1, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert http_server._connection_limit() == expected


@pytest.mark.parametrize("path", ["/", "", "/image.ome.zarr", "/image.ome.zarr/"])
def test_a_browser_is_told_how_to_look(server, path):
    place = urlsplit(server.url).netloc
    status, headers, body = fetched(f"http://{place}{path}")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"napari --plugin napari-ome-zarr {server.url}<" in body.decode()
    (link,) = re.findall(r'href="([^"]*)"', body.decode())
    (layer,) = json.loads(unquote(link.partition("#!")[2]))["layers"]
    assert layer["source"] == f"zarr3://{server.url}"


def test_the_page_holds_nothing_that_was_asked(server):
    reply = answered(server.url, b'GET /?"><script> HTTP/1.1\r\nHost: a"><script>\r\n\r\n')
    assert b"<script>" not in reply


@pytest.mark.parametrize("names", ["here", [""], [7]])
def test_names_that_are_none(folder, names: Any):
    with pytest.raises(InvalidArgument, match="allow_host"):
        mmip.serve_zarr(folder, port=0, allow_host=names)
