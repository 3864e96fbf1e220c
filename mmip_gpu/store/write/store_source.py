"""A store as the source of another: samples as a lazy array gives them, with all that is known of them.

Values: a ProgressiveArray, or the path of a store, in; a Source out. Implements no section of FORMAT.md. Guarantees
that voxel size, axes and colour go along, and the history of loss with this reading as its last entry.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import StorePath

from mmip_gpu._core import crc32c
from mmip_gpu.errors import StoreError
from mmip_gpu.sinks import region_metadata
from mmip_gpu.sources import Source, open_source
from mmip_gpu.sources.arrays import require_small_metadata
from mmip_gpu.sources.history import dicom_terms
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.read.open_store import open_zarr
from mmip_gpu.store.read.progressive_array import ProgressiveArray
from mmip_gpu.volume.axes import PlaneLayout, shrinking_axes

__all__ = ["any_source"]


def any_source(source: Any, storage_options: Mapping[str, Any] | None = None, **stated: Any) -> Source:
    """Open a lazy array, a store by any name that opens it for reading, or what `open_source` opens.

    `stated` are options of `open_source`.

    Raises
    ------
    StoreError
        For a store whose job has not ended.
    """
    if not isinstance(source, ProgressiveArray):
        if not _is_store(source, storage_options):
            return open_source(source, storage_options=storage_options, **stated)
        where = source.store_path if isinstance(source, zarr.Group) else source
        source = open_zarr(where, storage_options=storage_options)
    report, metadata = source.report, source.metadata
    if not report["complete"]:
        raise StoreError(f"{source.place_name}: the job that writes it has not ended")
    axes, whole = source.axes, report["shape"]
    shrinking = shrinking_axes(report["plan"]["cell_depth"])
    steps = [source.scale if letter in shrinking else 1 for letter in axes]
    layout = PlaneLayout.of(source.shape, axes)
    known = {key: value for key, value in metadata.items() if key not in ("axes", "scale")}
    history = source.loss_history
    placed = region_metadata(known, axes, whole, [0] * len(axes), steps, layout.shape) | {
        "kind": "mmip",
        "history": history,
    }
    if source.scale == 1:
        placed.pop("grid")
    told = json.dumps([report, source.stages, source.scale], sort_keys=True)
    mark = f"mmip:{crc32c(told.encode()):08x}"
    colour = bool(report["colour"]) if "c" in axes else None
    opened = Source(
        layout.shape,
        source.dtype,
        axes,
        placed | dicom_terms(history),
        source.place_name,
        mark,
        source.__getitem__,
        colour,
    )
    return open_source(opened, **stated)


def _is_store(source: Any, storage_options: Mapping[str, Any] | None) -> bool:
    """Whether a name, or a store of Zarr, leads to a group that `write_zarr` began."""
    if isinstance(source, str | os.PathLike) and "://" not in os.fspath(source) and "::" not in os.fspath(source):
        path = Path(source)
        if not (path / "zarr.json").is_file() and path.suffix != ".zip":
            return False
        require_small_metadata(path)
    elif not isinstance(source, str | dict | Store | StorePath | zarr.Group):
        return False
    try:
        where = source.store_path if isinstance(source, zarr.Group) else source
        return StoreGroup(where, read_only=True, storage_options=storage_options).attributes() is not None
    except StoreError:  # what it is instead, another reader says
        return False
