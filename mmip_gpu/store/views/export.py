"""Writing a store as an OME-Zarr pyramid that any viewer opens, chunk by chunk, resumable.

Values: a store and a place in; a Zarr group of NGFF 0.5 with one array a scale out. Guarantees memory for `threads`
chunks. Means are made of chunks as they were written, and chunks that are there are not made again. The metadata that
make a group an image are written last: an export that was interrupted is no image yet. store/views/pyramid.py says what
the levels hold.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.claim import claimed
from mmip_gpu.store.group.partial_files import delete_partial_files, names_in
from mmip_gpu.store.group.store_path import open_store_path, path_name, store_errors
from mmip_gpu.store.group.zarr_group import CLAIM, StoreGroup
from mmip_gpu.store.run.runners import progress_bar, running
from mmip_gpu.store.views.levels import ChunkIndex, ScaledLevel
from mmip_gpu.store.views.pyramid import Pyramid

if TYPE_CHECKING:
    from zarr.storage import StoreLike, StorePath

__all__ = ["export_ome_zarr"]

_LOG = logging.getLogger(__name__)

_MARK: Final = "mmip_export"  # attribute that tells which export a group is, and whether it ended
_LENGTHS: Final = {"z": 64, "y": 256, "x": 256}


@public()
def export_ome_zarr(
    path: StoreLike | os.PathLike[str],
    target: StoreLike | os.PathLike[str],
    *,
    stages: int | None = None,
    chunks: int | Sequence[int] | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Write a store as a standard OME-Zarr pyramid (NGFF 0.5, Zarr 3).

    Levels 0 to 3 are the scales 1, 1/2, 1/4 and 1/8, decoded (FORMAT.md section 5.1). Each level below them is the mean
    over windows of two samples of the level before, on the axes that scales reduce: y and x, and z with 3D cells. The
    mean is taken of the samples as the target holds them. At an odd end it is that of what is there; integers are
    rounded half to even. The last level is the first that is within one chunk on these axes. An axis of one sample
    stays.

    Parameters
    ----------
    path : path or zarr StoreLike
        A store of `write_zarr`.
    target : path or zarr StoreLike
        A folder (by custom NAME.ome.zarr), a URL that fsspec opens, or a store. An export that was interrupted goes on
        where it ended.
    stages : int, optional
        Only so many stages are decoded, from the first on. By default all that the store holds are.
    chunks : int or sequence of int, optional
        Samples of a chunk: one number, one per axis, or one per axis out of z, y, x. The default is 64 x 256 x 256.
        From level 3 on an odd number on an axis that is reduced counts one more.
    overwrite : bool
        Another export in the place is written afresh. Anything else in the place is never deleted.
    threads : int, optional
        So many chunks are decoded at the same time; by default as many as there are cores.
    progress : bool, optional
        A bar is shown; by default where stderr is a terminal.

    Returns
    -------
    dict
        ``levels`` is the shape of each, ``chunk_count`` how many chunks they have, ``written`` how many of them this
        call made. Samples keep their dtype.

    Raises
    ------
    InvalidArgument
        OME-Zarr has no place for the axes, the array has no samples, or both places are one.
    StoreError
        The store is not complete, or `target` cannot be written, holds something else, or another job writes into it.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store, image = {}, {}
    >>> _ = mmip.write_zarr("phantom3d:16x64x64", store, quality=10, cell_depth=8)
    >>> mmip.export_ome_zarr(store, image)["levels"]
    [[16, 64, 64], [8, 32, 32], [4, 16, 16], [2, 8, 8]]
    """
    workers = thread_count(threads)
    pyramid = Pyramid.of(path, stages, chunks, _LENGTHS)
    with store_errors(f"{target}"):
        root = open_store_path(target, read_only=False)
    name = path_name(root)
    if name == pyramid.root:
        raise InvalidArgument(f"{name}: a store cannot be exported onto itself")
    with store_errors(f"{name}: cannot be read"):  # what is not ours is refused before a claim is put there
        _found_export(root, pyramid.identity, overwrite=overwrite)
    with claimed(StoreGroup(root, read_only=False)):
        return _write_levels(pyramid, root, workers, progress, overwrite=overwrite)


