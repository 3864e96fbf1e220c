"""Writing a store: any source to a Zarr group, chunk by chunk, resumable.

Values: what `open_source` opens and a place in; stage arrays, records and attributes out.
Implements FORMAT.md section 10. Guarantees equal chunks for every thread count, at most `threads` chunks in
memory, and that a store whose job did not end never looks whole. Planning is in job.py, coding in codec.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmip_gpu.api import thread_count
from mmip_gpu.container import Header
from mmip_gpu.errors import InvalidArgument, StoreError

from .description import StoreDescription
from .grid import Coordinates
from .job import Job
from .place import Place
from .progress import progress_bar
from .read import ProgressiveArray
from .records import ChunkStore, Totals
from .report import COMPLETE, PREPARING, WRITING, attributes_of, report_of
from .window import run_bounded

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["write_zarr"]


def write_zarr(
    source: Any,
    path: StoreLike | os.PathLike[str],
    *,
    chunks: Sequence[int] | None = None,
    roi: Any = None,
    overwrite: bool = False,
    resume: bool = True,
    threads: int | None = None,
    progress: bool | None = None,
    axes: str | None = None,
    colour: bool | None = None,
    data_range: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Compress a volume of any size into a Zarr group that `open_zarr` reads stage by stage.

    Parameters
    ----------
    source : array_like, path or str
        What `mmip_gpu.sources.open_source` opens: NumPy, .npy, NIfTI, DICOM, TIFF, PNG, JPEG, a Zarr
        array, a phantom's name.
    path : path or zarr StoreLike
        A folder, which is made if there is none, a .zip, a URL that fsspec opens, or a store.
    chunks : sequence of int, optional
        Samples of a chunk, one number per axis or per axis out of z, y, x. Rounded up to 32
        on y and x with cells of 1x8x8, 16 on z, y and x with cells of 8x8x8. A chunk holds one t, one n, and
        one c (all three with colour). Default: 64 x 256 x 256, or 512 x 512 for images, in whole tiles.
    roi : array or str, optional
        A mask of the array's shape (with or without the axis ``c``) or of its spatial shape, NumPy or Zarr,
        read chunk by chunk; or a rule: ``threshold:9000``, ``range:300..3000``, ``otsu`` (of all chunks).
    overwrite : bool
        Start afresh where a store of this library is. Anything else in the place is never deleted.
    resume : bool
        Go on where a job with the same source and options ended; chunks that are whole are kept, others are
        written again. Without it a store in the place is an error.
    threads : int, optional
        Chunks that are coded at the same time; default: all cores.
    progress : bool, optional
        Show a bar; default: where stderr is a terminal.
    axes, colour, data_range
        As in `mmip_gpu.encode`.
    **options
        ``quality psnr max_error ratio lossless stages cuts roi_quality cell_depth padding verify effort step`` as in
        `mmip_gpu.encode`. With ``psnr=`` and ``ratio=`` the step is found on up to 8 probes; the whole array is
        written again with another step, about four times at most, should it miss the request (a PSNR only with
        ``verify``).

    Returns
    -------
    dict
        ``complete bytes ratio stages loss seconds`` (of this call) ..; the report of `open_zarr`.

    Raises
    ------
    InvalidArgument
        For options, axes, chunks or a mask that do not fit.
    StoreError
        Where the source or the place cannot be read or written, or the place holds something else.

    Examples
    --------
    >>> import tempfile
    >>> import mmip_gpu as mmip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = mmip.write_zarr("phantom3d:16x64x64", folder, quality=10, roi="threshold:9000")
    ...     mmip.open_zarr(folder, stages=1, scale=8).shape
    (16, 8, 8)
    >>> report["complete"]
    True
    """
    started = time.monotonic()
    workers = thread_count(threads)
    place = Place(path, read_only=False)
    before = place.attributes()
    if isinstance(source, ProgressiveArray) and source.place_name == str(place):
        raise InvalidArgument(f"{place}: a store cannot be written from itself")
    job = Job.of(source, options, roi=roi, axes=axes, colour=colour, chunks=chunks, data_range=data_range)
    identity = job.identity()
    resuming = before is not None and not overwrite
    if before is not None and resuming:
        description = _same_job(place, before, identity, resume)
        job = job.resumed(description)
    else:
        job, description = job.described(workers)

    def mark(state: str, summary: Mapping[str, Any] | None = None) -> dict[str, Any]:
        attributes = attributes_of(state, identity, description, job.source, summary)
        place.set_attributes(attributes)
        return attributes

    prepared = resuming and before is not None and before.get("state") != PREPARING
    passes: list[tuple[float, float]] = []
    while True:
        if not prepared:
            mark(PREPARING)
            place.erase_arrays()
        place.create_arrays(description.stage_arrays(), description.grid.counts, description.record_bytes)
        mark(WRITING)
        totals = _write_chunks(ChunkStore(place, description), job, workers, progress, keep=prepared)
        other = job.again(description, totals, passes)
        if other is None:
            break
        description, prepared = other, False
    summary = totals.report() | {"seconds": round(time.monotonic() - started, 3)}
    attributes = mark(COMPLETE, summary)
    place.close()
    return report_of(attributes, description)


def _same_job(place: Place, before: Mapping[str, Any], identity: Mapping[str, Any], resume: bool) -> StoreDescription:
    """Return the description of the job that was begun in the place, if it is this one."""
    if not resume:
        raise StoreError(f"{place}: there is a store already; pass resume=True or overwrite=True")
    found = before.get("job")
    found = found if isinstance(found, Mapping) else {}
    different = [key for key in identity if key not in found or found[key] != identity[key]]
    if different:
        pairs = "; ".join(f"{key}: expected {found.get(key)}, found {identity[key]}" for key in different)
        raise StoreError(f"{place}: a store of another job is here ({pairs}); pass overwrite=True or another path")
    return StoreDescription.from_dict(before.get("description"))


def _write_chunks(store: ChunkStore, job: Job, workers: int, progress: bool | None, *, keep: bool) -> Totals:
    """Write the chunks that are not whole; what all of them add up to."""
    totals, grid = Totals(store.description), store.description.grid

    def work(at: Coordinates) -> tuple[Coordinates, Header]:
        if keep:
            header = store.whole_header(at)
            if header is not None:
                return at, header
            store.discard(at)
        encoded = job.code(store.description, at)
        store.write(at, encoded)
        return at, encoded.header

    with progress_bar(grid.chunk_count, "write_zarr", progress) as advance:

        def done(result: tuple[Coordinates, Header]) -> None:
            at, header = result
            totals.add(header, store.stage_bytes(at, header))
            advance()

        run_bounded(work, grid.coordinates(), workers, done)
    return totals
