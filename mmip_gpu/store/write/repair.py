"""Coding again what is missing or damaged in a store, from its source.

Values: a store and the source that it was written from in; a JSON-safe report out. Implements FORMAT.md section 10
(what makes a chunk valid). Guarantees that a repaired chunk has the bytes that it had: the plan is the store's. What
contradicts a record that is left is refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.sources import MOST_BYTES, Source
from mmip_gpu.sources.stated import stated_again
from mmip_gpu.store.group.chunk_header import crc_of
from mmip_gpu.store.group.claim import claimed
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import Totals
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.survey import Survey
from mmip_gpu.store.job.tasks import RepairChunk, Runner, WriteChunk
from mmip_gpu.store.run.cluster_survey import survey_of
from mmip_gpu.store.run.runners import running
from mmip_gpu.store.run.workers import ClientLike
from mmip_gpu.store.write.check import StoreCheck
from mmip_gpu.store.write.store_source import any_source

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["repair_zarr"]

_LOG = logging.getLogger(__name__)


@public()
def repair_zarr(
    path: StoreLike | os.PathLike[str],
    source: Any,
    *,
    roi: Any = None,
    threads: int | None = None,
    client: ClientLike | None = None,
    progress: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    max_bytes: int = MOST_BYTES,
) -> dict[str, Any]:
    """Code again what is missing or damaged in a store, from its source and with its plan.

    A chunk comes out of it with the bytes that it had. Whatever contradicts a record that is left is refused.

    Parameters
    ----------
    path : path or zarr StoreLike
        A store of `write_zarr` whose job ended, with all stages.
    source : array_like, path or str
        What the store was written from: the same shape and dtype. A source that only looks different (a copy, another
        date) is taken if a whole chunk comes out of it as it is in the store.
    roi : array, path or str, optional
        The mask that the store was written with, if it was. A rule is in the store.
    threads, client, progress, storage_options, max_bytes
        As in `write_zarr`.

    Returns
    -------
    dict
        What `verify_zarr` gives afterwards, with ``repaired``: the coordinates (plane, z, y, x) of the chunks.

    Raises
    ------
    InvalidArgument
        The store was written with a mask, which is not passed.
    StoreError
        The source or the mask is another, a chunk cannot be made as it was, the job never ended, or another job writes
        into the store.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import mmip_gpu as mmip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = mmip.write_zarr("phantom3d:16x64x64", folder, quality=10)
    ...     pathlib.Path(folder, "stage_2/c/0/0/0/0/0").unlink()
    ...     mmip.repair_zarr(folder, "phantom3d:16x64x64")["repaired"]
    [[0, 0, 0, 0]]
    """
    group = StoreGroup(path, read_only=False, durable=True, storage_options=storage_options)
    check = StoreCheck(group)
    if check.held < check.store.description.stage_count:
        raise StoreError(f"{group}: a copy of its first stages: mmip upgrade completes it")
    if not check.complete:
        raise StoreError(f"{group}: its job did not end: write it again, which keeps what is whole")
    stated = stated_again(check.attributes)
    opened = any_source(source, storage_options, max_bytes=max_bytes, progress=progress, **stated)
    with running(client, thread_count(threads)) as run:
        job = _job_of(check, opened, roi, survey_of(run))
        with claimed(group) as claim:
            repaired = _repaired(check, RepairChunk(WriteChunk(check.store, job, claim)), run, progress)
    _LOG.info("%s: %d chunks repaired", group, len(repaired))
    return check.to_dict() | {"repaired": [list(at) for at in repaired]}


def _job_of(check: StoreCheck, source: Source, roi: Any, survey: Survey) -> Job:
    """Return the job that wrote the store, of this source and mask.

    Raises
    ------
    StoreError
        Where they are not those of the store.
    """
    description, group = check.store.description, check.store.group
    stated = check.attribute("job")
    masked = str(stated.get("roi") or "").startswith("mask:")
    if roi is None and masked:
        raise InvalidArgument(f"{group}: it was written with a mask: pass it as roi=")
    layout, plan = description.grid.layout, description.plan
    opened = replace(source, axes=layout.axes)
    classes = RegionClasses.of(roi if masked else description.rule, layout).surveyed(survey)
    expected = {"shape": layout.shape, "dtype": description.dtype, "roi": stated.get("roi") if masked else None}
    found = {
        "shape": opened.shape,
        "dtype": opened.dtype.name,
        "roi": classes.identity if masked else None,
    }
    different = [
        f"{key}: expected {value}, found {found[key]}" for key, value in expected.items() if found[key] != value
    ]
    if different:
        raise StoreError(f"{group}: it was written from another source ({'; '.join(different)})")
    return Job(opened, layout, plan.config, plan.colour, description.grid.chunks, classes, None)


def _repaired(check: StoreCheck, task: RepairChunk, run: Runner, progress: bool | None) -> list[Coordinates]:
    """Code again what a check finds, check it, and set the report right; the chunks that were coded."""
    group, description = check.store.group, check.store.description
    group.create_arrays(description.stage_arrays(), description.grid.counts, description.record_bytes)
    check.check_chunks(run, progress)
    broken = sorted(check.broken)
    if broken:
        _require_source(check, task)
        run(task, broken, lambda _, __: None)
        check.check_chunks(run, progress, broken)
    misplaced = _misplaced(check, task)
    if misplaced:
        task.write.claim.check()
        for at in misplaced:
            check.store.discard(at)
        run(task, misplaced, lambda _, __: None)
        check.totals = Totals(description)
        check.check_chunks(run, progress)
    if check.disagreements():
        check.attributes["report"] = check.attribute("report") | check.totals.report()
        task.write.claim.check()
        group.set_attributes(check.attributes)
    return sorted({*broken, *misplaced})


def _misplaced(check: StoreCheck, task: RepairChunk) -> list[Coordinates]:
    """Return chunks that are whole, but not of what the source has there; looked for where the checksums disagree.

    Raises
    ------
    StoreError
        Where there are some, and the source may be another.
    """
    stated, job = check.attribute("report").get("source_checksum"), task.write.job
    if check.broken or stated == check.totals.report()["source_checksum"]:
        return []
    grid = check.store.description.grid
    found = [
        at for at in grid.coordinates() if crc_of(job.read(grid.region(at))[0]) != check.store.header(at).source_crc
    ]
    if found and check.attribute("job").get("source") != job.source.fingerprint:
        raise StoreError(f"{check.store.group}: the source is not the one that it was written from: {found[0]} differs")
    return found


def _require_source(check: StoreCheck, task: RepairChunk) -> None:
    """Raise StoreError unless the source is the store's: by its fingerprint, or by a chunk that is whole."""
    if check.attribute("job").get("source") == task.write.job.source.fingerprint:
        return
    whole = next((at for at in check.store.description.grid.coordinates() if at not in check.broken), None)
    if whole is not None and task.write.encoded(whole).header == check.store.header(whole):
        return
    proof = "no chunk is whole to compare it with" if whole is None else f"chunk {whole} comes out of it otherwise"
    raise StoreError(f"{check.store.group}: the source is not the one that it was written from, and {proof}")
