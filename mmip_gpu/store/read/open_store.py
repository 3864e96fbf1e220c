"""Opening a store as a lazy array.

Values: a path, a URL or a Zarr store in; a ProgressiveArray out. Implements the reader of FORMAT.md section 10.
Guarantees that attributes which do not fit are refused before anything else is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mmip_gpu.arguments import thread_count
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.signatures import public
from mmip_gpu.store.group.records import ChunkStore
from mmip_gpu.store.group.report import PREPARING, check_report, description_of
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.read.chunk_reader import ByteCache, ChunkReader
from mmip_gpu.store.read.progressive_array import ProgressiveArray

if TYPE_CHECKING:
    from zarr.storage import StoreLike

__all__ = ["open_zarr"]


@public()
def open_zarr(
    path: StoreLike | os.PathLike[str],
    *,
    stages: int | None = None,
    scale: int = 1,
    threads: int | None = None,
    keep_bytes: int = 2**26,
) -> ProgressiveArray:
    """Open a store of `write_zarr` as a lazy array.

    The store is laid out as FORMAT.md section 10 says. Indexing reads the records and the needed stages of those
    chunks that a region touches. Of a large stage it reads only the byte ranges that the region needs.

    Parameters
    ----------
    path : path or zarr StoreLike
        A folder, a .zip, a URL that fsspec opens (``s3://``, ``https://``, ..), or a Zarr store. A URL that needs
        options is passed as a store: ``zarr.storage.FsspecStore.from_url(url, storage_options={..})``.
    stages : int, optional
        Only so many stages are decoded, from the first on. By default all that the store holds are.
    scale : {1, 2, 4, 8}
        The array is so many times smaller on y and x, and on z with 3D cells.
    threads : int, optional
        So many chunks are decoded at the same time; by default as many as there are cores.
    keep_bytes : int
        So many of the compressed bytes that were read are kept in memory. Neighbouring regions and `upgrade` then
        read only what is new.

    Returns
    -------
    ProgressiveArray
        It has the shape of the array at this scale and the dtype of its samples. Nothing is decoded yet. A store
        whose job did not end opens too: ``report["complete"]`` is false, and reading a missing chunk is an error.

    Raises
    ------
    StoreError
        There is no store, or its job did not come to the first chunk.
    CorruptData, UnsupportedVersion
        The attributes are damaged, or of another version.
    InvalidArgument
        There are fewer stages, or the scale is another number.

    Examples
    --------
    >>> import tempfile
    >>> import mmip_gpu as mmip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = mmip.write_zarr("phantom3d:16x64x64", f"{folder}/p.zarr", quality=10)
    ...     volume = mmip.open_zarr(f"{folder}/p.zarr", stages=2)
    ...     volume.shape, volume[3, 10:20].shape
    ((16, 64, 64), (10, 64))
    """
    if isinstance(keep_bytes, bool) or not isinstance(keep_bytes, int) or keep_bytes < 0:
        raise InvalidArgument(f"keep_bytes={keep_bytes!r}: expected a number of bytes")
    group = StoreGroup(path, read_only=True)
    attributes = group.attributes()
    if attributes is None:
        raise StoreError(f"{group}: expected a store of write_zarr, found nothing")
    store = ChunkStore(group, description_of(group, attributes))
    if attributes.get("state") == PREPARING:
        raise StoreError(f"{group}: its job has not come to the first chunk; wait for it, or write it again")
    check_report(group, attributes, store.description)
    return ProgressiveArray(ChunkReader(store, ByteCache(keep_bytes)), attributes, stages, scale, thread_count(threads))
