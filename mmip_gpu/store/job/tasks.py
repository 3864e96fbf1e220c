"""The tasks of one chunk of a store: it is written, checked or repaired, in this process or in any other.

Values: chunk coordinates in; the header of the chunk, or what is wrong with it, out. Tasks pickle, so that a cluster
runs the same code as threads do. Guarantees that a task writes only while its job holds the claim of the store, stages
first, the record last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.encoded import Encoded
from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, MmipError, StoreError, UnsupportedVersion
from mmip_gpu.store.group.chunk_header import ChunkHeader
from mmip_gpu.store.group.claim import Claim
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.zarr_group import RECORDS
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.task_samples import TaskSamples

__all__ = ["CheckChunk", "CheckedChunk", "RepairChunk", "Runner", "Task", "WholeChunk", "WriteChunk"]


@dataclass(frozen=True)
class WriteChunk:
    """Code a chunk and write it; gives its header. With `keep`, a chunk that is whole stays as it is."""

    store: ChunkStore
    job: Job
    claim: Claim
    keep: bool = False

    def __call__(self, at: Coordinates) -> Header[Any]:
        """Write the chunk."""
        return self.kept(at) or self.write(at, self.encoded(at))

    def kept(self, at: Coordinates) -> Header[Any] | None:
        """Header of a chunk that is whole and stays; otherwise the chunk is discarded, to be coded."""
        if not self.keep:
            return None
        header = self.store.whole_header(at)
        if header is None:
            self.claim.check()
            self.store.discard(at)
        return header

    def write(self, at: Coordinates, encoded: Encoded) -> Header[Any]:
        """Write a chunk that was coded."""
        self.claim.check()
        self.store.write(at, encoded)
        return encoded.header

    def encoded(self, at: Coordinates) -> Encoded:
        """Code the chunk."""
        return self.job.code(self.store.description, at)

    def with_samples(self, **found: TaskSamples) -> WriteChunk:
        """Return the task of chunks whose `samples` or `mask` came with it."""
        job = self.job
        if "samples" in found:
            job = replace(job, source=found["samples"].as_source(job.source))
        if "mask" in found and job.classes.mask is not None:
            job = replace(job, classes=replace(job.classes, mask=found["mask"].as_source(job.classes.mask)))
        return replace(self, job=job)


@dataclass(frozen=True)
class WholeChunk:
    """Look whether a chunk is whole: its header, or None."""

    store: ChunkStore

    def __call__(self, at: Coordinates) -> Header[Any] | None:
        """Give the header of a chunk that is whole."""
        return self.store.whole_header(at)


@dataclass(frozen=True)
class CheckedChunk:
    """What a chunk is: whole, with its header; or missing or damaged, with what is wrong."""

    header: ChunkHeader | None
    state: str = "whole"
    problem: str = ""


@dataclass(frozen=True)
class CheckChunk:
    """Read the first stages of a chunk, by default all, and decode it, so that every crc is compared."""

    store: ChunkStore
    stages: int | None = None

    def __call__(self, at: Coordinates) -> CheckedChunk:
        """Say what the chunk is."""
        group, description = self.store.group, self.store.description
        stages = self.stages or description.stage_count
        names = [RECORDS, *(description.array_name(stage + 1) for stage in range(stages))]
        try:
            absent = [name for name in names if group.size(name, at) is None]
            if absent:
                return CheckedChunk(None, "missing", f"{', '.join(absent)} not found")
            header = self.store.header(at)
            with self.store.naming_chunk(at):
                codec_of(header).decode(header, self.store.part_reader(at, header), Wanted(stages), Limits())
        except MmipError as error:  # a file that cannot be read is a finding as any other
            return CheckedChunk(None, "damaged", str(error).removeprefix(f"{group}: chunk {at}").lstrip(":, "))
        return CheckedChunk(header)


@dataclass(frozen=True)
class RepairChunk:
    """Code a chunk again, and write it unless what is left of it says that it was another."""

    write: WriteChunk

    @property
    def store(self) -> ChunkStore:
        """The store that is repaired."""
        return self.write.store

    def with_samples(self, **found: TaskSamples) -> RepairChunk:
        """Return the task of chunks whose samples or mask came with it."""
        return replace(self, write=self.write.with_samples(**found))

    def __call__(self, at: Coordinates) -> Header[Any]:
        """Recode the chunk.

        Raises
        ------
        StoreError
            Where its record is whole and not the one of the recoded chunk.
        """
        store, encoded = self.store, self.write.encoded(at)
        try:
            before = store.header(at)
        except (StoreError, CorruptData, UnsupportedVersion):
            before = None
        if before is not None and before != encoded.header:
            raise StoreError(
                f"{store.group}: chunk {at}: recoding gives another than its record tells of: the source or the "
                "encoder differs"
            )
        self.write.claim.check()
        store.discard(at)
        store.write(at, encoded)
        return encoded.header


Task: TypeAlias = WriteChunk | WholeChunk | CheckChunk | RepairChunk
Runner: TypeAlias = Callable[[Task, Iterable[Coordinates], Callable[[Coordinates, Any], None]], None]
"""Calls a task for all coordinates, and a function with each of them and what the task gave, as they finish."""
