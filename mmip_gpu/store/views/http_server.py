"""Serving a store over HTTP as a plain OME-Zarr: a chunk is decoded when a viewer asks for it.

Values: a store in; a server that answers GET, HEAD and OPTIONS with the metadata and the chunks of
store/views/http_images.py out. Guarantees that no request ends the server: one that cannot be answered gets a status
and one line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, MmipError, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.store.views.http_images import EncodedPyramid
from mmip_gpu.store.views.pyramid import Pyramid

if TYPE_CHECKING:
    from types import TracebackType

    from zarr.storage import StoreLike

__all__ = ["PyramidServer", "serve_zarr"]

_LENGTHS: Final = {"z": 32, "y": 128, "x": 128}
_IDLE_SECONDS: Final = 60
_NAME: Final = "image.ome.zarr"  # viewers choose by the suffix; the same keys are at the root
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@public()
def serve_zarr(
    path: StoreLike | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    stages: int | None = None,
    chunks: int | Sequence[int] | None = None,
    cache_bytes: int = 2**28,
    threads: int | None = None,
    allow_origin: str = "*",
) -> PyramidServer:
    """Serve a store over HTTP as the OME-Zarr that `export_ome_zarr` would write.

    A chunk is decoded when a viewer asks for it (FORMAT.md section 5.1), and kept. A chunk below 1/8 rests on chunks of
    the level before, down to decoded ones. The first look at the last level therefore reads stage 1 of the whole store.

    Parameters
    ----------
    path : path or zarr StoreLike
        A store of `write_zarr`: a folder, a .zip, a URL, a store.
    host : str
        The server listens at this address; by default only this machine reaches it. There is no password: whoever
        reaches the port can read.
    port : int
        0 takes any that is free; ``url`` of the server tells which.
    stages : int, optional
        Only so many stages are decoded, from the first on. By default all that the store holds are.
    chunks : int or sequence of int, optional
        Samples of a chunk, as for `export_ome_zarr`. The default is 32 x 128 x 128.
    cache_bytes : int
        Half of them hold coded bytes of the store. The other half holds decoded chunks, compressed for the way; half of
        that is for the levels below 1/8, if there are any.
    threads : int, optional
        So many chunks are decoded at the same time; by default as many as there are cores.
    allow_origin : str
        Web pages that may read, as the header Access-Control-Allow-Origin has it. Viewers on the web need ``*``. One
        page, or ``null``, keeps others from reading.

    Returns
    -------
    PyramidServer
        It runs until ``close()``, or until its ``with`` ends.

    Raises
    ------
    InvalidArgument
        `cache_bytes`, `allow_origin` or `chunks` is not as above, or OME-Zarr has no place for the axes.
    StoreError
        The store cannot be opened, its job has not ended, or the port is taken.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> import mmip_gpu as mmip
    >>> store = {}
    >>> _ = mmip.write_zarr("phantom3d:16x64x64", store, quality=10)
    >>> with mmip.serve_zarr(store, port=0) as server, urlopen(f"{server.url}/zarr.json") as reply:
    ...     reply.status
    200
    """
    if isinstance(cache_bytes, bool) or not isinstance(cache_bytes, int) or cache_bytes < 0:
        raise InvalidArgument(f"cache_bytes={cache_bytes!r}: expected a number of bytes")
    if re.search(r"[^\x21-\x7e]", allow_origin) or not allow_origin:
        raise InvalidArgument(f"allow_origin={allow_origin!r}: expected *, null or an origin such as https://host")
    pyramid = Pyramid.of(path, stages, chunks, _LENGTHS, keep_bytes=cache_bytes // 2)
    return PyramidServer(EncodedPyramid(pyramid, cache_bytes // 2, thread_count(threads)), host, port, allow_origin)


class PyramidServer:
    """A running server; made by `serve_zarr`.

    Attributes
    ----------
    url : str
        What to open in a viewer.
    """

    def __init__(self, image: EncodedPyramid, host: str, port: int, allow_origin: str) -> None:
        class Handler(_Handler):
            pyramid = image
            origin = allow_origin

        try:
            self._server = _Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise StoreError(f"cannot listen at {host}:{port}: {error}") from error
        name, number = self._server.server_address[:2]
        self.url = f"http://{name!s}:{number}/{_NAME}"
        self._thread = Thread(target=self._server.serve_forever, name="mmip-serve", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the server is closed; an interrupt of the waiting closes nothing."""
        self._thread.join()

    def close(self) -> None:
        """Stop answering and free the port. May be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> PyramidServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client that keeps its connection open does not keep the process
    request_queue_size = 1024  # clients in JavaScript ask for all chunks of a level at once, each on its connection

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave; the program goes on after anything else, too."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"mmip serve: {type(error).__name__}: {error}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    pyramid: EncodedPyramid
    origin: str

    protocol_version = "HTTP/1.1"
    server_version = "mmip"
    sys_version = ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True  # the body must not wait until the client has acknowledged the headers

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_OPTIONS(self) -> None:
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
        key = unquote(urlsplit(self.path).path).strip("/")
        key = key.removeprefix(f"{_NAME}/").lstrip("/")
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
