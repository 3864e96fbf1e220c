"""A pyramid as bytes by key: its chunks are made when a server is asked for them, and kept.

Values: a Pyramid in; the bytes of metadata and chunks that an export of it would hold out. Guarantees that the chunks
that are kept have a limit of bytes; those below 1/8, which rest on many, have a limit of their own. A chunk that is
wanted several times at once is made once. At most `threads` are decoded at the same time, and a thread that makes a
chunk holds one of each level between at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from threading import BoundedSemaphore, Lock, Semaphore, Thread
from typing import Any, Final

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore, StorePath

from mmip_gpu.store.read.chunk_reader import ByteCache
from mmip_gpu.store.views.levels import ChunkIndex, Level, MeanLevel, ScaledLevel
from mmip_gpu.store.views.pyramid import COMPRESSOR, Pyramid

__all__ = ["EncodedPyramid"]

_CHUNK: Final = re.compile(r"(\d{1,3})/c((?:/\d{1,10})+)", re.ASCII)
_ZSTD: Final = Zstd(level=COMPRESSOR.level, checksum=COMPRESSOR.checksum)


class EncodedPyramid:
    """Metadata and chunks of a pyramid.

    Parameters
    ----------
    cache_bytes : int
        For chunks: one half for those of the scaled levels, one for those below, if there are any.
    threads : int
        Chunks that are decoded at the same time.
    """

    def __init__(self, pyramid: Pyramid, cache_bytes: int, threads: int) -> None:
        self.pyramid = pyramid
        has_means = isinstance(pyramid.levels[-1], MeanLevel)
        self._cache = ByteCache(cache_bytes // 2 if has_means else cache_bytes)
        self._mean_cache = ByteCache(cache_bytes // 2)
        self._decoding = BoundedSemaphore(threads)
        self._free_helpers = Semaphore(threads - 1)
        self._under_way: dict[tuple[int, ChunkIndex], Lock] = {}
        self._lock = Lock()
        metadata = MemoryStore()
        zarr.create_group(metadata, zarr_format=3, attributes={"ome": pyramid.metadata})
        pyramid.create_arrays(StorePath(metadata))
        names = ["zarr.json", *(f"{number}/zarr.json" for number in range(len(pyramid.levels)))]
        buffers = [sync(metadata.get(name, default_buffer_prototype())) for name in names]
        self._metadata = {
            name: found.to_bytes() for name, found in zip(names, buffers, strict=True) if found is not None
        }

    def get(self, key: str) -> bytes | None:
        """Bytes of a key; None where there is no such key."""
        if key in self._metadata:
            return self._metadata[key]
        parts = _CHUNK.fullmatch(key)
        if parts is None:
            return None
        number, index = int(parts[1]), tuple(map(int, parts[2].split("/")[1:]))
        levels = self.pyramid.levels
        if number >= len(levels) or f"{number}/c/{'/'.join(map(str, index))}" != key:
            return None
        counts = levels[number].counts
        if len(index) != len(counts) or any(i >= n for i, n in zip(index, counts, strict=True)):
            return None
        return self._chunk(number, index)

    def _chunk(self, number: int, index: ChunkIndex) -> bytes:
        """Bytes that a Zarr array has of a chunk: those that are kept, or made now.

        Who makes a chunk holds its lock and waits for the locks of chunks of larger levels only; who holds
        `_decoding` waits for nothing: there is no circle.
        """
        level = self.pyramid.levels[number]
        cache = self._mean_cache if isinstance(level, MeanLevel) else self._cache
        with self._lock:
            turn = self._under_way.setdefault((number, index), Lock())
        try:
            with turn:
                found = cache.get((number, index))
                if found is None:
                    cache[number, index] = found = self._made(number, index)
            return found
        finally:
            with self._lock:
                self._under_way.pop((number, index), None)

    def _made(self, number: int, index: ChunkIndex) -> bytes:
        level = self.pyramid.levels[number]
        if isinstance(level, ScaledLevel):
            with self._decoding:
                return _encoded(level.read(index), level)
        samples = level.read(index, partial(self._samples, number - 1), self._each)
        with self._decoding:
            return _encoded(samples, level)

    def _samples(self, number: int, index: ChunkIndex) -> NDArray[Any]:
        """Samples of a chunk, by way of the bytes that are kept of it."""
        level = self.pyramid.levels[number]
        data = self._chunk(number, index)
        whole = np.frombuffer(_ZSTD.decode(data), level.dtype.newbyteorder("<")).reshape(level.chunks)
        return whole[tuple(slice(0, part.stop - part.start) for part in level.region(index))]

    def _each(self, work: Callable[[ChunkIndex], None], sources: Iterable[ChunkIndex]) -> None:
        """Work on chunks: on helping threads as far as some are free, otherwise on this one.

        Nothing ever waits for a helper to become free, so that any number of requests may come to any depth.
        """
        errors: list[BaseException] = []

        def tried(source: ChunkIndex) -> None:
            try:
                work(source)
            except BaseException as error:
                errors.append(error)

        def helped(source: ChunkIndex) -> None:
            try:
                tried(source)
            finally:
                self._free_helpers.release()

        helpers = []
        for source in sources:
            if errors:
                break
            if self._free_helpers.acquire(blocking=False):
                helpers.append(Thread(target=helped, args=(source,), name="mmip-serve-helper", daemon=True))
                helpers[-1].start()
            else:
                tried(source)
        for helper in helpers:
            helper.join()
        if errors:
            raise errors[0]


def _encoded(samples: NDArray[Any], level: Level) -> bytes:
    whole = np.zeros(level.chunks, level.dtype.newbyteorder("<"))
    whole[tuple(slice(0, n) for n in samples.shape)] = samples
    data: bytes = _ZSTD.encode(whole)
    return data
