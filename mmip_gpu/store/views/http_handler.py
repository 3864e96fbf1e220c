"""Requests to a served pyramid: which are answered, with what, and how the others are refused.

Values: requests over HTTP in; metadata and chunks of store/views/http_images.py, a page for browsers, or a status with
one line, out. Guarantees that no request ends the server, and that none is answered that asks for another host: a web
page may let a name of its own point to this machine (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from mmip_gpu.errors import MmipError
from mmip_gpu.store.views.http_images import EncodedPyramid

__all__ = ["NAME", "Handler"]

NAME: Final = "image.ome.zarr"  # viewers choose by the suffix; the same keys are at the root
_IDLE_SECONDS: Final = 60
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_REQUEST: Final = re.compile(r"[A-Z]{1,32} [!-~]+ HTTP/1\.[01]", re.ASCII)
_NEUROGLANCER: Final = "https://neuroglancer-demo.appspot.com/#!"
_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mmip serve</title></head><body>
<h1>mmip serve</h1>
<p>OME-Zarr 0.5 at <code>{url}</code></p>
<p>napari: <code>napari --plugin napari-ome-zarr {url}</code></p>
<p><a href="{link}">open in neuroglancer</a></p>
</body></html>
"""


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection; a subclass names the image, who may read, and the names of the host."""

    pyramid: EncodedPyramid
    origin: str
    hosts: frozenset[str]
    raw_requestline: bytes

    protocol_version = "HTTP/1.1"
    server_version = "mmip"
    sys_version = ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True  # the body must not wait until the client has acknowledged the headers

    def parse_request(self) -> bool:
        """Read the request; what is none of HTTP/1.0 or 1.1, or is meant for another host, is told so."""
        self.requestline = self.raw_requestline.decode("latin-1").rstrip("\r\n")
        if not _REQUEST.fullmatch(self.requestline):
            self.command = "GET"
            self.send_error(HTTPStatus.BAD_REQUEST, "expected a request such as GET / HTTP/1.1")
            return False
        if not super().parse_request():
            return False
        if not self._is_meant():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "this host is not served; add --allow-host NAME")
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse with one line, and end the connection: what follows may be no request."""
        self.close_connection = True
        self.request_version = "HTTP/1.1"
        status = HTTPStatus(code)
        self._refuse(status, message or status.phrase, self.command != "HEAD")

    def _is_meant(self) -> bool:
        """Whether the host that is asked for is this one: an address, a name that was given, or one without a dot."""
        named = self.headers.get_all("Host", [])
        if len(named) != 1:  # only HTTP/1.0 may leave it out
            return not named and self.request_version == "HTTP/1.0"
        try:
            host = urlsplit(f"//{named[0]}").hostname or ""
        except ValueError:
            return False
        if host in self.hosts or (host and "." not in host.rstrip(".")) or host == socket.gethostname().lower():
            return True
        try:
            return bool(ipaddress.ip_address(host))
        except ValueError:
            return False

    def do_GET(self) -> None:
        """Answer with headers and body."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self._answer(with_body=False)

    def do_OPTIONS(self) -> None:
        """Say what pages may ask for."""
        self._refuse_body()
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.send_header("Access-Control-Allow-Headers", "Range")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def end_headers(self) -> None:
        """Add what every reply has."""
        self.send_header("Access-Control-Allow-Origin", self.origin)
        self.send_header("Access-Control-Expose-Headers", "Content-Length, Content-Range, Accept-Ranges")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print no line for every request."""

    def _refuse_body(self) -> None:
        """End the connection after this reply where a body came with the request, which must not pass for the next."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True

    def _answer(self, *, with_body: bool) -> None:
        self._refuse_body()
        try:
            key = unquote(urlsplit(self.path).path).strip("/")
        except ValueError:
            return self._refuse(HTTPStatus.BAD_REQUEST, "no such address", with_body)
        if key in ("", NAME):
            self.send_response(HTTPStatus.OK)
            return self._send("text/html; charset=utf-8", self._page(), with_body)
        key = key.removeprefix(f"{NAME}/").lstrip("/")
        try:
            data = self.pyramid.get(key)
        except MmipError as error:  # a damaged chunk, or a store that cannot be reached: the others are served on
            return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}", with_body)
        if data is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "no such key", with_body)
        part = _byte_range(self.headers.get("Range"), len(data))
        if part is not None and part.start >= part.stop:
            return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "no such range", with_body, len(data))
        self.send_response(HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT)
        if part is not None:
            self.send_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{len(data)}")
        kind = "application/json" if key.endswith("json") else "application/octet-stream"
        return self._send(kind, data if part is None else data[part.start : part.stop], with_body)

    def _page(self) -> bytes:
        """What a browser shows: where the image is, and how viewers open it."""
        url = f"http://{self.headers.get('Host') or 'localhost'}/{NAME}"
        layer = {"type": "image", "source": f"zarr3://{url}", "name": "image"}
        link = _NEUROGLANCER + quote(json.dumps({"layers": [layer]}, separators=(",", ":")), safe="")
        return _PAGE.format(url=escape(url), link=escape(link)).encode()

    def _refuse(self, status: HTTPStatus, message: str, with_body: bool, size: int | None = None) -> None:
        self.send_response(status)
        if size is not None:
            self.send_header("Content-Range", f"bytes */{size}")
        self._send("text/plain; charset=utf-8", f"{message}\n".encode(), with_body)

    def _send(self, kind: str, data: bytes, with_body: bool) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if with_body:
            self.wfile.write(data)


def _byte_range(header: str | None, size: int) -> range | None:
    """Bytes that a Range header asks for; None for all, an empty range where there are none such.

    Examples
    --------
    >>> [_byte_range(header, 10) for header in ("bytes=2-99", "bytes=-3", "bytes=10-", "lines=1-2")]
    [range(2, 10), range(7, 10), range(10, 10), None]
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None  # what is no single range of bytes may be answered with all
    if not found[1]:
        return range(size - min(int(found[2]), size), size)
    last = int(found[2]) if found[2] else size - 1
    if last < int(found[1]) and found[2]:
        return None
    return range(int(found[1]), min(last + 1, size))
