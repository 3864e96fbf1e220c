"""A lazy array in a store: some of its stages, at a scale.

Values: chunks of a ChunkReader in; NumPy arrays of the regions that are asked for out, in host memory.
Implements the reader of FORMAT.md section 10. Guarantees that of chunks that a region touches only the records and the
needed stages are read, each at most once while they are kept. A missing or damaged chunk is an error with its
coordinates. store/read/chunk_reader.py knows which bytes are needed; the codec of the chunk decodes them.
"""

from __future__ import annotations

import copy
import html
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.arguments import thread_count
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.errors import CorruptData, StoreError
from mmip_gpu.inspection import describe
from mmip_gpu.reports import Report
from mmip_gpu.signatures import Expected, public
from mmip_gpu.store.group.bounded import run_bounded
from mmip_gpu.store.group.grid import ChunkGrid, ChunkOverlap, Coordinates
from mmip_gpu.store.group.report import held_stages, history_of, report_of
from mmip_gpu.store.read.chunk_reader import ByteCache, ChunkReader
from mmip_gpu.store.read.lazy_arrays import dask_array, data_array
from mmip_gpu.store.read.selection import basic_selection

__all__ = ["ProgressiveArray"]


class ProgressiveArray:
    """A lazy array in a store, decoded from its first stages at a scale; `open_zarr` makes it.

    Indexing by integers, slices and an Ellipsis gives NumPy arrays of its dtype. The array may be pickled and shared by
    threads. FORMAT.md section 10 describes the store, section 5.1 the scales.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store = {}
    >>> _ = mmip.write_zarr("phantom3d:16x64x64", store, quality=10)
    >>> volume = mmip.open_zarr(store, stages=1, scale=8)
    >>> volume.axes, volume.shape, volume[2, :, 4:].shape
    ('zyx', (16, 8, 8), (8, 4))
    """

    def __init__(
        self, reader: ChunkReader, attributes: dict[str, Any], stages: int | None, scale: int, threads: int
    ) -> None:
        self._reader = reader
        self._store = reader.store
        self._attributes = attributes
        self._threads = threads
        self._scale = scale
        self._stages = self._checked(stages)
        self._grid = self._store.description.grid.scaled(scale)

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples per axis at this scale."""
        return self._grid.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Sample type."""
        return np.dtype(self._store.description.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of samples."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded array."""
        return self.size * self.dtype.itemsize

    @property
    def axes(self) -> str:
        """One letter per axis."""
        return self._grid.layout.axes

    @property
    def chunks(self) -> tuple[int, ...]:
        """Samples of a chunk on each axis, at this scale."""
        return self._grid.chunks

    @property
    def grid(self) -> ChunkGrid:
        """Coordinates and regions of the chunks, at this scale."""
        return self._grid

    @property
    def stages(self) -> int:
        """Stages that are read."""
        return self._stages

    @property
    def scale(self) -> int:
        """How many times smaller than the original."""
        return self._scale

    @property
    def place_name(self) -> str:
        """Folder or store that is read."""
        return str(self._store.group)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the source said (spacing, rescale, ..), and axes and scale as in OME-NGFF."""
        found = {key: self._attributes.get(key) for key in ("axes", "scale")}
        return copy.deepcopy(dict(self._attributes.get("metadata") or {}) | found)

    @property
    def info(self) -> str:
        """Lines for people: what is read, chunks, voxel size, loss, stages."""
        return f"{self!r}\n{self._description.info}"

    @property
    def _description(self) -> Report:
        return Report(self.report | {"metadata": self.metadata})

    @property
    def report(self) -> Report:
        """Loss record, bytes and plan of the whole store; ``complete`` tells whether its job ended."""
        return copy.deepcopy(report_of(self._attributes, self._store.description))

    @property
    def loss_history(self) -> list[dict[str, Any]]:
        """What was lost before the store was written, and what is lost by reading it so; the oldest first."""
        return history_of(self.report, self._stages, self._scale)

    @property
    def bytes_needed(self) -> int:
        """Bytes that decoding the whole array at these stages reads: records and stage chunks.

        Looks through the records where the store is not complete.
        """
        report = report_of(self._attributes, self._store.description)
        if report["complete"]:
            return int(report["stages"][self._stages - 1]["bytes_to_here"])
        total = 0
        for at in self._grid.coordinates():
            header = self._store.whole_header(at)
            if header is not None:
                stage_bytes = self._store.stage_bytes(at, header)[: self._stages]
                total += self._store.description.record_bytes + sum(stage_bytes)
        return total

    @public(at=Expected("coordinates (plane, z, y, x)", lambda at: isinstance(at, tuple | list) and len(at) == 4))
    def record(self, at: Coordinates) -> dict[str, Any]:
        """Describe one chunk, by its coordinates (plane, z, y, x), as `mmip_gpu.inspect` does."""
        header = self._store.header(at)
        described = describe(header)
        share = header.roi_voxels / header.voxels
        return described | {"roi_share": share, "source_crc": f"{header.source_crc:08x}"}

    def records(self) -> Iterator[tuple[Coordinates, dict[str, Any]]]:
        """Coordinates and description of every chunk."""
        for at in self._grid.coordinates():
            yield at, self.record(at)

    @public()
    def upgrade(self, stages: int | None = None) -> ProgressiveArray:
        """Refine in place: from here on the array is decoded from more stages.

        Stages that were read before are not read again as far as ``keep_bytes`` of `open_zarr` held them.
        `mmip_gpu.upgrade_zarr` refines a copy on disk.

        Parameters
        ----------
        stages : int, optional
            So many stages are decoded; by default all that the store holds.

        Returns
        -------
        ProgressiveArray
            This array.

        Examples
        --------
        >>> import mmip_gpu as mmip
        >>> store = {}
        >>> _ = mmip.write_zarr("phantom3d:16x64x64", store, quality=10)
        >>> volume = mmip.open_zarr(store, stages=1)
        >>> coarse = volume[...]
        >>> fine = volume.upgrade()[...]
        >>> volume.stages, bool((coarse != fine).any())
        (3, True)
        """
        self._stages = self._checked(stages)
        return self

    @public()
    def at(
        self, *, stages: int | None = None, scale: int = 1, threads: int | None = None, keep_bytes: int | None = None
    ) -> ProgressiveArray:
        """Give the same store at other stages and another scale.

        Both keep what they read in one place, unless `keep_bytes` gives the new one its own.
        """
        reader = self._reader if keep_bytes is None else ChunkReader(self._store, ByteCache(keep_bytes))
        return ProgressiveArray(reader, self._attributes, stages, scale, thread_count(threads or self._threads))

    def to_numpy(self) -> NDArray[Any]:
        """Decode the whole array."""
        return np.asarray(self[...])

    def dask(self) -> Any:
        """Make a dask array with the chunks of the store, each decoded on one thread; MissingResource without dask."""
        return dask_array(self)

    def xarray(self) -> Any:
        """Make an xarray DataArray on `dask`: named axes, voxel centres, the report; MissingResource without xarray."""
        return data_array(self)

    def __getitem__(self, key: Any) -> Any:
        region, index = basic_selection(key, self.shape)
        out = np.empty(tuple(s.stop - s.start for s in region), self.dtype)
        touched = math.prod(
            -(-s.stop // c) - s.start // c if s.stop > s.start else 0 for s, c in zip(region, self.chunks, strict=True)
        )
        workers = max(min(self._threads, touched), 1)
        inner = max(self._threads // workers, 1)

        def read(overlap: ChunkOverlap) -> None:
            self._decode(overlap, out[overlap.target], inner)

        run_bounded(read, self._grid.overlaps(region), workers, lambda _: None)
        return out[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a store cannot be read without a copy")
        array = self.to_numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        read = f"stages={self.stages}, scale={self.scale}"
        return f"<ProgressiveArray {self.place_name} {self.shape} {self.dtype} {self.axes!r}, {read}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self._description._repr_html_()}"

    def _checked(self, stages: int | None) -> int:
        """Stages to read for `stages` that were asked for, out of those that the store holds."""
        description = self._store.description
        held = held_stages(self._attributes, description)
        asked = Wanted(max(held, 1) if stages is None else stages, self._scale)
        wanted = description.form.needed_stages(description.blank_header(), asked)
        if wanted > held:
            copy = f"a copy of {held} of {description.stage_count} stages"
            raise StoreError(f"{self.place_name}: {copy}, expected {wanted}: mmip upgrade fetches the others")
        return wanted

    def _decode(self, overlap: ChunkOverlap, out: NDArray[Any], threads: int) -> None:
        at = overlap.coordinates
        wanted = Wanted(self._stages, self._scale, overlap.inside)
        try:
            header, read_part = self._reader.opened(at, wanted)
            with self._store.naming_chunk(at):
                codec_of(header).decode_into(out, header, read_part, wanted, Limits(threads))
        except CorruptData:  # the store may be repaired
            self._reader.cache.forget(at)
            raise
