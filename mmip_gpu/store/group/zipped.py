"""A store in a zip file: written as a folder beside it, and packed when it is complete.

Values: a path or a zip store in; the folder FILE.zip.partial while the job runs, the zip after it. Implements no
section of FORMAT.md. Entries of a zip can neither be replaced nor deleted, and a process that dies leaves a zip
unreadable; a folder can be written again, resumed, claimed and reached by a cluster. Guarantees that the file appears
whole or not at all, in one order of entries, with memory for one chunk, and disk for no more than the store twice.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zarr.storage import StorePath, ZipStore

from mmip_gpu.errors import StoreError
from mmip_gpu.store.group.report import COMPLETE
from mmip_gpu.store.group.zarr_group import CLAIM, Place, storing

__all__ = ["Zipping", "zipping"]

_HALF_WRITTEN = ".partial"  # what Zarr calls a file until it is whole


@dataclass(frozen=True)
class Zipping:
    """A zip to be, a file or an empty place in a zip store that is open, and the folder that it is made of."""

    target: Path | Place
    folder: Path

    def pack(self) -> None:
        """Put what the folder holds into the zip, and delete the folder."""
        if isinstance(self.target, Place):
            self._put_into(self.target)
        else:
            with storing(f"{self.target}: cannot be packed"):
                packed = self.target.with_name(f"{self.target.name}.packing")
                try:
                    with contextlib.closing(ZipStore(packed, mode="w")) as store:
                        self._put_into(Place(store, read_only=False))
                    packed.replace(self.target)
                finally:
                    packed.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put_into(self, place: Place) -> None:
        for file in sorted(self.folder.rglob("*")):
            is_kept = not file.name.startswith(CLAIM) and file.suffix != _HALF_WRITTEN
            if is_kept and file.is_file():
                place.write_key(file.relative_to(self.folder).as_posix(), file.read_bytes())


def zipping(path: Any, overwrite: bool) -> Zipping | None:
    """Say how a store is made at a path; None where that is no zip, or one that is complete and stays.

    Raises
    ------
    StoreError
        For a zip that holds something else, or a store that does not stay and cannot be replaced.
    """
    store, inside = (path.store, path.path) if isinstance(path, StorePath) else (path, "")
    if isinstance(store, ZipStore):
        place = Place(path, read_only=False)
        folder = ".".join([store.path.name, *filter(None, inside.split("/")), "partial"])
        if store.read_only:
            raise StoreError(f"{place}: expected a zip to write, found one that was opened for reading")
        if _stays(place, overwrite):
            return None
        if place.attributes() is not None:
            raise StoreError(f"{place}: an open zip cannot give up the store that it holds: pass the path of the file")
        return Zipping(place, store.path.absolute().with_name(folder))
    if not isinstance(path, str | os.PathLike) or "://" in str(path):
        return None
    file = Path(path).absolute()
    if file.suffix != ".zip" or file.is_dir():
        return None
    if file.exists():
        with contextlib.closing(Place(file, read_only=True)) as place:
            if _stays(place, overwrite):
                return None
    return Zipping(file, file.with_name(f"{file.name}.partial"))


def _stays(place: Place, overwrite: bool) -> bool:
    """Whether a zip holds a complete store that is not to be overwritten."""
    attributes = place.attributes()
    if attributes is None or overwrite:
        return False
    if attributes.get("state") != COMPLETE:
        raise StoreError(f"{place}: its job did not end, which in a zip cannot be made good: pass overwrite=True")
    return True
