"""Writing a store: any source to a Zarr group, chunk by chunk, resumable.

Values: what `open_source` opens and a place in; stage arrays, records and attributes out.
Implements FORMAT.md section 10. Guarantees equal chunks for every thread count, device and cluster, at most `threads`
chunks (on a device: batches of its lanes) in memory, and that a store whose job did not end never looks whole. Planning
is in job.py, coding in transform/chunk.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.options import Device, EncodeOptions, EncodeSettings
from mmip_gpu.store.group.chunk_header import ChunkHeader
from mmip_gpu.store.group.claim import Claim, claimed
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.report import COMPLETE, PREPARING, WRITING, attributes_of, described, report_of
from mmip_gpu.store.group.zarr_group import Place
from mmip_gpu.store.group.zipped import zipping
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.tasks import Runner, WriteChunk
from mmip_gpu.store.run.cluster_runner import ClusterRunner
from mmip_gpu.store.run.cluster_survey import survey_of
from mmip_gpu.store.run.pickling import packed
from mmip_gpu.store.run.runners import progress_bar, running
from mmip_gpu.store.run.workers import ClientLike
from mmip_gpu.store.write.store_source import recoded_source

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["write_zarr"]


def write_zarr(
    source: Any,
    path: StoreLike | os.PathLike[str],
    *,
    chunks: Sequence[int] | None = None,
    overwrite: bool = False,
    resume: bool = True,
    threads: int | None = None,
    client: ClientLike | None = None,
    device: Device = None,
    progress: bool | None = None,
    **options: Unpack[EncodeOptions],
) -> dict[str, Any]:
    """Compress a volume of any size into a Zarr group that `open_zarr` reads stage by stage.

    Parameters
    ----------
    source : array_like, path or str
        What `mmip_gpu.sources.open_source` opens: NumPy, .npy, NIfTI, DICOM, TIFF, PNG, JPEG, a Zarr
        array, a phantom's name; a store of this function, whose voxel size and history of loss go along.
    path : path or zarr StoreLike
        A folder, which is made if there is none, a .zip (made of a folder FILE.zip.partial beside it when that is
        complete), a URL that fsspec opens, or a store.
    chunks : sequence of int, optional
        Samples of a chunk, one number per axis or per axis out of z, y, x. Rounded up to 32
        on y and x with cells of 1x8x8, 16 on z, y and x with cells of 8x8x8. A chunk holds one t, one n, and
        one c (all three with colour). Default: 64 x 256 x 256, or 512 x 512 for images, in whole tiles.
    roi : array, path or str, optional
        A mask of the array's shape (with or without the axis ``c``) or of its spatial shape: NumPy, Zarr, Dask
        or a file that `open_source` opens, read chunk by chunk; or a rule: ``threshold:9000``,
        ``range:300..3000``, ``otsu`` (of all chunks).
    overwrite : bool
        Start afresh where a store of this library is. Anything else in the place is never deleted.
    resume : bool
        Go on where a job with the same source and options ended; chunks that are whole are kept, others are
        written again. Without it a store in the place is an error.
    threads : int, optional
        Chunks that are coded at the same time; default: all cores.
    client : distributed.Client, str or int, optional
        Code the chunks on a Dask cluster: a client of it, the address of its scheduler, or a number of worker
        processes to start here. Workers open the source and the store themselves, by the same path or URL; of a Dask
        array they get the chunks by their keys. `threads` is then for the plan, which is made here.
    device : {None, "cpu", "gpu"}
        ``"gpu"`` codes the chunks on the current CUDA device, in batches; they are the same. Where its memory is short,
        a batch is halved, down to a chunk, which is then coded on the CPU, with a RuntimeWarning. Plans are made on the
        CPU, from probes; there too the chunks of plans that the kernels do not encode.
    progress : bool, optional
        Show a bar, and where the dashboard of the cluster is; default: where stderr is a terminal.
    axes, colour, data_range
        As in `mmip_gpu.encode`.
    **options
        ``quality psnr max_error ratio lossless qstep stages cuts roi_quality cell_depth padding verify effort step`` as
        in `mmip_gpu.encode`. With ``psnr=`` and ``ratio=`` the step is found on up to 8 probes; the whole array is
        written again with another step, about four times at most, should it miss the request (a PSNR only with
        ``verify``).

    Returns
    -------
    dict
        ``complete bytes ratio stages loss seconds`` (of this call) ..; the report of `open_zarr`. With a cluster also
        ``workers``: chunks and seconds of each.

    Raises
    ------
    InvalidArgument
        For options, axes, chunks or a mask that do not fit.
    BackendUnavailable
        Without a GPU or CuPy for ``device="gpu"``.
    StoreError
        Where the source or the place cannot be read or written, the place holds something else or another job writes
        into it, or chunks failed on a cluster, which are named.

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
    threads = thread_count(threads)
    zipped = zipping(path, overwrite)
    place = Place(path if zipped is None else zipped.folder, read_only=False)
    place.attributes()  # before all else, since it refuses what is not ours
    source = recoded_source(source) or source
    if getattr(source, "name", None) == str(place):
        raise InvalidArgument(f"{place}: a store cannot be written from itself")
    job = Job.of(source, EncodeSettings.of(**options), chunks)
    with running(client if place.can_claim else None, threads, device) as run:  # what is in a zip already stays here
        if isinstance(run, ClusterRunner):
            packed((place, job))  # before anything is written, since it refuses what workers cannot reach
        with claimed(place) as claim:
            report = _write(job, claim, run, threads, progress, overwrite=overwrite, resume=resume, started=started)
            if zipped is not None:
                zipped.pack()
        report |= {"workers": run.workers} if isinstance(run, ClusterRunner) else {}
    place.close()
    return report


