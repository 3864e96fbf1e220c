"""Partial files: what a killed process left beside the keys of a local folder, before Zarr renamed it to a key.

Values: an opened place in; the names of everything else in it out. Outside of FORMAT.md: no reader looks at such files.
Guarantees that only names of the form that Zarr's local store gives them are deleted.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

from zarr.storage import FsspecStore, LocalStore, StorePath

__all__ = ["delete_partial_files", "names_in"]

_LEFTOVER: Final = re.compile(r".*\.[0-9a-f]{32}\.partial", re.ASCII | re.DOTALL)


async def names_in(root: StorePath) -> set[str]:
    """What a place holds now, leftovers aside."""
    if isinstance(root.store, FsspecStore):
        files: Any = root.store.fs
        getattr(files, "sync_fs", files).invalidate_cache()  # else it may answer what it listed before
    return {name async for name in root.store.list_dir(root.path) if not _LEFTOVER.fullmatch(name)}


def delete_partial_files(root: StorePath, claims: str) -> None:
    """Delete them, for one who holds the claim of the place; what begins with `claims` others may be writing now."""
    store = root.store
    if not isinstance(store, LocalStore):
        return
    with contextlib.suppress(OSError):
        for path in (store.root / root.path).rglob("*.partial"):
            if _LEFTOVER.fullmatch(path.name) and not path.name.startswith(claims):
                path.unlink()
