"""Copies of the first stages of a store, and their upgrade: the missing stages are fetched chunk by chunk.

Values: a store and a place in; a smaller store in that place, which opens like any other, out. Implements FORMAT.md
section 10 (bytes under the chunk keys go over as they are). Guarantees that a byte that the copy holds is not read
again. Every stage is compared with its record before it is kept. A copy that was interrupted goes on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmip_gpu.errors import InvalidArgument, MmipError, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.claim import claimed
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.report import COMPLETE, description_of, held_stages
from mmip_gpu.store.group.zarr_group import RECORDS, StoreGroup
from mmip_gpu.store.run.runners import progress_bar, running

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["fetch_zarr", "upgrade_zarr"]

_LOG = logging.getLogger(__name__)

_THREADS = 8  # requests wait for the store more than for a core
_COPY = "copy"


@public()
def fetch_zarr(
    source: StoreLike | os.PathLike[str],
    target: StoreLike | os.PathLike[str],
    *,
    stages: int | None = 1,
    threads: int = _THREADS,
    progress: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Copy the first stages of a store, as they are coded, to another place.

    The copy opens by `open_zarr` like the store itself, with the stages that it holds (FORMAT.md section 10). Fetching
    more stages into a copy reads only those that it lacks. A copy with all stages is a complete store.

    Parameters
    ----------
    source : path or zarr StoreLike
        What `open_zarr` opens: a folder, a .zip, a URL, a store.
    target : path or zarr StoreLike
        An empty place, or a copy of the same store.
    stages : int, optional
        So many stages are copied, from the first on; None takes all that `source` holds.
    threads : int
        So many chunks are under way at the same time.
    progress : bool, optional
        A bar is shown; by default where stderr is a terminal.
    storage_options : mapping, optional
        What fsspec needs to open a URL, such as keys: of both places.

    Returns
    -------
    dict
        ``stages`` is how many the copy holds now, ``stage_count`` how many a whole store has, ``bytes_read`` how many
        bytes of chunks were read from `source`.

    Raises
    ------
    InvalidArgument
        There are fewer stages, or both places are one.
    StoreError
        A place cannot be read or written, `source` is not complete, `target` holds something else, or another job
        writes into it.
    CorruptData
        A chunk of `source` is damaged. The message has its coordinates.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store, copy = {}, {}
    >>> whole = mmip.write_zarr("phantom3d:16x64x64", store, quality=10)
    >>> fetched = mmip.fetch_zarr(store, copy, stages=1)
    >>> fetched["bytes_read"] == whole["stages"][0]["bytes_to_here"], mmip.open_zarr(copy).stages
    (True, 1)
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InvalidArgument(f"threads={threads!r}: expected a positive integer")
    origin = StoreGroup(source, read_only=True, storage_options=storage_options)
    attributes, description = _complete_store(origin)
    available = held_stages(attributes, description)
    wanted = available if stages is None else stages
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= available:
        raise InvalidArgument(f"stages={stages!r}: expected 1..{available}, the stages of {origin}")
    group = StoreGroup(target, read_only=False, durable=True, storage_options=storage_options)
    if str(group) == str(origin):
        raise InvalidArgument(f"{group}: a store cannot be copied onto itself")
    read, before = 0, _stages_of_copy(group, attributes, description)
    if before < wanted:
        with claimed(group) as claim:
            before = _stages_of_copy(group, attributes, description)  # which another copy may have changed until now
            if before < wanted:
                group.set_attributes(_copy_attributes(attributes, before, source))
                arrays = description.stage_arrays()[:wanted]
                group.create_arrays(arrays, description.grid.counts, description.record_bytes)
                read = _copy(ChunkStore(origin, description), ChunkStore(group, description), wanted, threads, progress)
                whole = wanted == description.stage_count
                claim.check()
                group.set_attributes(
                    _own_attributes(attributes) if whole else _copy_attributes(attributes, wanted, source)
                )
    group.close()
    _LOG.info("%s: %d stages, %d bytes read from %s", group, max(before, wanted), read, origin)
    return {"stages": max(before, wanted), "stage_count": description.stage_count, "bytes_read": read}


@public()
def upgrade_zarr(
    target: StoreLike | os.PathLike[str],
    *,
    stages: int | None = None,
    source: StoreLike | os.PathLike[str] | None = None,
    threads: int = _THREADS,
    progress: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Refine a copy in place: fetch the stages that it lacks, and read nothing else.

    FORMAT.md section 10 describes the copy, whose attributes name where it came from.

    Parameters
    ----------
    target : path or zarr StoreLike
        A copy that `fetch_zarr` made.
    stages : int, optional
        The copy then holds so many stages; by default all.
    source : path or zarr StoreLike, optional
        Where the stages are fetched from; by default the path or URL that the copy was made of. What a copy names is
        opened only if it is a plain path or a URL of the web or of an object store; of a copy that is not on this
        machine, only a URL of the same host.
    threads, progress, storage_options
        As in `fetch_zarr`.

    Returns
    -------
    dict
        What `fetch_zarr` gives.

    Raises
    ------
    InvalidArgument
        There are fewer stages, or it is not known what `target` is a copy of.
    StoreError, CorruptData
        As in `fetch_zarr`, and where the copy names a place that is not opened.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store, copy = {}, {}
    >>> _ = mmip.write_zarr("phantom3d:16x64x64", store, quality=10)
    >>> _ = mmip.fetch_zarr(store, copy, stages=1)
    >>> mmip.upgrade_zarr(copy, source=store)["stages"]
    3
    """
    group = StoreGroup(target, read_only=True, storage_options=storage_options)
    attributes, description = _complete_store(group)
    held = held_stages(attributes, description)
    if held == description.stage_count:
        return {"stages": held, "stage_count": held, "bytes_read": 0}
    found = attributes[_COPY].get("origin") if source is None else source
    if found is None:
        raise InvalidArgument(f"{group}: it is not known what it is a copy of; pass source= (--source)")
    if source is None and not group.may_open(found):
        raise StoreError(
            f"{group}: it names {str(found)[:200]!r} as what it is a copy of, which is no plain path or URL that such "
            "a copy may name: it is not opened; pass source= (--source) where it is to be fetched from"
        )
    return fetch_zarr(found, target, stages=stages, threads=threads, progress=progress, storage_options=storage_options)


