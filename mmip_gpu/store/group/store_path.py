"""The path of a store: what a caller may pass, opened as Zarr has it, its name in messages, and its errors.

Values: a folder, a .zip, a URL, or a store of Zarr in; a StorePath out. Implements no section of FORMAT.md.
Guarantees that whatever a store raises arrives as StoreError, whose message says what was tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from zarr.abc.store import Store
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, ZipStore

from mmip_gpu.errors import InvalidArgument, MmipError, StoreError

__all__ = ["open_store_path", "path_name", "store_errors"]


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn whatever a store raises into StoreError; `what` says what was tried."""
    try:
        yield
    except (MmipError, MemoryError):
        raise
    except Exception as error:  # stores document no closed list of what they raise
        detail = " ".join(str(error).split()) or "no detail given"
        raise StoreError(f"{what}: {detail} ({type(error).__name__})") from error


def path_name(path: StorePath) -> str:
    """Name of a place in messages: a folder as it is."""
    store = path.store
    return str(store.root / path.path) if isinstance(store, LocalStore) else str(path)


def open_store_path(where: Any, read_only: bool) -> StorePath:
    """Open a folder, a .zip, a URL or a store; what is written to need not be there."""
    if isinstance(where, StorePath):
        return where
    if isinstance(where, Store):
        return sync(StorePath.open(where, ""))
    if isinstance(where, dict):
        return StorePath(MemoryStore(where))
    if isinstance(where, str) and where.startswith("file://"):
        where = url2pathname(urlsplit(where).path)
    if isinstance(where, str) and ("://" in where or "::" in where):
        return StorePath(FsspecStore.from_url(where, read_only=read_only))
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
