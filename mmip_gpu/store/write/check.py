"""Checking a whole store, and coding again what is missing or damaged in it.

Values: a place in; a JSON-safe report out. Implements FORMAT.md section 10 (what makes a chunk valid). Guarantees that
checking compares every crc, every record and the report with one another and writes nothing, and that a repaired
chunk has the bytes that it had: the plan is the store's, and what contradicts a record that is left is refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources import open_source
from mmip_gpu.store.group.chunk_header import crc_of
from mmip_gpu.store.group.claim import claimed
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.report import COMPLETE, description_of, held_stages
from mmip_gpu.store.group.zarr_group import RECORDS, StoreGroup
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.region_classes import RegionClasses
from mmip_gpu.store.job.survey import Survey
from mmip_gpu.store.job.tasks import CheckChunk, CheckedChunk, RepairChunk, Runner, WriteChunk
from mmip_gpu.store.run.cluster_survey import survey_of
from mmip_gpu.store.run.runners import progress_bar, running
from mmip_gpu.store.run.workers import ClientLike

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["repair_zarr", "verify_zarr"]


def verify_zarr(
    path: StoreLike | os.PathLike[str],
    *,
    threads: int | None = None,
    client: ClientLike | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Read all of a store and say what is missing or damaged in it.

    Parameters
    ----------
    path : path or zarr StoreLike
        A store of `write_zarr`; of a copy of its first stages, these are checked.
    threads, client, progress
        As in `write_zarr`.

    Returns
    -------
    dict
        ``ok``; ``complete``, whether the job ended; ``chunk_count``; ``chunks``, a list of those that are not whole
        with ``chunk`` (plane, z, y, x), ``region`` ([start, stop] per axis), ``state`` (missing or damaged) and
        ``problem``; ``arrays``, what is wrong with arrays (then no chunk is looked at); ``report``, where the report
        of the store and its records disagree.

    Raises
    ------
    StoreError, CorruptData, UnsupportedVersion
        Where there is no store, or its attributes cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import mmip_gpu as mmip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = mmip.write_zarr("phantom3d:16x64x64", folder, quality=10)
    ...     mmip.verify_zarr(folder)["ok"]
    True
    """
    group = StoreGroup(path, read_only=True)
    check = _StoreCheck(group)
    with running(client, thread_count(threads)) as run:
        check.check_chunks(run, progress)
    return check.to_dict()


