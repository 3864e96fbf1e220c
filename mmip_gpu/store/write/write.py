"""Writing a store: any source to a Zarr group, chunk by chunk, resumable.

Values: what `open_source` opens and a place in; stage arrays, records and attributes out.
Implements FORMAT.md section 10. Guarantees equal chunks for every thread count, device and cluster. At most `threads`
chunks are in memory (on a device: the batches of its lanes). A store whose job did not end never looks whole.
store/job/ makes the plan; the codec of the transform codes the chunks.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.options import Device, EncodeOptions, EncodeSettings
from mmip_gpu.reports import Report
from mmip_gpu.signatures import public
from mmip_gpu.sources import MOST_BYTES, size_limit
from mmip_gpu.store.group.chunk_header import ChunkHeader
from mmip_gpu.store.group.claim import Claim, claimed
from mmip_gpu.store.group.description import StoreDescription
from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.group.records import ChunkStore, Totals
from mmip_gpu.store.group.report import COMPLETE, PREPARING, WRITING, attributes_of, description_of, report_of
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.group.zipped import zip_target
from mmip_gpu.store.job.job import Job
from mmip_gpu.store.job.job_reader import described_job
from mmip_gpu.store.job.step_search import next_pass
from mmip_gpu.store.job.survey import counted
from mmip_gpu.store.job.tasks import Runner, WriteChunk
from mmip_gpu.store.job.told import warn_of_totals
from mmip_gpu.store.run.cluster_runner import ClusterRunner
from mmip_gpu.store.run.cluster_survey import survey_of
from mmip_gpu.store.run.pickling import pickled
from mmip_gpu.store.run.runners import progress_bar, running
from mmip_gpu.store.run.workers import ClientLike
from mmip_gpu.store.write.store_source import any_source

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["write_zarr"]

_LOG = logging.getLogger(__name__)


@public(EncodeOptions)
def write_zarr(
    source: Any,
    path: StoreLike | os.PathLike[str],
    *,
    chunks: int | Sequence[int] | None = None,
    overwrite: bool = False,
    resume: bool = True,
    threads: int | None = None,
    client: ClientLike | None = None,
    device: Device = None,
    progress: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    voxel_size: Sequence[float] | float | None = None,
    units: str | None = None,
    max_bytes: int = MOST_BYTES,
    durable: bool | None = None,
    **options: Unpack[EncodeOptions],
) -> Report:
    """Compress a volume of any size into a Zarr group that `open_zarr` reads stage by stage.

    FORMAT.md section 10 describes the group. Chunks are read, coded and written one by one, so that memory holds a few
    of them at a time. Their bytes depend neither on the number of threads nor on where they are coded.

    Parameters
    ----------
    source : array_like, path or str
        What `mmip_gpu.sources.open_source` opens: an array of uint8, int8, uint16, int16 or float32 (or of another
        dtype if one of these holds its samples), .npy, NIfTI, DICOM, TIFF, PNG, JPEG, a Zarr array or OME-Zarr image,
        or the name of a phantom. A store of this function is a source too, by any name that opens it. Its voxel size
        and its history of loss go along.
    path : path or zarr StoreLike
        A folder, a .zip, a URL that fsspec opens, or a store. A folder is made if there is none. A .zip is made of the
        folder FILE.zip.partial beside it when that is complete.
    chunks : int or sequence of int, optional
        Samples of a chunk: one number, one per axis, or one per axis out of z, y, x. They are rounded up to multiples
        of 32 on y and x with cells of 1x8x8, of 16 on z, y and x with cells of 8x8x8. A chunk holds one t, one n, and
        one c (all three with colour). The default is 64 x 256 x 256, or 512 x 512 for images, in whole tiles.
    roi : array, path or str, optional
        A mask of the array's shape (with or without the axis ``c``) or of its spatial shape. It may be an array of
        NumPy, Zarr or Dask, or a file that `open_source` opens, and is read chunk by chunk. A rule marks regions by
        value, as it is stored: ``threshold:9000``, ``range:300..3000``, or ``otsu``, which looks at all chunks.
        ``hu:300..3000`` speaks of rescaled values, where the source states its slope and intercept (DICOM, NIfTI).
        A mask in a file with an affine has to lie where the source lies.
    overwrite : bool
        A store of this library in the place is written afresh. Anything else in the place is never deleted.
    resume : bool
        A job with the same source and options goes on where it ended: chunks that are whole are kept, others are
        written again. Without it a store in the place is an error.
    threads : int, optional
        So many chunks are coded at the same time; by default as many as there are cores.
    client : distributed.Client, str or int, optional
        A Dask cluster codes the chunks: a client of it, the address of its scheduler, or a number of worker processes
        to start here. Workers open the source and the store themselves, by the same path or URL. Of a Dask array they
        get the chunks by their keys. `threads` is then for the plan, which is made here.
    device : {None, "cpu", "gpu"}
        ``"gpu"`` codes the chunks on the current CUDA device, in batches; their bytes are the same. Where its memory is
        short a batch is halved, down to a chunk, which is then coded on the CPU, with a RuntimeWarning. Plans are made
        on the CPU, from probes. So are chunks that the kernels do not encode, with a RuntimeWarning.
    progress : bool, optional
        A bar is shown, and where the dashboard of the cluster is; by default where stderr is a terminal.
    durable : bool, optional
        Every chunk is on the disk before the next one counts as whole, so that a loss of power costs no more than a
        kill. By default where a folder is written without a cluster; other places ignore it.
    storage_options : mapping, optional
        What fsspec needs to open a URL, such as keys: of `path`, and of `source` where that is a URL.
    voxel_size : float or sequence of float, optional
        On z, y, x, in place of what the source says.
    units : str, optional
        Unit of `voxel_size` such as ``"um"``, by default mm; alone, that of sizes for which the source has none.
    max_bytes : int
        The most bytes that the samples of the source may take, and those of a mask. What their headers state is held
        against it before anything is read or allocated.
    axes, colour, data_range, dtype, nan
        As in `mmip_gpu.encode`.
    **options
        ``quality psnr max_error ratio lossless labels qstep stages cuts roi_quality cell_depth prediction
        slice_axis padding verify effort step per_channel`` as in `mmip_gpu.encode`. ``labels=True``, and ``lossless``
        without ``stages``, ``cuts`` and ``roi``, make one Zarr array, ``samples``, in one stage, that the codec
        ``mmip`` reads; so does ``max_error=`` alone at ``effort=1``, and else where that takes fewer bytes on a probe.
        With ``psnr=`` and ``ratio=`` steps are found on parts of the samples. Should the array miss the request, some
        chunks are coded again, or all, about four times (a PSNR only with ``verify``).

    Returns
    -------
    Report
        A dictionary, the report of `open_zarr`: ``complete``, ``bytes``, ``ratio``, ``stages``, ``loss``, and
        ``seconds`` of this call, among others; its ``info`` is a text. With a cluster there are also ``workers``:
        chunks and seconds of each.

    Raises
    ------
    InvalidArgument
        Options, axes, chunks or a mask do not fit, or the largest step misses the ratio.
    BackendUnavailable
        ``device="gpu"`` was asked for without a GPU or CuPy.
    StoreError
        The source or the place cannot be read or written, the place holds something else, or another job writes into
        it. Chunks that failed on a cluster are named.

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
    zipped = zip_target(path, overwrite)
    is_durable = client is None if durable is None else durable
    place = path if zipped is None else zipped.folder
    group = StoreGroup(place, read_only=False, durable=is_durable, storage_options=storage_options)
    group.attributes()  # before all else, since it refuses what is not ours
    settings = EncodeSettings.of(**options)
    with size_limit(max_bytes):
        stated = {"voxel_size": voxel_size, "units": units, "progress": progress}
        job = _job_of(source, settings, chunks, group, storage_options, **stated)
    with running(client if group.can_claim else None, threads, device) as run:  # what is in a zip already stays here
        if isinstance(run, ClusterRunner):
            pickled((group, job))  # before anything is written, since it refuses what workers cannot reach
        with claimed(group) as claim:
            report = _write(job, claim, run, threads, progress, overwrite=overwrite, resume=resume, started=started)
            if zipped is not None:
                zipped.pack()
        report |= {"workers": run.workers} if isinstance(run, ClusterRunner) else {}
    group.close()
    return report