def _complete_store(group: StoreGroup) -> tuple[dict[str, Any], StoreDescription]:
    """Attributes and description of a complete store, or of a copy of one."""
    attributes = group.attributes()
    if attributes is None:
        raise StoreError(f"{group}: expected a store of write_zarr, found nothing")
    description = description_of(group, attributes)
    if attributes.get("state") != COMPLETE:
        raise StoreError(f"{group}: the job that writes it has not ended")
    return attributes, description


def _stages_of_copy(group: StoreGroup, attributes: Mapping[str, Any], description: StoreDescription) -> int:
    """Stages that a place holds of a store; 0 where it is empty."""
    found = group.attributes()
    if found is None:
        return 0
    if _own_attributes(found) != _own_attributes(attributes):
        raise StoreError(f"{group}: expected a copy of the same store or an empty place, found another store")
    return held_stages(found, description)


def _copy_attributes(attributes: Mapping[str, Any], stages: int, source: Any) -> dict[str, Any]:
    """Attributes of a copy that holds some stages."""
    origin = None
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        origin = text if "://" in text else os.path.abspath(text)  # noqa: PTH100  # a path that is stored as text
    return dict(attributes) | {_COPY: {"stages": stages, "origin": origin}}


def _own_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key != _COPY}


def _copy(source: ChunkStore, target: ChunkStore, stages: int, threads: int, progress: bool | None) -> int:
    """Copy what the target lacks; how many bytes that were."""
    counts: list[int] = []
    grid = source.description.grid

    def work(at: Coordinates) -> int:
        return _copy_chunk(source, target, at, stages)

    with running(None, threads) as run, progress_bar("fetch_zarr", grid.chunk_count, run, progress) as advance:

        def done(size: int) -> None:
            counts.append(size)
            advance()

        run_bounded(work, grid.coordinates(), threads, done)
    return sum(counts)


def _copy_chunk(source: ChunkStore, target: ChunkStore, at: Coordinates, stages: int) -> int:
    """Copy the stages of a chunk that the target lacks, then its record, if it lacks that."""
    (record,) = target.group.read_many([target.whole(RECORDS, at)])
    lacking = list(range(1, stages + 1))
    if record is not None:
        try:
            header = target.parsed(at, record)
            lacking = [stage for stage in lacking if not target.has_stage(at, header, stage)]
        except MmipError:
            record = None
    requests = [source.whole(source.description.array_name(stage), at) for stage in lacking]
    requests += [source.whole(RECORDS, at)] if record is None else []
    found = dict(zip((name for name, _, _ in requests), source.group.read_many(requests), strict=True))
    fetched = record is None
    record = found.get(RECORDS) if fetched else record
    if record is None:
        raise source.missing(at, 0)
    header = source.parsed(at, record)
    copied = {}
    for stage in lacking:
        name = source.description.array_name(stage)
        data = found[name]
        if data is None:
            raise source.missing(at, stage)
        with source.naming_chunk(at):
            source.check_stage(data, at, header, stage)
        copied[name] = data
    target.group.write(at, copied)
    if fetched:
        target.group.write(at, {RECORDS: record})
    return sum(len(data) for data in found.values() if data is not None)
