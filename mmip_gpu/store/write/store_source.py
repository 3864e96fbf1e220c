"""A store as the source of another: samples as a lazy array gives them, with all that is known of them.

Values: a ProgressiveArray, or the path of a store, in; a Source out. Implements no section of FORMAT.md. Guarantees
that voxel size, axes and colour go along, and the history of loss with this reading as its last entry.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

from mmip_gpu.errors import StoreError
from mmip_gpu.sinks import region_metadata
from mmip_gpu.sources import Source
from mmip_gpu.sources.arrays import require_small_metadata
from mmip_gpu.sources.history import dicom_terms
from mmip_gpu.store.group.zarr_group import ATTRIBUTE
from mmip_gpu.store.read.open_store import open_zarr
from mmip_gpu.store.read.progressive_array import ProgressiveArray
from mmip_gpu.volume.axes import PlaneLayout, shrinking_axes

__all__ = ["store_source"]


def store_source(source: Any) -> Source | None:
    """Return the source of a lazy array or of the folder of a store; None for anything else.

    Raises
    ------
    StoreError
        For a store whose job has not ended.
    """
    if isinstance(source, str | os.PathLike) and _is_store(Path(source)):
        source = open_zarr(source)
    if not isinstance(source, ProgressiveArray):
        return None
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
    mark = f"mmip:{zlib.crc32(told.encode()):08x}"
    colour = bool(report["colour"]) if "c" in axes else None
    return Source(
        layout.shape,
        source.dtype,
        axes,
        placed | dicom_terms(history),
        source.place_name,
        mark,
        source.__getitem__,
        colour,
    )


def _is_store(path: Path) -> bool:
    """Whether a folder holds a group that `write_zarr` began."""
    try:
        require_small_metadata(path)
        found = json.loads((path / "zarr.json").read_bytes())
        return ATTRIBUTE in found["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
