"""What a region needs of a chunk, fetched in as few requests and bytes as the store allows, and kept for the next time.

Values: chunk coordinates and regions in; the header and stage payloads that `codec.decode_chunk` takes out.
Implements FORMAT.md section 6 (head, index, groups) for readers by byte ranges. Guarantees that of a large stage only
its head and the groups of sub-streams that the region touches are read, and that kept bytes have a limit.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, LimitExceeded, TruncatedData
from mmip_gpu.store.group.grid import Coordinates, Region
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.zarr_group import RECORDS, Request
from mmip_gpu.transform.chunk import needed_stages
from mmip_gpu.transform.groups import groups_of_region, read_groups

__all__ = ["ChunkReader", "KeptBytes", "check_stage"]

Payload = memoryview | NDArray[np.uint8]

START_BYTES = 2**14  # of a stage, read first where a region needs a part: prefix and head, or all of a small stage


class KeptBytes:
    """Bytes by key, the least used ones dropped above a limit; empty after pickling. Keys are strings or tuples.

    Examples
    --------
    >>> kept = KeptBytes(4)
    >>> kept["a"], kept["b"] = b"12", b"345"
    >>> kept.get("a"), kept.get("b")
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

    def __reduce__(self) -> tuple[type[KeptBytes], tuple[int]]:
        return KeptBytes, (self._limit,)


@dataclass(frozen=True)
class ChunkReader:
    """Reads what regions need of the chunks of a store; keeps what it has read."""

    store: ChunkStore
    kept: KeptBytes

    def payloads(self, at: Coordinates, stages: int, scale: int, region: Region) -> tuple[Header, list[Payload]]:
        """Header of a chunk and its first stages; of large ones only the bytes that the region needs, zeros elsewhere.

        Raises
        ------
        StoreError
            Where the record or a stage is missing.
        CorruptData, UnsupportedVersion
            For what is damaged.
        """
        described = self.store.description
        shape = replace(described.blank_header(), layout=described.grid.chunk_layout(at))
        groups = groups_of_region(shape, scale, region)
        record, *starts = self._starts(at, needed_stages(shape, stages, scale), is_whole=groups is None)
        header = self.store.parsed(at, record)
        found: list[Payload] = []
        for stage, (start, size) in enumerate(zip(starts, header.payload_sizes, strict=False), 1):
            with self.store.naming(at):
                prefix = self.store.prefix_bytes(start, at, stage)
            if groups is None or len(start) < START_BYTES or len(start) >= prefix + size:
                found.append(memoryview(start)[prefix:])
            else:
                found.append(self._sparse(_Stage(at, stage, prefix, size), header, start, groups))
        return header, found

    def _starts(self, at: Coordinates, stages: int, *, is_whole: bool) -> list[bytes]:
        """The record, and of each stage all, or what may be its first START_BYTES."""
        names = [RECORDS, *(self.store.description.array_name(stage) for stage in range(1, stages + 1))]
        found = [self.kept.get((at, name)) or (None if is_whole else self.kept.get((at, name, 0))) for name in names]
        missing = [index for index, data in enumerate(found) if data is None]
        requests: list[Request] = [
            (names[index], at, None if is_whole or index == 0 else (0, START_BYTES)) for index in missing
        ]
        for index, data in zip(missing, self.store.place.read_many(requests), strict=True):
            if data is None:
                raise self.store.missing(at, index)
            is_all = is_whole or index == 0 or len(data) < START_BYTES
            self.kept[(at, names[index]) if is_all else (at, names[index], 0)] = data
            found[index] = data
        return [data for data in found if data is not None]

    def _sparse(self, stage: _Stage, header: Header, start: bytes, groups: Sequence[int]) -> NDArray[np.uint8]:
        """Payload with its head and the groups of sub-streams that are needed; no other page of it is touched."""
        name = self.store.description.array_name(stage.number)
        known = memoryview(start)[stage.prefix :]
        head_bytes = int.from_bytes(known[:4], "little")
        if len(known) < head_bytes <= stage.size:
            (rest,) = self._ranges(stage, [(len(known), head_bytes)])
            self.kept[stage.at, name, 0] = start = start + rest
            known = memoryview(start)[stage.prefix :]
        with self.store.naming(stage.at):
            bounds, _ = read_groups(header, stage.number, stage.size, known[:head_bytes])
        try:
            payload = np.zeros(stage.size, np.uint8)
        except MemoryError:
            raise LimitExceeded(f"no memory for a stage of {stage.size} bytes") from None
        payload[: len(known)] = known
        missing = []
        for group in groups:
            first, end = bounds[group]
            held = self.kept.get((stage.at, name, group + 1))
            if held is not None:
                payload[first:end] = np.frombuffer(held, np.uint8)
            elif end > len(known):
                missing.append(group)
        spans = [(bounds[run[0]][0], bounds[run[-1]][1]) for run in _runs(missing)]
        for (first, end), data in zip(spans, self._ranges(stage, spans), strict=True):
            payload[first:end] = np.frombuffer(data, np.uint8)
        for group in missing:
            first, end = bounds[group]
            self.kept[stage.at, name, group + 1] = payload[first:end].tobytes()
        return payload

    def _ranges(self, stage: _Stage, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Ranges of a payload, each as long as it was asked for."""
        name = self.store.description.array_name(stage.number)
        requests: list[Request] = [(name, stage.at, (stage.prefix + a, stage.prefix + b)) for a, b in ranges]
        found = []
        for (first, end), data in zip(ranges, self.store.place.read_many(requests), strict=True):
            held = 0 if data is None else len(data)
            if data is None or held != end - first:
                with self.store.naming(stage.at):
                    raise TruncatedData(f"stage {stage.number}: expected {end - first} bytes at {first}, found {held}")
            found.append(data)
        return found


@dataclass(frozen=True)
class _Stage:
    """Where the payload of a stage lies: behind the prefix of its chunk."""

    at: Coordinates
    number: int
    prefix: int
    size: int


def check_stage(header: Header, number: int, payload: memoryview) -> None:
    """Raise CorruptData or TruncatedData unless a payload is the one that the header names, by all of its crcs."""
    for (first, end), crc in zip(*read_groups(header, number, len(payload), payload), strict=True):
        if zlib.crc32(payload[first:end]) != crc:
            raise CorruptData(f"stage {number}: the crc of bytes {first}..{end} differs")


def _runs(groups: Sequence[int]) -> list[list[int]]:
    """Neighbouring groups together."""
    runs: list[list[int]] = []
    for group in groups:
        if runs and runs[-1][-1] == group - 1:
            runs[-1].append(group)
        else:
            runs.append([group])
    return runs