def _write_levels(
    pyramid: Pyramid, root: StorePath, workers: int, progress: bool | None, *, overwrite: bool
) -> dict[str, Any]:
    """Write what is not there yet, for one who holds the claim of the place."""
    name, job = path_name(root), pyramid.identity
    with store_errors(f"{name}: cannot be written"):
        group = _export_group(root, job, overwrite=overwrite)
        arrays = pyramid.create_arrays(group)
    written: list[bool] = []

    def written_before(number: int, index: ChunkIndex) -> NDArray[Any]:
        with store_errors(f"{name}: chunk {index} of level {number} cannot be read"):
            return np.asarray(arrays[number][pyramid.levels[number].region(index)])

    def work(number: int, index: ChunkIndex) -> bool:
        array, level = arrays[number], pyramid.levels[number]
        with store_errors(f"{name}: chunk {index} of level {number}"):
            key = array.store_path / array.metadata.encode_chunk_key(index)
            is_new = not sync(key.exists())
        if is_new:
            if isinstance(level, ScaledLevel):
                samples = level.read(index)
            else:
                samples = level.read(index, partial(written_before, number - 1), _one_by_one)
            with store_errors(f"{name}: chunk {index} of level {number} cannot be written"):
                array[level.region(index)] = samples
        return is_new

    with running(None, workers) as run, progress_bar("export", pyramid.chunk_count, run, progress) as advance:

        def done(is_new: bool) -> None:
            written.append(is_new)
            advance()

        for number, level in enumerate(pyramid.levels):  # a mean needs all of the level before
            run_bounded(partial(work, number), level.indices(), workers, done)
    with store_errors(f"{name}: its metadata cannot be written"):
        group.update_attributes({"ome": pyramid.metadata, _MARK: {"job": job, "complete": True}})
    _LOG.info("%s: complete, %d of %d chunks written", name, sum(written), pyramid.chunk_count)
    shapes = [list(level.shape) for level in pyramid.levels]
    return {"levels": shapes, "chunk_count": pyramid.chunk_count, "written": sum(written)}


def _one_by_one(work: Callable[[ChunkIndex], None], sources: Iterable[ChunkIndex]) -> None:
    for source in sources:
        work(source)


def _found_export(root: StorePath, job: dict[str, Any], *, overwrite: bool) -> tuple[zarr.Group, bool] | None:
    """Return the export in a place, and whether it is this one, or one to overwrite; None where nothing is."""
    if all(name.startswith(CLAIM) for name in sync(names_in(root))):
        return None
    try:
        group = zarr.open_group(root, mode="r+", zarr_format=3, use_consolidated=False)
        found = group.attrs.get(_MARK)
    except (FileNotFoundError, ValueError):  # no group, or metadata that zarr does not read
        found = None
    if not isinstance(found, dict):
        raise StoreError(
            f"{path_name(root)}: expected an export or an empty place, found something else; it is left alone"
        )
    is_this = found.get("job") == job
    if not is_this and not overwrite:
        raise StoreError(f"{path_name(root)}: another export is here; pass overwrite=True or another path")
    return group, is_this


def _export_group(root: StorePath, job: dict[str, Any], *, overwrite: bool) -> zarr.Group:
    """Return the group of this export, made or found."""
    begun: dict[str, Any] = {_MARK: {"job": job, "complete": False}}
    delete_partial_files(root, CLAIM)
    found = _found_export(root, job, overwrite=overwrite)
    if found is None:
        return zarr.create_group(root, zarr_format=3, attributes=begun)
    group, is_this = found
    if is_this:
        return group
    group.attrs.put({_MARK: {"job": None, "complete": False}})  # until the chunks of the other are gone
    for name in filter(str.isdecimal, sync(names_in(root))):
        sync((root / name).delete_dir())
    group.attrs.put(begun)
    return group
