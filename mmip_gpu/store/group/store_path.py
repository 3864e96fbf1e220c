"""The path of a store: what a caller may pass, opened as Zarr has it, its name in messages, and its errors.

Values: a folder, a .zip, a URL, or a store of Zarr in; a StorePath out. Implements no section of FORMAT.md.
Guarantees that whatever a store raises arrives as StoreError, whose message says what was tried. A place that is named
inside a store is opened only if it is a plain path or URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import zarr
from zarr.abc.store import RangeByteRequest, Store
from zarr.core.buffer import Buffer
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, ZipStore

from mmip_gpu.errors import InvalidArgument, MmipError, NoMemory, StoreError
from mmip_gpu.sources.zarr_arrays import url_store
from mmip_gpu.values import without_scheme

__all__ = [
    "all_ended",
    "blocking_get",
    "bytes_within",
    "found_instead",
    "held_range",
    "is_plain_origin",
    "open_store_path",
    "path_name",
    "store_errors",
]

_REMOTE: Final = frozenset(("http", "https", "s3", "gs", "gcs", "az", "abfs", "abfss"))  # they read bytes of a host


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn whatever a store raises into StoreError; `what` says what was tried."""
    try:
        yield
    except MmipError:
        raise
    except MemoryError:
        raise NoMemory(f"{what}: not enough memory for the sizes that are stated") from None
    except Exception as error:  # stores document no closed list of what they raise
        detail = " ".join(str(error).split()) or "no detail given"
        raise StoreError(f"{what}: {detail} ({type(error).__name__})") from error


async def all_ended(work: Iterable[Awaitable[object]]) -> list[BaseException | None]:
    """Wait for all of it at the same time; what each failed with, None where it did not."""
    found = await asyncio.gather(*work, return_exceptions=True)
    return [result if isinstance(result, BaseException) else None for result in found]


def path_name(path: StorePath) -> str:
    """Name of a place in messages: a folder as it is."""
    store = path.store
    return str(store.root / path.path) if isinstance(store, LocalStore) else str(path)


def open_store_path(where: Any, read_only: bool, storage_options: Mapping[str, Any] | None = None) -> StorePath:
    """Open a folder, a .zip, a URL or a store; what is written to need not be there."""
    if isinstance(where, StorePath):
        return where
    if isinstance(where, Store):
        return sync(StorePath.open(where, ""))
    if isinstance(where, dict):
        return StorePath(MemoryStore(where))
    where = without_scheme(where)
    if isinstance(where, str) and ("://" in where or "::" in where):
        return StorePath(url_store(where, read_only, storage_options))
    if not isinstance(where, str | os.PathLike):
        raise InvalidArgument(f"path: expected a path or a zarr store, found {type(where).__name__}")
    folder = Path(where).absolute()
    if folder.suffix == ".zip" and not folder.is_dir() and (folder.exists() or not read_only):
        return sync(StorePath.open(ZipStore(folder, mode="r" if read_only else "a", read_only=read_only), ""))
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: expected a folder, found a file; decode reads .mmip, write_zarr takes images")
    if read_only and not folder.exists():
        raise StoreError(f"{folder} does not exist; expected a store of write_zarr")
    return StorePath(LocalStore(folder, read_only=read_only))


def is_plain_origin(origin: Any, copy: StorePath) -> bool:
    """Whether a place that a copy names may be opened: what stands in a store may come from a stranger.

    A copy on this machine may name an absolute path, or a URL of the web or of an object store, without user and
    password. A copy elsewhere may name a URL of its own scheme and host. Chained URLs never are.
    """
    if not isinstance(origin, str) or "::" in origin or re.search(r"[^\x20-\x7e]", origin.partition("://")[0]):
        return False
    local = isinstance(copy.store, LocalStore | ZipStore)
    if "://" not in origin:  # two slashes or backslashes name another machine
        return local and Path(origin).is_absolute() and not origin.startswith(("//", "\\\\"))
    try:
        named = urlsplit(origin)
    except ValueError:
        return False
    if named.scheme not in _REMOTE or not named.netloc or "@" in named.netloc:
        return False
    return local or _scheme_and_host(copy.store) == (named.scheme, named.netloc)


def _scheme_and_host(store: Store) -> tuple[str, str] | None:
    """Scheme and host, or bucket, of a store behind a URL; None of any other."""
    if not isinstance(store, FsspecStore):
        return None
    kinds = store.fs.protocol if isinstance(store.fs.protocol, tuple) else (store.fs.protocol,)
    path = urlsplit(store.path)
    return (path.scheme, path.netloc) if path.scheme else (kinds[0], store.path.split("/")[0])


def found_instead(path: StorePath) -> str:
    """Say what is in the place of a store, and what opens it."""
    try:
        node = zarr.open(path, mode="r")
    except Exception:  # whatever zarr says of a folder that is none of its own
        return "no Zarr group; a file or a DICOM series is a source, which write_zarr takes"
    name = path_name(path)
    if isinstance(node, zarr.Array):
        return f"a plain Zarr array, which zarr.open_array({name!r}) opens; write_zarr takes it as a source"
    kind = "an OME-Zarr image" if {"ome", "multiscales"} & set(node.attrs) else "another Zarr group"
    try:
        names = ", ".join(sorted(node.array_keys())) or "none"
    except Exception:  # as above, of one of its arrays
        names = "damaged"
    return f"{kind}, which zarr.open_group({name!r}) opens; its arrays: {names}"


def blocking_get(store: Store) -> Callable[..., Buffer | None] | None:
    """What reads a key of a folder on this thread; None of other stores, and where Zarr has no such function."""
    return getattr(store, "get_sync", None) if type(store) is LocalStore else None


def bytes_within(found: Buffer | None, byte_range: tuple[int, int] | None) -> bytes | None:
    """The bytes of a range out of what was read, which may be all of them; None of nothing."""
    if found is None or byte_range is None:
        return None if found is None else found.to_bytes()
    start, stop = byte_range
    return (found[start:stop] if len(found) > stop - start else found).to_bytes()


def held_range(key: StorePath, byte_range: tuple[int, int] | None) -> RangeByteRequest | None:
    """A range of bytes; of a file only as far as it goes, since room is made for all that is asked for."""
    if byte_range is None:
        return None
    start, stop = byte_range
    if isinstance(key.store, LocalStore):
        with contextlib.suppress(OSError):  # what is not there is met by reading it
            stop = max(min(stop, (key.store.root / key.path).stat().st_size), start)
    return RangeByteRequest(start, stop)
