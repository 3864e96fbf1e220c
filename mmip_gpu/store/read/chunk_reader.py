"""Reader of the chunks of a store: it fetches what a region needs, in few requests and bytes, and keeps it.

Values: chunk coordinates and regions in; the header, and a function that reads parts of payloads, out. Implements
FORMAT.md section 6 (head, index, groups) for readers by byte ranges. Guarantees that of a large stage only its head
and the groups of sub-streams that the region touches are read. The bytes that are kept have a limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from mmip_gpu.codecs import Wanted, codec_of
from mmip_gpu.container.byte_ranges import Span, Sparse, joined
from mmip_gpu.container.codec import ReadPart
from mmip_gpu.container.header import Header
from mmip_gpu.errors import LimitExceeded, TruncatedData
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.zarr_group import RECORDS, Request

__all__ = ["ByteCache", "ChunkReader"]

START_BYTES = 2**14  # of a stage, read first where a region needs a part: prefix and head, or all of a small stage


class ByteCache:
    """Bytes by key, the least used ones dropped above a limit; empty after pickling. Keys are strings or tuples.

    Examples
    --------
    >>> cache = ByteCache(4)
    >>> cache["a"], cache["b"] = b"12", b"345"
    >>> cache.get("a"), cache.get("b")
    (None, b'345')
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._held: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Any) -> bytes | None:
        """Bytes of a key; None where they are not kept."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def __setitem__(self, key: Any, data: bytes) -> None:
        if len(data) > self._limit:
            return
        with self._lock:
            self._size += len(data) - len(self._held.pop(key, b""))
            self._held[key] = data
            while self._size > self._limit:
                self._size -= len(self._held.popitem(last=False)[1])

    def forget(self, at: Coordinates) -> None:
        """Drop what is kept of a chunk."""
        with self._lock:
            for key in [key for key in self._held if key[0] == at]:
                self._size -= len(self._held.pop(key))

    def __reduce__(self) -> tuple[type[ByteCache], tuple[int]]:
        return ByteCache, (self._limit,)


@dataclass(frozen=True)
class ChunkReader:
    """Reads what regions need of the chunks of a store; keeps what it has read."""

    store: ChunkStore
    cache: ByteCache

    def opened(self, at: Coordinates, wanted: Wanted) -> tuple[Header[Any], ReadPart]:
        """Header of a chunk, and what reads parts of its payloads; of those the bytes that are not wanted are zero.

        Raises
        ------
        StoreError
            Where the record or a stage is missing.
        CorruptData, UnsupportedVersion
            For what is damaged.
        """
        described = self.store.description
        shape = replace(described.blank_header(), layout=described.grid.chunk_layout(at))
        stages = described.form.needed_stages(shape, wanted)
        is_whole = described.form.needs_all(shape, wanted)
        record, *starts = self._starts(at, stages, is_whole=is_whole)
        header = self.store.parsed(at, record)
        held = []
        for stage, (start, size) in enumerate(zip(starts, header.payload_sizes, strict=False), 1):
            with self.store.naming_chunk(at):
                prefix = self.store.prefix_bytes(start, at, header, stage)
            is_all = is_whole or len(start) < START_BYTES or len(start) >= prefix + size
            held.append(_Stage(at, stage, prefix, memoryview(start)[prefix:], None if is_all else _zeros(size)))
        is_last, extent = all(part.sparse is None for part in held), codec_of(header).extent
        while not is_last:
            with self.store.naming_chunk(at):
                spans, is_last = extent(header, lambda stage, *span: held[stage - 1].held_part(*span), wanted)
            for part in held:
                self._fetch(part, [(first, end) for stage, first, end in spans if stage == part.number])
        return header, lambda stage, first, end: held[stage - 1].data[first:end]

    def _starts(self, at: Coordinates, stages: int, *, is_whole: bool) -> list[bytes]:
        """The record, and of each stage all, or what may be its first START_BYTES."""
        names = [RECORDS, *(self.store.description.array_name(stage) for stage in range(1, stages + 1))]
        found = [self.cache.get((at, name)) or (None if is_whole else self.cache.get((at, name, 0))) for name in names]
        missing = [index for index, data in enumerate(found) if data is None]
        requests: list[Request] = [
            self.store.whole(names[index], at) if is_whole or index == 0 else (names[index], at, (0, START_BYTES))
            for index in missing
        ]
        for index, data in zip(missing, self.store.group.read_many(requests), strict=True):
            if data is None:
                raise self.store.missing(at, index)
            is_all = is_whole or index == 0 or len(data) < START_BYTES
            self.cache[(at, names[index]) if is_all else (at, names[index], 0)] = data
            found[index] = data
        return [data for data in found if data is not None]

    def _fetch(self, stage: _Stage, spans: Sequence[Span]) -> None:
        """Hold these bytes of a stage: what is kept, and the others in as few requests as neighbours allow."""
        if stage.sparse is None:
            return
        name = self.store.description.array_name(stage.number)
        missing = []
        for span in spans:
            cached = self.cache.get((stage.at, name, span))
            if cached is not None:
                stage.sparse.put(span, cached)
            elif stage.held_part(*span) is None:
                missing.append(span)
        runs = joined(missing)
        for run, data in zip(runs, self._ranges(stage, runs), strict=True):
            stage.sparse.put(run, data)
        for first, end in missing:
            self.cache[stage.at, name, (first, end)] = bytes(stage.data[first:end])

    def _ranges(self, stage: _Stage, ranges: Sequence[Span]) -> list[bytes]:
        """Ranges of a payload, each as long as it was asked for."""
        name = self.store.description.array_name(stage.number)
        requests: list[Request] = [(name, stage.at, (stage.prefix + a, stage.prefix + b)) for a, b in ranges]
        found = []
        for (first, end), data in zip(ranges, self.store.group.read_many(requests), strict=True):
            held = 0 if data is None else len(data)
            if data is None or held != end - first:
                with self.store.naming_chunk(stage.at):
                    raise TruncatedData(f"stage {stage.number}: expected {end - first} bytes at {first}, found {held}")
            found.append(data)
        return found


@dataclass(frozen=True)
class _Stage:
    """The payload of a stage, behind the prefix of its chunk: all of it as `start`, or a part of it in `sparse`."""

    at: Coordinates
    number: int
    prefix: int
    start: memoryview
    sparse: Sparse | None

    def __post_init__(self) -> None:
        if self.sparse is not None:
            self.sparse.put((0, len(self.start)), self.start)

    @property
    def data(self) -> memoryview:
        """The payload; zero where it is not held."""
        return self.start if self.sparse is None else memoryview(self.sparse.data)

    def held_part(self, first: int, end: int | None) -> memoryview | None:
        """Bytes that are held; None of others."""
        return self.start[first:end] if self.sparse is None else self.sparse.part(first, end)


def _zeros(size: int) -> Sparse:
    try:
        return Sparse(size)
    except MemoryError:
        raise LimitExceeded(f"no memory for a stage of {size} bytes") from None
