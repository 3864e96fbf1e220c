"""Writes that outlast a loss of power: files and the folders that name them are flushed, in the order of writing.

Values: the folder of a store and keys in it in; nothing out. Implements no section of FORMAT.md. Guarantees that what
`settle` was called for is on the disk when it returns, with every folder on the way from the store's own; that a record
is written only when the files it speaks for are on the disk; and that all of it is there when `wait` returns. A disk
takes many flushes at once in little more time than one, so that a bounded number of records is under way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final

__all__ = ["Durable", "flush"]

_MOST_NAMED: Final = 64  # folders that are remembered; to flush one again does no harm
_THREADS: Final = 16
_MOST_UNDER_WAY: Final = 64  # chunks


class Durable:
    """Flushes files of a store. A folder that its parent was flushed for stays named by it.

    Parameters
    ----------
    at_once : bool
        Whether a record is on the disk when `seal` returns.
    """

    def __init__(self, at_once: bool = False) -> None:
        self._at_once = at_once
        self._named: set[str] = set()
        self._held: dict[Hashable, list[str]] = {}
        self._under_way: deque[Future[None]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Durable], tuple[bool]]:
        """In another process what a task wrote is on the disk when the task ends."""
        return Durable, (True,)

    def settle(self, root: Path, key: str) -> None:
        """Flush a file below a folder, the folder that it is in, and those above it that are new."""
        flush(root / key)
        folder = key.rpartition("/")[0]
        flush(root / folder)
        while folder and folder not in self._named:
            above = folder.rpartition("/")[0]
            flush(root / above)
            self._named.add(folder)
            folder = above
        if len(self._named) > _MOST_NAMED:
            self._named.clear()

    def hold(self, chunk: Hashable, keys: Sequence[str]) -> None:
        """Remember files that were written of a chunk."""
        self._held.setdefault(chunk, []).extend(keys)

    def seal(self, root: Path, chunk: Hashable, key: str, write: Callable[[], None]) -> None:
        """Flush the files of a chunk, then write its record and flush that; raises what failed since the last call."""
        files = self._held.pop(chunk, [])

        def work() -> None:
            for file in files:
                self.settle(root, file)
            write()
            self.settle(root, key)

        if self._at_once:
            return work()
        ended = []
        with self._lock:
            while self._under_way and (len(self._under_way) >= _MOST_UNDER_WAY or self._under_way[0].done()):
                ended.append(self._under_way.popleft())
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mmip-flush")
            self._under_way.append(self._pool.submit(work))
        for future in ended:
            future.result()
        return None

    def wait(self) -> None:
        """Wait for all records; raises the first failure after the last of them ended."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        ended, self._under_way = self._under_way, deque()
        for future in ended:
            future.result()


def flush(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder; where folders cannot be opened nothing is done."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