def _job_of(
    source: Any,
    settings: EncodeSettings,
    chunks: int | Sequence[int] | None,
    group: StoreGroup,
    storage_options: Mapping[str, Any] | None,
    **stated: Any,
) -> Job:
    """Open the source of a job, and check what was asked for against it."""
    stated |= {"dtype": settings.dtype, "nan": settings.nan, "labels": settings.config.labels}
    opened = any_source(source, storage_options, **stated)
    if opened.name == str(group):
        raise InvalidArgument(f"{group}: a store cannot be written from itself")
    return Job.of(opened, settings, chunks)


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
) -> Report:
    """Plan the store or take up its plan, and write it until the array is what was asked for; the report."""
    group, survey = claim.group, survey_of(run)
    job = job.surveyed(survey)
    found, identity = group.attributes(), job.identity()
    before = None if overwrite else found
    if before is None and not group.can_claim and job.may_write_again:
        raise StoreError(f"{group}: the store deletes nothing, which {job.config.mode}= may need: pass another place")
    if before is None:
        with progress_bar("plan", None, run, progress) as advance:
            job, description = described_job(job, threads, counted(survey, advance))
        _LOG.info("%s: planned in %.1f s", group, time.monotonic() - started)
    else:
        description = _same_job(group, before, identity, resume)
        job = job.resumed(description)
    keep = before is not None and before.get("state") != PREPARING
    description, totals = _write_passes(job, description, claim, run, progress, keep=keep)
    attributes = attributes_of(COMPLETE, identity, description, job.source, totals.report())
    warn_of_totals(job, totals)
    group.set_attributes(attributes)
    report = report_of(attributes, description)
    report["seconds"] = round(time.monotonic() - started, 3)
    _LOG.info("%s: complete after %.1f s\n%s", group, report["seconds"], report.info)
    return report