def _write(
    job: Job,
    claim: Claim,
    run: Runner,
    threads: int,
    progress: bool | None,
    *,
    overwrite: bool,
    resume: bool,
    started: float,
) -> dict[str, Any]:
    """Plan the store or take up its plan, and write it until the array is what was asked for; the report."""
    place = claim.place
    survey = survey_of(run)
    job = job.surveyed(survey)
    before, identity = place.attributes(), job.identity()
    resuming = before is not None and not overwrite
    if not resuming and not place.can_claim and job.may_write_again:
        raise StoreError(f"{place}: the store deletes nothing, which {job.config.mode}= may need: pass another place")
    if before is not None and resuming:
        description = _same_job(place, before, identity, resume)
        job = job.resumed(description)
    else:
        job, description = job.described(threads, survey)

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
        task = WriteChunk(ChunkStore(place, description), job, claim, keep=prepared)
        totals = _write_chunks(task, run, progress)
        other = job.again(description, totals, passes)
        if other is None:
            break
        description, prepared = other, False
    summary = totals.report() | {"seconds": round(time.monotonic() - started, 3)}
    return report_of(mark(COMPLETE, summary), description)


def _same_job(place: Place, before: Mapping[str, Any], identity: Mapping[str, Any], resume: bool) -> StoreDescription:
    """Return the description of the job that was begun in the place, if it is this one."""
    if not resume:
        raise StoreError(f"{place}: there is a store already; pass resume=True or overwrite=True")
    description = described(place, before)
    found = before.get("job")
    found = _flat(found if isinstance(found, Mapping) else {})
    mine = _flat(identity)
    different = [key for key in mine if key not in found or found[key] != mine[key]]
    if different:
        pairs = "; ".join(f"{key}: expected {found.get(key)}, found {mine[key]}" for key in different)
        raise StoreError(
            f"{place}: a store of another job is here ({pairs}); pass overwrite=True (--overwrite) or another path"
        )
    return description


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Identity of a job with the keys of its configuration beside the others, the target as one of them."""
    config = identity.get("config")
    if not isinstance(config, Mapping):
        return dict(identity)
    others = {key: value for key, value in config.items() if key not in ("mode", "value")}
    return {**identity, "config": None, **others, "target": f"{config.get('mode')} {config.get('value')}"}


def _write_chunks(task: WriteChunk, run: Runner, progress: bool | None) -> Totals:
    """Write the chunks that are not whole; what all of them add up to."""
    store, grid = task.store, task.store.description.grid
    totals = Totals(store.description)
    with progress_bar("write_zarr", grid.chunk_count, run, progress) as advance:

        def done(at: Coordinates, header: ChunkHeader) -> None:
            totals.add(at, header, store.stage_bytes(at, header))
            advance()

        run(task, grid.coordinates(), done)
    return totals