def repair_zarr(
    path: StoreLike | os.PathLike[str],
    source: Any,
    *,
    roi: Any = None,
    threads: int | None = None,
    client: ClientLike | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Code again, from the source and with the plan of the store, what is missing or damaged in it.

    Parameters
    ----------
    path : path or zarr StoreLike
        A store of `write_zarr` whose job ended.
    source : array_like, path or str
        What the store was written from. One that only looks different (a copy, another date) is taken if a chunk that
        is whole comes out of it as it is in the store.
    roi : array, optional
        The mask that the store was written with, if it was. Rules are in the store.
    threads, client, progress
        As in `write_zarr`.

    Returns
    -------
    dict
        What `verify_zarr` gives afterwards, with ``repaired``: the coordinates of the chunks.

    Raises
    ------
    StoreError
        Where the source or the mask is another, a chunk cannot be made as it was, or the job never ended.

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
    group = StoreGroup(path, read_only=False)
    check = _StoreCheck(group)
    if check.held < check.store.description.stage_count:
        raise StoreError(f"{group}: a copy of its first stages: mmip upgrade completes it")
    if not check.complete:
        raise StoreError(f"{group}: its job did not end: write it again, which keeps what is whole")
    with running(client, thread_count(threads)) as run:
        job = check.job(source, roi, survey_of(run))
        with claimed(group) as claim:
            repaired = check.repair(RepairChunk(WriteChunk(check.store, job, claim)), run, progress)
    return check.to_dict() | {"repaired": [list(at) for at in repaired]}


class _StoreCheck:
    """One look through a store."""

    def __init__(self, group: StoreGroup) -> None:
        attributes = group.attributes()
        if attributes is None:
            raise StoreError(f"{group}: expected a store of write_zarr, found nothing")
        self.attributes = attributes
        self.store = ChunkStore(group, description_of(group, attributes))
        self.complete = attributes.get("state") == COMPLETE
        self.held = held_stages(attributes, self.store.description)
        self.totals = Totals(self.store.description)
        self.broken: dict[Coordinates, CheckedChunk] = {}
        self.arrays: list[str] = []

    def check_chunks(self, run: Runner, progress: bool | None, items: Sequence[Coordinates] | None = None) -> None:
        """Check the arrays and all chunks, or some of them again."""
        grid = self.store.description.grid
        self.arrays = self._array_problems()
        if self.arrays:
            return
        with progress_bar("verify", grid.chunk_count if items is None else len(items), run, progress) as advance:

            def done(at: Coordinates, found: CheckedChunk) -> None:
                if found.header is None:
                    self.broken[at] = found
                else:
                    self.broken.pop(at, None)
                    self.totals.add(at, found.header, self.store.stage_bytes(at, found.header))
                advance()

            run(CheckChunk(self.store, self.held), grid.coordinates() if items is None else items, done)

    def disagreements(self) -> list[str]:
        """What the report of a complete store, all of it whole, says otherwise than its records."""
        if self.broken or self.arrays or not self.complete:
            return []
        stated, records = self._attribute("report"), self.totals.report()
        return [
            f"{key}: expected {value}, found {stated.get(key)}"
            for key, value in records.items()
            if not _agree(value, stated.get(key))
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        grid, report = self.store.description.grid, self.disagreements()
        chunks = [
            {
                "chunk": list(at),
                "region": [[s.start, s.stop] for s in grid.region(at)],
                "state": found.state,
                "problem": found.problem,
            }
            for at, found in sorted(self.broken.items())
        ]
        return {
            "ok": self.complete and not (chunks or report or self.arrays),
            "complete": self.complete,
            "chunk_count": grid.chunk_count,
            "chunks": chunks,
            "arrays": self.arrays,
            "report": report,
        }

    def job(self, source: Any, roi: Any, survey: Survey) -> Job:
        """Return the job that wrote the store, of this source and mask.

        Raises
        ------
        StoreError
            Where they are not those of the store.
        """
        description, group = self.store.description, self.store.group
        stated = self._attribute("job")
        masked = str(stated.get("roi") or "").startswith("mask:")
        if roi is None and masked:
            raise InvalidArgument(f"{group}: it was written with a mask: pass it as roi=")
        layout, plan = description.grid.layout, description.plan
        opened = replace(open_source(source), axes=layout.axes)
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

    def repair(self, task: RepairChunk, run: Runner, progress: bool | None) -> list[Coordinates]:
        """Recode what a look finds, look at it again, and set the report right; gives what was recoded."""
        group, description = self.store.group, self.store.description
        group.create_arrays(description.stage_arrays(), description.grid.counts, description.record_bytes)
        self.check_chunks(run, progress)
        broken = sorted(self.broken)
        if broken:
            self._check_source(task)
            run(task, broken, lambda _, __: None)
            self.check_chunks(run, progress, broken)
        displaced = self._misplaced(task)
        if displaced:
            task.write.claim.check()
            for at in displaced:
                self.store.discard(at)
            run(task, displaced, lambda _, __: None)
            self.totals = Totals(description)
            self.check_chunks(run, progress)
        if self.disagreements():
            self.attributes["report"] = self._attribute("report") | self.totals.report()
            task.write.claim.check()
            group.set_attributes(self.attributes)
        return sorted({*broken, *displaced})

    def _misplaced(self, task: RepairChunk) -> list[Coordinates]:
        """Return chunks that are whole, but not of what the source has there; looked for where the checksums disagree.

        Raises
        ------
        StoreError
            Where there are some, and the source may be another.
        """
        stated, job = self._attribute("report").get("source_checksum"), task.write.job
        if self.broken or stated == self.totals.report()["source_checksum"]:
            return []
        grid = self.store.description.grid
        found = [
            at for at in grid.coordinates() if crc_of(job.read(grid.region(at))[0]) != self.store.header(at).source_crc
        ]
        if found and self._attribute("job").get("source") != job.source.fingerprint:
            raise StoreError(
                f"{self.store.group}: the source is not the one that it was written from: {found[0]} differs"
            )
        return found

    def _attribute(self, key: str) -> dict[str, Any]:
        """Part of the attributes, as far as it is one."""
        found = self.attributes.get(key)
        return dict(found) if isinstance(found, Mapping) else {}

    def _check_source(self, task: RepairChunk) -> None:
        """Raise StoreError unless the source is the store's: by its fingerprint, or by a chunk that is whole."""
        if self._attribute("job").get("source") == task.write.job.source.fingerprint:
            return
        whole = next((at for at in self.store.description.grid.coordinates() if at not in self.broken), None)
        if whole is not None and task.write.encoded(whole).header == self.store.header(whole):
            return
        proof = "no chunk is whole to compare it with" if whole is None else f"chunk {whole} comes out of it otherwise"
        raise StoreError(f"{self.store.group}: the source is not the one that it was written from, and {proof}")

    def _array_problems(self) -> list[str]:
        """What is wrong with the arrays of the group, one text each."""
        description = self.store.description
        shapes = {array.name: array.shape for array in description.stage_arrays()[: self.held]}
        shapes[RECORDS] = (*description.grid.counts, description.record_bytes)
        problems = []
        for name, shape in shapes.items():
            try:
                found = self.store.group.array(name).shape
            except StoreError as error:
                problems.append(str(error))
                continue
            if found != shape:
                problems.append(f"the array {name}: expected shape {shape}, found {found}")
        return problems


def _agree(expected: Any, found: Any) -> bool:
    """Whether two reports say the same, but for the rounding of sums in another order."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return all(_agree(value, found.get(key)) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_agree, expected, found))
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=1e-9)
    return bool(expected == found)