def _write_passes(
    job: Job, description: StoreDescription, claim: Claim, run: Runner, progress: bool | None, *, keep: bool
) -> tuple[StoreDescription, Totals]:
    """Write all chunks, as often as the target needs; (the description of the last pass, what its chunks add up to).

    With `keep`, chunks that are whole stay in the first pass.
    """
    group, identity = claim.group, job.identity()
    passes: list[tuple[float, float]] = []
    while True:
        if not keep:
            group.set_attributes(attributes_of(PREPARING, identity, description, job.source))
            group.erase_arrays()
        group.create_arrays(description.stage_arrays(), description.grid.counts, description.record_bytes)
        group.set_attributes(attributes_of(WRITING, identity, description, job.source))
        task = WriteChunk(ChunkStore(group, description), job, claim, keep=keep)
        _LOG.info("%s: writing, %s=%g", group, job.config.mode, job.config.value)
        totals = _write_chunks(task, run, progress)
        following = next_pass(job, description, totals, passes)
        if following is None:
            return description, totals
        _LOG.info("%s: missed what was asked for, written again with another step, or a part of it", group)
        description, keep = following, following.finer is not None


def _same_job(
    group: StoreGroup, before: Mapping[str, Any], identity: Mapping[str, Any], resume: bool
) -> StoreDescription:
    """Return the description of the job that was begun in the place, if it is this one."""
    if not resume:
        raise StoreError(f"{group}: there is a store already; pass resume=True or overwrite=True")
    description = description_of(group, before)
    found = before.get("job")
    found = _flat_identity(found if isinstance(found, Mapping) else {})
    mine = _flat_identity(identity)
    different = [key for key in mine if key not in found or found[key] != mine[key]]
    if different:
        pairs = "; ".join(f"{key}: expected {found.get(key)}, found {mine[key]}" for key in different)
        raise StoreError(f"{group}: a store of another job is here ({pairs}); pass overwrite=True or another path")
    return description


def _flat_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Identity of a job with the keys of its configuration beside the others, the target as one of them."""
    config = identity.get("config")
    if not isinstance(config, Mapping):
        return dict(identity)
    others = {"per_channel": False, "channel_values": []} | dict(config) | {"mode": None, "value": None}
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
