"""The Zarr group of a store: its attribute `mmip`, its arrays, and the bytes under their chunk keys.

Values: a path or a Zarr store, bytes and JSON. Implements the group of FORMAT.md section 10 with Zarr's API.
Guarantees that nothing is deleted that is not ours. Every failure of the store arrives as StoreError, whose message
names the place. What the bytes mean is not known here.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, StorePath

from mmip_gpu.errors import StoreError
from mmip_gpu.sources.arrays import require_small_metadata
from mmip_gpu.store.group.durable import Durable
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.partial_files import delete_partial_files, names_in
from mmip_gpu.store.group.stage_array import DIMENSIONS, RECORDS, StageArray, array_names, chunk_index
from mmip_gpu.store.group.store_path import (
    all_ended,
    blocking_get,
    bytes_within,
    found_instead,
    held_range,
    is_plain_origin,
    open_store_path,
    path_name,
    store_errors,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    ZarrArray: TypeAlias = zarr.Array[Any]

__all__ = ["ATTRIBUTE", "CLAIM", "RECORDS", "Request", "StoreGroup"]

Request = tuple[str, Coordinates, "tuple[int, int] | None"]  # array, chunk, byte range

ATTRIBUTE = "mmip"
CLAIM = "mmip-claim"  # start of the key that a job holds while it writes


class StoreGroup:
    """A group of a Zarr store.

    Parameters
    ----------
    where : path or zarr StoreLike
        A folder, a URL, a store or a StorePath.
    read_only : bool
        Whether it has to exist and nothing is written.
    durable : bool
        A record is written to a folder only when its chunk is on the disk, and is there itself before the attributes.
    storage_options : mapping, optional
        What fsspec needs to open a URL.
    """

    def __init__(
        self,
        where: Any,
        *,
        read_only: bool,
        durable: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        with store_errors(f"{where}"):
            self._root = open_store_path(where, read_only, storage_options)
        self._is_own = not isinstance(where, StorePath | Store)
        self._arrays: dict[str, ZarrArray] = {}
        self._mode: Any = "r" if self._root.read_only else "r+"
        self._durable = Durable() if durable else None

    def __str__(self) -> str:
        return path_name(self._root)

    def may_open(self, origin: Any) -> bool:
        """Whether a place that the attributes name as the origin of a copy may be opened."""
        return is_plain_origin(origin, self._root)

    def attributes(self) -> dict[str, Any] | None:
        """Read the attribute `mmip`; None where nothing is stored.

        Raises
        ------
        StoreError
            If the place holds something else.
        """
        store = self._root.store
        if isinstance(store, LocalStore) and not store.root.exists():  # which looking would make
            return None
        with store_errors(f"{self}: cannot be read"):
            self._require_small("")
            try:
                found = self._group().attrs.get(ATTRIBUTE)
            except (FileNotFoundError, ValueError):  # no group, or metadata that zarr does not read
                found = None
            if found is None and self._holds_nothing():  # asked last: a web server lists nothing
                return None
        if not isinstance(found, Mapping):
            if self._root.read_only:
                raise StoreError(f"{self}: expected a store of write_zarr, found {found_instead(self._root)}")
            raise StoreError(
                f"{self}: expected an mmip store or an empty place, found something else; it is left alone"
            )
        return dict(found)

    def set_attributes(self, value: Mapping[str, Any]) -> None:
        """Write the attribute `mmip`, making the group if there is none; all records are on the disk before."""
        self.wait()
        with store_errors(f"{self}: its attributes cannot be written"):
            if self._holds_nothing():
                zarr.create_group(self._root, zarr_format=3, attributes={ATTRIBUTE: dict(value)})
            else:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Duplicate name", UserWarning)  # a zip keeps what was replaced
                    self._group().update_attributes({ATTRIBUTE: dict(value)})
            self._settle(self._root / "zarr.json")

    def create_arrays(self, arrays: Sequence[StageArray], counts: Coordinates, record_bytes: int) -> None:
        """Make the stage arrays and the records that are not there, before any task writes; others get their shape."""
        delete_partial_files(self._root, CLAIM)
        with store_errors(f"{self}: its arrays cannot be made"):
            group = self._group()
            for array in arrays:
                how = {"fill_value": array.fill_value, "serializer": array.serializer, "dtype": array.dtype}
                self._make(group, array.name, array.shape, chunks=array.chunks, dimension_names=array.dimensions, **how)
            shape, chunks = (*counts, record_bytes), (1, 1, 1, 1, record_bytes)
            names = [*(f"chunk_{name}" for name in DIMENSIONS), "byte"]
            self._make(group, RECORDS, shape, chunks=chunks, dtype="uint8", fill_value=0, dimension_names=names)
            for name in (RECORDS, *(array.name for array in arrays)):
                self._settle(self._root / name / "zarr.json")

    def _make(self, group: zarr.Group, name: str, shape: tuple[int, ...], **options: Any) -> None:
        """Make an array, or give one that is there the shape that is due."""
        self._require_small(name)
        if name in group:
            if self.array(name).shape != shape:  # chunks beyond it stay: their number is what the array states
                sync(self.array(name)._async_array.resize(shape, delete_outside_chunks=False))
            return
        config: Any = {"write_empty_chunks": True}
        how: Any = options | {"filters": None, "compressors": None, "config": config}
        group.create_array(name, shape=shape, **how)

    def erase_arrays(self) -> None:
        """Delete the arrays of an earlier job: the records first, so that no chunk stays valid."""
        self._arrays.clear()
        with store_errors(f"{self}: the earlier arrays cannot be deleted"):
            found = self.names()
            for name in array_names():
                if name in found:
                    sync((self._root / name).delete_dir())
            self._settle(self._root / "zarr.json")  # and that they are gone from its folder

    def array(self, name: str) -> ZarrArray:
        """One of the group's arrays."""
        if name not in self._arrays:
            with store_errors(f"{self}: the array {name} cannot be opened"):
                self._require_small(name)
                found = zarr.open_array(self._root / name, mode=self._mode)
                self._arrays[name] = found
        return self._arrays[name]

    def read(self, name: str, at: Coordinates, byte_range: tuple[int, int] | None = None) -> bytes | None:
        """Bytes of a chunk, or some of them; None where it is absent."""
        return self.read_many([(name, at, byte_range)])[0]

    def read_many(self, requests: Sequence[Request]) -> list[bytes | None]:
        """Bytes of several chunks, or of ranges of them, all asked for at the same time.

        A range that reaches past the end gives what there is. A store that knows no ranges may send all: it is cut.
        Files of a folder are read on this thread, one after another: that is less work than a loop of events.
        """
        keys = [self._key(name, at) for name, at, _ in requests]  # arrays are opened here: the loop must not wait

        async def read(key: StorePath, name: str, at: Coordinates, span: tuple[int, int] | None) -> bytes | None:
            with store_errors(f"{self}: chunk {at}, {name} cannot be read"):
                return bytes_within(await key.get(prototype, held_range(key, span)), span)

        async def read_all() -> list[bytes | None]:
            return list(await asyncio.gather(*(read(key, *asked) for key, asked in zip(keys, requests, strict=True))))

        prototype, get, found = default_buffer_prototype(), blocking_get(self._root.store), []
        if get is None:
            return sync(read_all())
        for key, (name, at, span) in zip(keys, requests, strict=True):
            with store_errors(f"{self}: chunk {at}, {name} cannot be read"):
                found.append(bytes_within(get(key.path, byte_range=held_range(key, span)), span))
        return found

    def size(self, name: str, at: Coordinates) -> int | None:
        """Bytes of a chunk; None where it is absent."""
        key = self._key(name, at)
        with store_errors(f"{self}: chunk {at}, {name} cannot be read"):
            if isinstance(key.store, LocalStore) and (key.store.root / key.path).is_dir():
                raise StoreError(f"{self}: chunk {at}, {name} cannot be read: a folder is in its place")
            try:
                return sync(key.store.getsize(key.path))
            except FileNotFoundError:
                return None

    def write(self, at: Coordinates, chunks: Mapping[str, bytes]) -> None:
        """Store the bytes of a chunk in some arrays at the same time; its record comes alone, after its stages."""
        buffer, keys = default_buffer_prototype().buffer, {name: self._key(name, at) for name in chunks}

        def write() -> None:
            failed = sync(all_ended(key.set(buffer.from_bytes(chunks[name])) for name, key in keys.items()))
            for name, error in zip(chunks, failed, strict=True):
                with store_errors(f"{self}: chunk {at}, {name} cannot be written"):
                    if error is not None:
                        raise error

        if self._durable is None or not isinstance(self._root.store, LocalStore):
            return write()
        if RECORDS in keys:
            with store_errors(f"{self}: cannot be flushed"):
                return self._durable.seal(self._root.store.root, at, keys[RECORDS].path, write)
        write()
        return self._durable.hold(at, [key.path for key in keys.values()])

    def delete(self, name: str, at: Coordinates) -> None:
        """Remove a chunk."""
        with store_errors(f"{self}: chunk {at}, {name} cannot be deleted"):
            sync(self._key(name, at).delete())

    def wait(self) -> None:
        """Wait until what was written is on the disk, where that was asked for."""
        if self._durable is not None:
            with store_errors(f"{self}: cannot be flushed"):
                self._durable.wait()

    def close(self) -> None:
        """End writing; a zip is a whole file from here on. A store that was handed in stays open."""
        self.wait()
        if self._is_own:
            with store_errors(f"{self}: it cannot be closed"):
                self._root.store.close()

    @property
    def can_claim(self) -> bool:
        """Whether keys can be taken away again; a zip file, which one process writes, cannot."""
        return self._root.store.supports_deletes

    def read_key(self, key: str) -> bytes | None:
        """Bytes under a key of the group that is no chunk; None where it is absent."""
        with store_errors(f"{self}: {key} cannot be read"):
            get = blocking_get(self._root.store)
            path = self._root / key
            return bytes_within(get(path.path) if get else sync(path.get(default_buffer_prototype())), None)

    def write_key(self, key: str, data: bytes) -> None:
        """Store bytes under a key of the group that is no chunk."""
        buffer = default_buffer_prototype().buffer.from_bytes(data)
        with store_errors(f"{self}: cannot be written"):
            sync((self._root / key).set(buffer))

    def delete_key(self, key: str) -> None:
        """Remove a key of the group that is no chunk, after all records."""
        with suppress(Exception):  # told by what wrote them
            self.wait()
        with store_errors(f"{self}: {key} cannot be deleted"):
            sync((self._root / key).delete())

    def names(self) -> set[str]:
        """Arrays and other keys that the group holds now."""
        with store_errors(f"{self}: cannot be listed"):
            return sync(names_in(self._root))

    def _settle(self, key: StorePath) -> None:
        if self._durable is not None and isinstance(key.store, LocalStore):
            self._durable.settle(key.store.root, key.path)

    def _require_small(self, name: str) -> None:
        """Refuse metadata in a folder that are too large to be any, before Zarr reads them."""
        if isinstance(self._root.store, LocalStore):
            require_small_metadata(self._root.store.root / self._root.path / name)

    def _holds_nothing(self) -> bool:
        """Whether the group has no keys but a claim, which comes before the first of them."""
        if sync((self._root / "zarr.json").get(default_buffer_prototype())) is not None:
            return False
        return all(name.startswith(CLAIM) for name in self.names())

    def _group(self) -> zarr.Group:
        return zarr.open_group(self._root, mode=self._mode, zarr_format=3, use_consolidated=False)

    def _key(self, name: str, at: Coordinates) -> StorePath:
        metadata: Any = self.array(name).metadata
        with store_errors(f"{self}: the array {name} is none of a store"):
            key: str = metadata.encode_chunk_key(chunk_index(name, at, metadata))
        return self._root / name / key
