"""The chunk grid of a store: which samples, cells and array positions belong to a chunk.

Values: shapes, axes and chunk lengths in samples; regions and chunk coordinates (plane, z, y, x) out.
Implements the geometry of FORMAT.md section 10. Guarantees that chunk borders are cell borders and, at every scale,
sample borders. It knows nothing of bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume.axes import PlaneLayout

__all__ = [
    "ChunkGrid",
    "ChunkOverlap",
    "Coordinates",
    "Region",
    "asked_lengths",
    "block_lengths",
    "boxes",
    "chunk_lengths",
    "image_cells",
]

Region = tuple[slice, ...]
Coordinates = tuple[int, int, int, int]

_DEFAULT_LENGTHS = {1: {"x": 65536}, 2: {"y": 512, "x": 512}, 3: {"z": 64, "y": 256, "x": 256}}
_CELL = 8
_IMAGE_CELL = 64  # samples of a cell of the DC image on y and x
_UNIT = {1: {"z": 1, "y": 32, "x": 32}, 8: {"z": 16, "y": 16, "x": 16}}


@dataclass(frozen=True)
class ChunkOverlap:
    """What one chunk gives to a region: `inside` counts in the (scaled) chunk, `target` in the region."""

    coordinates: Coordinates
    inside: Region
    target: Region


@dataclass(frozen=True)
class ChunkGrid:
    """An array cut into chunks.

    Parameters
    ----------
    layout : PlaneLayout
        Axes and shape of the array.
    depth : {1, 8}
        Cell depth.
    chunks : tuple of int
        Samples of a chunk on each axis; multiples of 32 on y and x (depth 1) or of 16 on z, y, x (depth 8).

    Examples
    --------
    >>> grid = ChunkGrid(PlaneLayout.of((5, 40, 70)), 8, (16, 32, 64))
    >>> grid.counts, grid.region((0, 0, 1, 1))
    ((1, 1, 2, 2), (slice(0, 5, None), slice(32, 40, None), slice(64, 70, None)))
    """

    layout: PlaneLayout
    depth: int
    chunks: tuple[int, ...]

    @property
    def counts(self) -> Coordinates:
        """Chunks on (plane, z, y, x)."""
        by_axis = self._axis_counts()
        planes = prod(by_axis.get(a, 1) for a in self.layout.plane_axes)
        return (planes, by_axis.get(self.layout.slice_axis, 1), by_axis.get("y", 1), by_axis.get("x", 1))

    @property
    def chunk_count(self) -> int:
        """Chunks of the array."""
        return prod(self.counts)

    def coordinates(self) -> Iterator[Coordinates]:
        """Chunks in ascending order; none of an array without samples."""
        planes, z, y, x = map(range, self.counts)  # product() would hold all of them, and attributes may tell of 2^48
        yield from ((p, k, j, i) for p in planes for k in z for j in y for i in x)

    def region(self, coordinates: Coordinates) -> Region:
        """Give the samples of a chunk: one slice per axis of the array."""
        index = self.index(coordinates)
        return tuple(
            slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, self.chunks, self.layout.shape, strict=True)
        )

    def chunk_layout(self, coordinates: Coordinates) -> PlaneLayout:
        """Axes and shape of a chunk, which has no axis of slices but z where it holds one place on it."""
        whole = replace(self.layout, shape=tuple(s.stop - s.start for s in self.region(coordinates)))
        return whole.sliced_along(whole.slice_axis)

    def cells(self, coordinates: Coordinates) -> tuple[int, int, int, int]:
        """Planes, and cells on z, y, x, of a chunk: the part of it inside the grid."""
        layout = self.chunk_layout(coordinates)
        return (layout.planes, *self._grid(layout.volume))

    @property
    def stage_shape(self) -> tuple[int, int, int, int]:
        """Planes and cells of the array."""
        return (self.layout.planes, *self._grid(self.layout.volume))

    @property
    def stage_chunks(self) -> tuple[int, int, int, int]:
        """Planes and cells of a whole chunk."""
        whole = replace(self.layout, shape=self.chunks)
        return (whole.planes, *self._grid(whole.volume))

    @property
    def holds_image(self) -> bool:
        """Whether a DC image may be cut where the chunks are."""
        lengths = zip(self.layout.axes, self.chunks, self.layout.shape, strict=True)
        return all(a not in "yx" or c % _IMAGE_CELL == 0 or c >= n for a, c, n in lengths)

    def scaled(self, scale: int) -> ChunkGrid:
        """Grid of the array at a reduced scale; its chunks have the same coordinates."""
        small = replace(self.layout, shape=self.chunks).scaled(scale, self.depth)
        return ChunkGrid(self.layout.scaled(scale, self.depth), self.depth, small.shape)

    def overlaps(self, region: Region) -> Iterator[ChunkOverlap]:
        """Chunks that a region of explicit bounds touches, with what each gives to it."""
        ranges = [
            range(s.start // c, -(-s.stop // c)) if s.stop > s.start else range(0)
            for s, c in zip(region, self.chunks, strict=True)
        ]
        for index in product(*ranges):
            inside, target = [], []
            for i, c, s in zip(index, self.chunks, region, strict=True):
                start, stop = max(s.start, i * c), min(s.stop, (i + 1) * c)
                inside.append(slice(start - i * c, stop - i * c))
                target.append(slice(start - s.start, stop - s.start))
            yield ChunkOverlap(self._coordinates(index), tuple(inside), tuple(target))

    def _grid(self, volume: Sequence[int]) -> tuple[int, int, int]:
        z, y, x = volume
        return -(-z // self.depth), -(-y // _CELL), -(-x // _CELL)

    def _axis_counts(self) -> dict[str, int]:
        axes, shape = self.layout.axes, self.layout.shape
        return {a: -(-n // c) for a, n, c in zip(axes, shape, self.chunks, strict=True)}

    def index(self, coordinates: Coordinates) -> tuple[int, ...]:
        """Number of a chunk on each axis of the array, or after its end on the outermost, where an array grows."""
        plane, z, y, x = coordinates
        counts, index = self._axis_counts(), {self.layout.slice_axis: z, "y": y, "x": x}
        outermost, *inner = [a for a in self.layout.plane_axes if a in counts] or [self.layout.plane_axes[0]]
        for a in reversed(inner):
            plane, index[a] = divmod(plane, counts[a])
        index[outermost] = plane
        return tuple(index[a] for a in self.layout.axes)

    def _coordinates(self, index: Sequence[int]) -> Coordinates:
        counts, at = self._axis_counts(), dict(zip(self.layout.axes, index, strict=True))
        plane = 0
        for a in self.layout.plane_axes:
            plane = plane * counts.get(a, 1) + at.get(a, 0)
        return plane, at.get(self.layout.slice_axis, 0), at.get("y", 0), at.get("x", 0)


def chunk_lengths(
    layout: PlaneLayout, depth: int, tile_log2: Sequence[int], colour: bool, asked: int | Sequence[int] | None
) -> tuple[int, ...]:
    """Choose the samples of a chunk on each axis.

    Parameters
    ----------
    layout : PlaneLayout
        Axes and shape of the array.
    depth : {1, 8}
        Cell depth.
    tile_log2 : sequence of int
        log2 of the tile in cells on z, y, x.
    colour : bool
        Whether three channels are coded together.
    asked : int or sequence of int, optional
        One length, one per axis, or one per axis out of z, y, x; rounded up to 32 or 16 samples. By default about
        4 million samples: whole tiles, or the whole of a shorter axis.

    Raises
    ------
    InvalidArgument
        For lengths below 1, of another rank, or other than 1 on the axes of planes (3 on c with colour).

    Examples
    --------
    >>> chunk_lengths(PlaneLayout.of((100, 512, 200)), 8, (2, 2, 3), False, None)
    (64, 256, 208)
    """
    planes = {a: 3 if a == "c" and colour else 1 for a in layout.plane_axes}
    names = {a: "z" if a == layout.slice_axis else a for a in layout.axes if a not in planes}
    wanted = asked_lengths(layout.axes, asked)
    for letter, length in (wanted or {}).items():
        if letter in planes and length != planes[letter]:
            raise InvalidArgument(f"chunks={asked}: expected {planes[letter]} on axis {letter}, found {length}")
    tiles = dict(zip("zyx", (depth << tile_log2[0], _CELL << tile_log2[1], _CELL << tile_log2[2]), strict=True))
    lengths = []
    for letter, n in zip(layout.axes, layout.shape, strict=True):
        if letter in planes:
            lengths.append(planes[letter])
            continue
        name = names[letter]
        least = _UNIT[depth][name]
        if wanted is not None and letter in wanted:
            length, unit = wanted[letter], least
        else:
            length = _DEFAULT_LENGTHS[len(names)][name]
            length, unit = (n, least) if n <= length else (length, tiles[name])
        lengths.append(max(-(-length // unit), 1) * unit)
    return tuple(lengths)


def image_cells(cells: Coordinates) -> Coordinates:
    """Planes, and cells on z, y, x, of the DC image of so many cells.

    Examples
    --------
    >>> image_cells((1, 3, 16, 17))
    (1, 3, 2, 3)
    """
    planes, z, y, x = cells
    return planes, z, -(-y // 8), -(-x // 8)


def boxes(shape: Sequence[int], lengths: Sequence[int]) -> Iterator[Region]:
    """Cut an array into regions of at most these lengths, in C order."""
    for starts in product(*(range(0, n, length) for n, length in zip(shape, lengths, strict=True))):
        yield tuple(slice(s, min(s + length, n)) for s, length, n in zip(starts, lengths, shape, strict=True))


def block_lengths(layout: PlaneLayout) -> tuple[int, ...]:
    """Choose the pieces in which a whole array is looked through: about 4 million samples, all channels.

    Examples
    --------
    >>> block_lengths(PlaneLayout.of((9, 100, 512, 512)))
    (1, 64, 256, 256)
    """
    spatial = _DEFAULT_LENGTHS[sum(a in "zyx" for a in layout.axes)]
    return tuple(max(n, 1) if a == "c" else spatial.get(a, 1) for a, n in zip(layout.axes, layout.shape, strict=True))


def asked_lengths(axes: str, chunks: int | Sequence[int] | None) -> dict[str, int] | None:
    """Chunk lengths that were asked for, by axis letter; one number stands for all of z, y, x.

    Examples
    --------
    >>> asked_lengths("tzyx", 64), asked_lengths("yx", (32, 64))
    ({'z': 64, 'y': 64, 'x': 64}, {'y': 32, 'x': 64})
    """
    if chunks is None:
        return None
    spatial = "".join(letter for letter in axes if letter in "zyx")
    values = [int(n) for n in (chunks if isinstance(chunks, Iterable) else [chunks] * len(spatial))]
    names = axes if len(values) == len(axes) else spatial
    if len(values) != len(names) or any(n < 1 for n in values):
        raise InvalidArgument(
            f"chunks={tuple(values)}: expected one positive integer, or one for each of the axes {axes!r}"
        )
    return dict(zip(names, values, strict=True))
