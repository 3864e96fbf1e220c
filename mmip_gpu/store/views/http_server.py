"""Serving a store over HTTP as a plain OME-Zarr: a chunk is decoded when a viewer asks for it.

Values: a store in; a server that answers GET, HEAD and OPTIONS with the metadata and the chunks of
store/views/http_images.py out, as store/views/http_handler.py says. Guarantees that no client stops others for good:
connections have a limit, and one beyond it is told so.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING, Any, Final

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.store.views.http_handler import NAME, Handler
from mmip_gpu.store.views.http_images import EncodedPyramid
from mmip_gpu.store.views.pyramid import Pyramid

if TYPE_CHECKING:
    from types import TracebackType

    from zarr.storage import StoreLike

__all__ = ["PyramidServer", "serve_zarr"]

_LENGTHS: Final = {"z": 32, "y": 128, "x": 128}
_MOST_CONNECTIONS: Final = 1024
_FULL: Final = b"mmip serve: too many connections; try again\n"
_FULL_REPLY: Final = b"\r\n".join(
    [
        b"HTTP/1.1 503 Service Unavailable",
        b"Content-Type: text/plain",
        b"Content-Length: %d" % len(_FULL),
        b"Retry-After: 1",
        b"Connection: close",
        b"",
        _FULL,
    ]
)


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
    allow_host: Sequence[str] = (),
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
    allow_host : sequence of str
        Names by which requests may ask for this server, beside addresses, `host`, and names without a dot; a proxy
        needs its own here. Others are refused, since a web page could let a name of its own point to this machine.

    Returns
    -------
    PyramidServer
        It runs until ``close()``, or until its ``with`` ends.

    Raises
    ------
    InvalidArgument
        `cache_bytes`, `allow_origin`, `allow_host` or `chunks` is not as above, or OME-Zarr has no place for the axes.
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
    if not isinstance(allow_host, list | tuple) or not all(isinstance(name, str) and name for name in allow_host):
        raise InvalidArgument(f"allow_host={allow_host!r}: expected a sequence of host names")
    pyramid = Pyramid.of(path, stages, chunks, _LENGTHS, keep_bytes=cache_bytes // 2)
    image = EncodedPyramid(pyramid, cache_bytes // 2, thread_count(threads))
    return PyramidServer(image, host, port, allow_origin, allow_host)


class PyramidServer:
    """A running server; made by `serve_zarr`.

    Attributes
    ----------
    url : str
        What to open in a viewer.
    """

    def __init__(
        self, image: EncodedPyramid, host: str, port: int, allow_origin: str, allow_host: Sequence[str] = ()
    ) -> None:
        class OwnHandler(Handler):
            pyramid = image
            origin = allow_origin
            hosts = frozenset(name.lower() for name in (host, *allow_host))

        try:
            self._server = _Server((host, port), OwnHandler)
        except (OSError, OverflowError) as error:
            raise StoreError(f"cannot listen at {host}:{port}: {error}") from error
        name, number = self._server.server_address[:2]
        self.url = f"http://{name!s}:{number}/{NAME}"
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

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self._free = BoundedSemaphore(_connection_limit())

    def get_request(self) -> Any:
        """Take the next connection; where the machine gives no more, wait a little, which else would be a busy loop."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.05)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread, or say that there are too many."""
        if self._free.acquire(blocking=False):
            try:
                return super().process_request(request, client_address)
            except RuntimeError:  # no thread can be made
                self._free.release()
        with contextlib.suppress(OSError):
            request.settimeout(0.05)
            request.sendall(_FULL_REPLY)
            request.recv(2**16)  # else what was asked resets the connection, and the reply with it
        self.shutdown_request(request)
        return None

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave; the program goes on after anything else, too."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"mmip serve: {type(error).__name__}: {error}", file=sys.stderr)


def _connection_limit() -> int:
    """Connections at once: half of the files that this process may open, the others are for the store."""
    if os.name == "nt":
        return _MOST_CONNECTIONS
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(files // 2, _MOST_CONNECTIONS))
