"""Growing a store: more planes after the last, coded by the plan that it has.

Values: a store and the source of what comes after it in; a longer store out. Implements FORMAT.md section 10.
Guarantees that no chunk that is there is touched. The attributes are written last, so that a job which is killed leaves
the store that was there. What was asked for holds for all of it, or nothing is appended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmip_gpu._core import crc32c
from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.sources import MOST_BYTES, Source
from mmip_gpu.sources.stated import stated_again, stated_samples
from mmip_gpu.store.group.claim import claimed
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import Coordinates, Region
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.report import COMPLETE, description_of, report_of
from mmip_gpu.store.group.zarr_group import RECORDS, StoreGroup
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.tasks import WriteChunk
from mmip_gpu.store.run.runners import progress_bar, running
from mmip_gpu.store.write.store_source import any_source

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["append_zarr"]

_UNNAMED = ("array", "npy", "dask")  # kinds of sources that name no axes
_PLANES = "tnc"  # outermost first: more of the first that there is renumbers no chunk


@public()
def append_zarr(
    source: Any,
    path: StoreLike | os.PathLike[str],
    *,
    axis: str | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    max_bytes: int = MOST_BYTES,
) -> dict[str, Any]:
    """Append to a store of `write_zarr`: further time points, or further slices in whole chunks.

    Chunks are coded by the plan of the store, so that every bound that it was written with holds for the new ones, too.
    Those that are there stay as they are. A job that stops halfway leaves the store as it was; call it again.

    Parameters
    ----------
    source : array_like, path or str
        What `write_zarr` takes, with the axes, dtype and shape of the store but for the axis that grows. Arrays
        without names of axes have those of the store.
    path : path or zarr StoreLike
        A complete store with all its stages; a .zip cannot grow.
    axis : str, optional
        The axis that grows: the outermost of ``t`` and ``n`` that the store has, or ``z``, the default without them. On
        ``z`` the store has to end with a whole chunk.
    threads, progress, storage_options, max_bytes
        As in `write_zarr`.

    Returns
    -------
    dict
        The report of the store, as `open_zarr` has it.

    Raises
    ------
    InvalidArgument
        The source does not fit, or the whole would miss the PSNR or the ratio that the store was written for.
    StoreError
        There is no complete store, or another job writes into it.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store, series = {}, mmip.phantom3d((48, 64, 64))
    >>> _ = mmip.write_zarr(series[:32], store, max_error=2, chunks=(16, 64, 64))
    >>> report = mmip.append_zarr(series[32:], store)
    >>> report["shape"], report["loss"]["reached"] <= 2
    ([48, 64, 64], True)
    """
    started = time.monotonic()
    group = StoreGroup(path, read_only=False, durable=True, storage_options=storage_options)
    if not group.can_claim or str(path).endswith(".zip"):
        raise StoreError(f"{group}: a .zip cannot grow; append to a folder")
    stated = stated_again(group.attributes())
    opened = any_source(source, storage_options, max_bytes=max_bytes, progress=progress, **stated)
    with claimed(group) as claim, running(None, thread_count(threads)) as run:
        growth = _Growth.of(group, opened, axis)
        store = ChunkStore(group, growth.description)
        task, totals = WriteChunk(store, growth.job(), claim), Totals(growth.description)
        new = growth.coordinates()
        with progress_bar("append_zarr", len(new), run, progress) as advance:
            run(task, new, lambda _, __: advance())
        for at in growth.description.grid.coordinates():
            header = store.header(at)
            totals.add(at, header, store.stage_bytes(at, header))
        _check_target(growth.description, totals, new, group)
        claim.check()
        store.group.create_arrays(
            growth.description.stage_arrays(), growth.description.grid.counts, growth.description.record_bytes
        )
        attributes = growth.attributes() | {"report": totals.report()}
        group.set_attributes(attributes)
    group.close()
    report = report_of(attributes, growth.description)
    report["seconds"] = round(time.monotonic() - started, 3)
    return report


@dataclass(frozen=True)
class _Growth:
    """A store as it was, what comes after it, and the store as it will be."""

    before: dict[str, Any]
    source: Source
    axis: str
    start: int
    description: StoreDescription

    @classmethod
    def of(cls, group: StoreGroup, source: Source, axis: str | None) -> _Growth:
        before = group.attributes()
        if before is None or before.get("state") != COMPLETE or before.get("copy") is not None:
            raise StoreError(f"{group}: expected a complete store with all its stages")
        if str(before["job"].get("roi") or "").startswith("mask:"):
            raise InvalidArgument(f"{group}: it was written with a mask, which says nothing of what comes after it")
        description = description_of(group, before)
        source = _widened(source, np.dtype(description.dtype))
        layout = description.grid.layout
        if source.metadata["kind"] in _UNNAMED and len(source.axes) == len(layout.axes):
            source = replace(source, axes=layout.axes)
        letter = _growing_axis(layout.axes) if axis is None else axis
        _check_fits(group, description, source, letter)
        index = layout.axes.index(letter)
        shape = list(layout.shape)
        shape[index] += source.shape[index]
        grid = replace(description.grid, layout=replace(layout, shape=tuple(shape)))
        metadata = _joined_metadata(before.get("metadata") or {}, source, letter)
        grown = replace(description, grid=grid)
        return cls(before | {"metadata": metadata}, source, letter, layout.shape[index], grown)

    def coordinates(self) -> list[Coordinates]:
        """The chunks that come after those that are there."""
        index = self.description.grid.layout.axes.index(self.axis)
        grid = self.description.grid
        return [at for at in grid.coordinates() if grid.region(at)[index].start >= self.start]

    def job(self) -> Job:
        """The job that codes the new chunks."""
        layout, plan = self.description.grid.layout, self.description.plan
        index = layout.axes.index(self.axis)
        start, read = self.start, self.source.read

        def shifted(region: Region) -> Any:
            moved = slice(region[index].start - start, region[index].stop - start)
            return read((*region[:index], moved, *region[index + 1 :]))

        source = replace(self.source, shape=layout.shape, axes=layout.axes, reader=shifted)
        classes = RegionClasses.of(self.description.rule, layout)
        return Job(source, layout, plan.config, plan.colour, self.description.grid.chunks, classes, None)

    def attributes(self) -> dict[str, Any]:
        """The attributes of the longer store, without its report."""
        job = self.before["job"]
        source = crc32c(f"{job.get('source')}+{self.source.fingerprint}".encode())
        shape = list(self.description.grid.layout.shape)
        identity = job | {"shape": shape, "source": f"appended:{source:08x}"}
        return self.before | {"job": identity, "description": self.description.to_dict()}


def _widened(source: Source, dtype: np.dtype[Any]) -> Source:
    """The source in the type of the store, where that holds all of its: a part may have less to hold than the whole."""
    is_narrow = dtype.kind in "iu" and dtype.itemsize <= 2 and np.can_cast(source.dtype, dtype)
    return stated_samples(source, dtype) if is_narrow else source


def _growing_axis(axes: str) -> str:
    return next((letter for letter in _PLANES[:2] if letter in axes), "z")


def _check_fits(group: StoreGroup, description: StoreDescription, source: Source, axis: str) -> None:
    """Raise InvalidArgument unless a source may come after a store on an axis."""
    layout, chunks = description.grid.layout, description.grid.chunks
    outermost = next((letter for letter in layout.plane_axes if letter in layout.axes), None)
    if axis not in layout.axes or axis not in {outermost, layout.slice_axis}:
        others = " and ".join(layout.plane_axes[:2])
        raise InvalidArgument(
            f"{group}: its axes are {layout.axes!r}: it grows on {layout.slice_axis}, or on the outermost of {others}; "
            f"found axis={axis!r}"
        )
    index = layout.axes.index(axis)
    length, chunk = layout.shape[index], chunks[index]
    if length % chunk:
        raise InvalidArgument(
            f"{group}: its last chunk holds {length % chunk} of {chunk} on axis {axis}: only whole chunks "
            "can be followed by others"
        )
    expected, found = list(layout.shape), list(source.shape)
    if len(found) == len(expected):
        expected[index] = found[index]
    if source.axes != layout.axes or expected != found or source.dtype.name != description.dtype:
        raise InvalidArgument(
            f"{source.name}: expected axes {layout.axes!r}, shape {tuple(layout.shape)} but for {axis}, "
            f"{description.dtype}; found {source.axes!r}, {tuple(source.shape)}, {source.dtype}"
        )


def _joined_metadata(before: dict[str, Any], source: Source, axis: str) -> dict[str, Any]:
    """What the store says of its samples, with the losses that the source has had.

    Raises
    ------
    InvalidArgument
        Where the source says otherwise, or has values slice by slice.
    """
    after = source.metadata
    for key, default in (("slope", 1.0), ("intercept", 0.0), ("spacing", None)):
        ours, theirs = before.get(key, default), after.get(key, default)
        if theirs not in (default, ours):
            raise InvalidArgument(f"{source.name}: its {key} is {theirs}, that of the store {ours}")
    sliced = [key for key, value in before.items() if key.endswith("_per_slice") and value is not None]
    if sliced and axis == "z":
        raise InvalidArgument(f"{', '.join(sliced)}: the store has a value for each slice, and cannot grow on z")
    history = [*(before.get("history") or []), *(after.get("history") or [])]
    return before | ({"history": history} if history else {})


def _check_target(description: StoreDescription, totals: Totals, new: list[Coordinates], group: StoreGroup) -> None:
    """Raise InvalidArgument where the longer store would miss what the store was written for; the new chunks go."""
    config = description.plan.config
    psnr, ratio = totals.target_psnr(), description.raw_bytes / max(totals.bytes, 1)
    found = {"psnr": psnr, "ratio": ratio}.get(config.mode)
    if found is not None and found < config.value:
        for name in (RECORDS, *(array.name for array in description.stage_arrays())):
            for at in new:
                group.delete(name, at)
        raise InvalidArgument(
            f"{config.mode}={config.value:g}: with what is appended the store would have {found:.4g}, since its step "
            "is fixed; nothing was appended. Write both anew, or a store of its own"
        )
