"""Files that a killed process left beside the keys of a local folder: what Zarr had not yet renamed to a key.

Values: an opened place in; the names of what it holds besides out. Outside of FORMAT.md: no reader looks at such files.
Guarantees that only names of the form that Zarr's local store gives them are deleted.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final

from zarr.storage import FsspecStore, LocalStore, StorePath

__all__ = ["clear_leftovers", "names_in"]

_LEFTOVER: Final = re.compile(r".*\.[0-9a-f]{32}\.partial", re.ASCII | re.DOTALL)


async def names_in(root: StorePath) -> set[str]:
    """What a place holds now, leftovers aside."""
    if isinstance(root.store, FsspecStore):
        root.store.fs.invalidate_cache()  # else it may answer what it listed before
    return {name async for name in root.store.list_dir(root.path) if not _LEFTOVER.fullmatch(name)}


def clear_leftovers(root: StorePath) -> None:
    """Delete them, for one who holds the claim of the place: what others are writing is no leftover."""
    store = root.store
    if not isinstance(store, LocalStore):
        return
    with contextlib.suppress(OSError):
        for path in (store.root / root.path).rglob("*.partial"):
            if _LEFTOVER.fullmatch(path.name):
                path.unlink()
