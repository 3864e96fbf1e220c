"""Writes that outlast a loss of power: files and the folders that name them are flushed, in the order of writing.

Values: the folder of a store and keys in it in; nothing out. Implements no section of FORMAT.md. Guarantees that what
`settle` was called for is on the disk when it returns, with every folder on the way from the store's own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["Durable", "flush"]

_MOST_NAMED: Final = 64  # folders that are remembered; to flush one again does no harm


class Durable:
    """Flushes files of a store. A folder that its parent was flushed for stays named by it."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def settle(self, root: Path, key: str) -> None:
        """Flush a file below a folder, the folder that it is in, and those above it that are new."""
        flush(root / key)
        folder = key.rpartition("/")[0]
        flush(root / folder)
        while folder and folder not in self._named:
            self._named.add(folder)
            folder = folder.rpartition("/")[0]
            flush(root / folder)
        if len(self._named) > _MOST_NAMED:
            self._named.clear()


def flush(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder; where folders cannot be opened nothing is done."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
