"""Checking a whole store: every crc, every record and the report, compared with one another.

Values: a store in; a JSON-safe report out. Implements FORMAT.md section 10 (what makes a chunk valid). Guarantees that
checking writes nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import StoreError
from mmip_gpu.signatures import public
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.report import CHANNELS, COMPLETE, description_of, held_stages
from mmip_gpu.store.group.zarr_group import RECORDS, StoreGroup
from mmip_gpu.store.job.tasks import CheckChunk, CheckedChunk, Runner
from mmip_gpu.store.run.runners import progress_bar, running
from mmip_gpu.store.run.workers import ClientLike

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["StoreCheck", "verify_zarr"]


@public()
def verify_zarr(
    path: StoreLike | os.PathLike[str],
    *,
    threads: int | None = None,
    client: ClientLike | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Read all of a store, and say what is missing or damaged in it.

    Every stage is compared with the crcs of its record, every chunk is decoded, and the report is compared with the
    sums over the records (FORMAT.md section 10). Nothing is written.

    Parameters
    ----------
    path : path or zarr StoreLike
        A store of `write_zarr`. Of a copy of its first stages these are checked.
    threads, client, progress
        As in `write_zarr`.

    Returns
    -------
    dict
        It can be written as JSON. ``ok`` tells whether nothing is wrong, ``complete`` whether the job ended,
        ``chunk_count`` how many chunks there are. ``chunks`` lists those that are not whole: ``chunk`` (plane, z, y,
        x), ``region`` ([start, stop] in samples for each axis), ``state`` (missing or damaged) and ``problem``.
        ``arrays`` says what is wrong with arrays; then no chunk is looked at. ``report`` says where the report of the
        store and its records disagree.

    Raises
    ------
    StoreError
        There is no store, or it cannot be read.
    CorruptData, UnsupportedVersion
        The attributes are damaged, or of another version.

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
    check = StoreCheck(group)
    with running(client, thread_count(threads)) as run:
        check.check_chunks(run, progress)
    return check.to_dict()


class StoreCheck:
    """What checks of a store found: its chunks that are not whole, its arrays, and the sums over its records."""

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
        stated, records = self.attribute("report"), self.totals.report()
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

    def attribute(self, key: str) -> dict[str, Any]:
        """A mapping in the attributes of the store; empty where there is none."""
        found = self.attributes.get(key)
        return dict(found) if isinstance(found, Mapping) else {}

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
        return all(_agree(value, found.get(key)) for key, value in expected.items() if key in found or key != CHANNELS)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_agree, expected, found))
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=1e-9)
    return bool(expected == found)
