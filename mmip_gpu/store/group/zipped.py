"""A store in a zip file: it is written as a folder beside the file, and packed when it is complete.

Values: a path or a zip store in; the folder FILE.zip.partial while the job runs, the zip after it. Implements no
section of FORMAT.md. Entries of a zip can neither be replaced nor deleted, and a process that dies leaves a zip
unreadable. A folder can be written again, resumed, claimed and reached by a cluster. Guarantees that the file appears
whole or not at all, with its entries in one order. Packing takes memory for one chunk, and disk for the store twice at
most.
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
from mmip_gpu.store.group.claim import claimed
from mmip_gpu.store.group.durable import flush
from mmip_gpu.store.group.report import COMPLETE
from mmip_gpu.store.group.store_path import store_errors
from mmip_gpu.store.group.zarr_group import CLAIM, StoreGroup

__all__ = ["ZipTarget", "zip_target"]

_HALF_WRITTEN = ".partial"  # what Zarr calls a file until it is whole


@dataclass(frozen=True)
class ZipTarget:
    """A zip to be, a file or an empty place in a zip store that is open, and the folder that it is made of."""

    target: Path | StoreGroup
    folder: Path

    def pack(self) -> None:
        """Put what the folder holds into the zip, and delete the folder."""
        if isinstance(self.target, StoreGroup):
            self._put_into(self.target)
        else:
            with store_errors(f"{self.target}: cannot be packed"):
                packed = self.target.with_name(f"{self.target.name}.packing")
                try:
                    with contextlib.closing(ZipStore(packed, mode="w")) as store:
                        self._put_into(StoreGroup(store, read_only=False))
                    flush(packed)
                    packed.replace(self.target)
                    flush(self.target.parent)
                finally:
                    packed.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put_into(self, group: StoreGroup) -> None:
        for file in sorted(self.folder.rglob("*")):
            is_kept = not file.name.startswith(CLAIM) and file.suffix != _HALF_WRITTEN
            if is_kept and file.is_file():
                group.write_key(file.relative_to(self.folder).as_posix(), file.read_bytes())


def zip_target(path: Any, overwrite: bool) -> ZipTarget | None:
    """Say how a store is made at a path; None where that is no zip, or one that is complete and stays.

    Raises
    ------
    StoreError
        For a zip that holds something else, or a store that does not stay and cannot be replaced.
    """
    store, inside = (path.store, path.path) if isinstance(path, StorePath) else (path, "")
    if isinstance(store, ZipStore):
        group = StoreGroup(path, read_only=False)
        folder = ".".join([store.path.name, *filter(None, inside.split("/")), "partial"])
        if store.read_only:
            raise StoreError(f"{group}: expected a zip to write, found one that was opened for reading")
        if _stays(group, overwrite):
            return None
        if group.attributes() is not None:
            raise StoreError(f"{group}: an open zip cannot give up the store that it holds: pass the path of the file")
        return ZipTarget(group, store.path.absolute().with_name(folder))
    if not isinstance(path, str | os.PathLike) or "://" in str(path):
        return None
    file = Path(path).absolute()
    if file.suffix != ".zip" or file.is_dir():
        return None
    if file.exists():
        with contextlib.closing(StoreGroup(file, read_only=True)) as group:
            if _stays(group, overwrite):
                _clear(file)
                return None
    return ZipTarget(file, file.with_name(f"{file.name}.partial"))


def _clear(file: Path) -> None:
    """Delete what a job left that was killed after it had packed; not what another job is at work on."""
    folder = file.with_name(f"{file.name}{_HALF_WRITTEN}")
    if not folder.is_dir():
        return
    with contextlib.suppress(StoreError):
        group = StoreGroup(folder, read_only=False)
        group.attributes()  # which refuses what is not ours
        with claimed(group):
            file.with_name(f"{file.name}.packing").unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def _stays(group: StoreGroup, overwrite: bool) -> bool:
    """Whether a zip holds a complete store that is not to be overwritten."""
    attributes = group.attributes()
    if attributes is None or overwrite:
        return False
    if attributes.get("state") != COMPLETE:
        raise StoreError(f"{group}: its job did not end, which in a zip cannot be made good: pass overwrite=True")
    return True
