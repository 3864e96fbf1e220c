"""The samples of a TIFF image: from a region to the tiles or strips that hold it.

Values in: an image (tifffile's series) and regions of it. Values out: arrays in host memory.
Implements no section of FORMAT.md; offsets and segments are those of TIFF 6.0, decoded by tifffile.
Guarantees that data the file does not hold is an error, not zeros (but for tiles that it declares empty), and
memory for the region and a cache of bounded size.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from mmip_gpu.errors import StoreError
from mmip_gpu.sources.size_limit import check_size
from mmip_gpu.sources.source import Array, Region

CACHE_BYTES: Final = 1 << 27  # chunks side by side share strips, which are as wide as the image


class Pages(Protocol):
    """What reads the samples of an image, in the file's own axes."""

    shape: tuple[int, ...]
    files: list[Path]

    def read(self, region: Region) -> Array:
        """Read a region with explicit bounds."""


def open_pages(image: Any, name: str) -> Pages:
    """Open the samples of a series: mapped where they lie in one piece, else segment by segment."""
    page = image.keyframe
    offset = None if image.is_multifile or page.compression != 1 else image.dataoffset
    return _Segments(image, name) if offset is None else _Mapped(image, int(offset), name)


class _Mapped:
    """Samples that lie uncompressed in one piece."""

    def __init__(self, image: Any, offset: int, name: str) -> None:
        self.shape = tuple(int(size) for size in image.shape)
        path = Path(image.parent.filehandle.path)
        self.files = [path]
        dtype = np.dtype(image.dtype).newbyteorder(image.parent.byteorder)
        expected, found = offset + math.prod(self.shape) * dtype.itemsize, path.stat().st_size
        if found < expected:
            raise StoreError(f"{name} is truncated: expected {expected} bytes, found {found}; copy the file again")
        self._samples = np.memmap(path, dtype, "r", offset, self.shape) if expected > offset else np.empty(self.shape)

    def read(self, region: Region) -> Array:
        return self._samples[region]


class _Segments:
    """Samples in tiles or strips, of one page or of many."""

    def __init__(self, image: Any, name: str) -> None:
        self.shape = tuple(int(size) for size in image.shape)
        self._name, self._pages, self._keyframe = name, image.pages, image.keyframe
        page = self._keyframe
        self._page_shape = tuple(int(size) for size in page.shape)
        while len(self._page_shape) > len(self.shape):
            self._page_shape = self._page_shape[1:] if self._page_shape[0] == 1 else self._page_shape[:-1]
        self._leading = self.shape[: len(self.shape) - len(self._page_shape)]
        count = math.prod(self._leading)
        if self.shape[len(self._leading) :] != self._page_shape or len(self._pages) != count:
            raise StoreError(f"{name}: expected {count} pages of {self._page_shape}, found {len(self._pages)}")
        parents = {id(p.parent): p.parent for p in self._pages if p is not None}
        self.files = sorted({Path(parent.filehandle.path) for parent in parents.values()})
        self._sizes = {key: Path(parent.filehandle.path).stat().st_size for key, parent in parents.items()}
        self._box = tuple(int(size) for size in page.shaped)
        tile = (int(page.tiledepth), int(page.tilelength), int(page.tilewidth))
        self._segment = tile if page.is_tiled else (1, min(int(page.rowsperstrip), self._box[2]), self._box[3])
        if min(self._segment) < 1:
            raise StoreError(f"{name} is damaged: found tiles or strips of {self._segment} samples")
        check_size(name, (*self._segment, *self._box[4:]), np.dtype(page.dtype).itemsize)
        page.init_decode()
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[int, int], Array] = OrderedDict()
        self._cached_bytes = 0

    def read(self, region: Region) -> Array:
        outer, inner = region[: len(self._leading)], region[len(self._leading) :]
        box = self._as_box(inner)
        found = np.empty([part.stop - part.start for part in region], np.dtype(self._keyframe.dtype).newbyteorder("="))
        if not found.size:
            return found
        planes = found.reshape((-1, *(part.stop - part.start for part in box)))
        with self._lock:
            for row, at in enumerate(product(*(range(part.start, part.stop) for part in outer))):
                number = int(np.ravel_multi_index(at, self._leading)) if at else 0
                self._read_page(number, box, planes[row])
        return found

    def _as_box(self, inner: Region) -> Region:
        """Place the region of a page on tifffile's five axes: separate samples, depth, length, width, samples."""
        sizes, parts = [], list(inner)
        for size in reversed(self._box):
            fits = bool(parts) and self._page_shape[len(parts) - 1] == size
            sizes.append(parts.pop() if fits else slice(0, 1))
        return tuple(reversed(sizes))

    def _read_page(self, number: int, box: Region, out: Array) -> None:
        if self._pages[number] is None:
            raise StoreError(f"{self._name}: plane {number} is not in the file")
        for index in self._touched(box):
            samples, at = self._decoded(number, index)
            inside, outside = [], []
            for part, start, size in zip(box, at, samples.shape, strict=True):
                low, high = max(part.start, start), min(part.stop, start + size)
                inside.append(slice(low - start, max(low, high) - start))
                outside.append(slice(low - part.start, max(low, high) - part.start))
            out[tuple(outside)] = samples[tuple(inside)]

    def _touched(self, box: Region) -> Iterator[int]:
        """List the numbers of the segments that a region of a page touches."""
        counts = [-(-size // step) for size, step in zip(self._box[1:4], self._segment, strict=True)]
        ranges = [
            range(part.start // step, -(-part.stop // step)) for part, step in zip(box[1:4], self._segment, strict=True)
        ]
        for separate in range(box[0].start, box[0].stop):
            for d, row, column in product(*ranges):
                yield ((separate * counts[0] + d) * counts[1] + row) * counts[2] + column

    def _decoded(self, number: int, index: int) -> tuple[Array, tuple[int, ...]]:
        """Give one segment, shaped on five axes, and where it begins."""
        page, key = self._pages[number], (number, index)
        if key in self._cache:
            self._cache.move_to_end(key)
            samples = self._cache[key]
            return samples, self._keyframe.decode(None, index)[1]
        data = self._stored(page, index)
        array, at, shape = self._keyframe.decode(
            data, index, jpegtables=page.jpegtables, jpegheader=self._keyframe.jpegheader
        )
        samples = np.full(shape, self._keyframe.nodata, self._keyframe.dtype) if array is None else array
        samples = samples.reshape((1, *samples.shape))
        self._cache[key] = samples
        self._cached_bytes += samples.nbytes
        while self._cached_bytes > CACHE_BYTES and self._cache:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return samples, at

    def _stored(self, page: Any, index: int) -> bytes | None:
        """Read the bytes of a segment; None for one that is declared empty."""
        if index >= len(page.dataoffsets) or index >= len(page.databytecounts):
            raise StoreError(f"{self._name} is damaged: segment {index} has no offset")
        offset, count = int(page.dataoffsets[index]), int(page.databytecounts[index])
        if count == 0:
            return None
        size = self._sizes[id(page.parent)]
        if offset <= 0 or offset + count > size:
            raise StoreError(
                f"{self._name} is truncated: expected {offset + count} bytes, found {size}; copy the file again"
            )
        handle = page.parent.filehandle
        if handle.closed:
            handle.open()
        handle.seek(offset)
        data: bytes = handle.read(count)
        return data
