"""Which samples of an array the planner tries settings on: all of a small one, parts that are spread over a large one.

Values: the layout of an array in; regions out. Encoder decisions only: nothing here is part of the format.
"""

from __future__ import annotations

import math
from itertools import product

from mmip_gpu.volume.axes import PlaneLayout

__all__ = [
    "DEEP_SLICES",
    "holds_little",
    "probe_region",
    "quarter_parts",
    "quarter_regions",
    "spread_probe",
    "tile_probe",
]

DEEP_SLICES = 4  # from which on cells of eight slices come into question
_WHOLE_PROBE = 2**18
_LITTLE = 0.1  # of what the cells of a plane hold, below which the work of a sample is ten times the usual one
_LITTLE_ROOM = 2**16  # of the cells of a probe of such planes
_PART_UNIT = 32  # parts are joined on multiples of it, so that no block spans two
_PROBE_SAMPLES = {2: {"y": 512, "x": 512}, 3: {"z": 32, "y": 128, "x": 128}}
# Parts of a probe that is spread: their samples, and how many on y and x, of volumes of many samples more.
_PART_SAMPLES = {2: {"y": 64, "x": 64}, 3: {"z": 16, "y": 32, "x": 32}}
_BLOCK_SAMPLES = {1: {"z": 4, "y": 64, "x": 64}, 8: {"z": 16, "y": 32, "x": 32}}  # by the depth of cells
_FLAT_GRID, _DEEP_GRID, _LARGE_GRID = (8, 8), (4, 4), (4, 8)
_LARGE, _MANY = 2**22, 2**21  # samples of volumes with the large grid: of choices, of errors
_GRIDS = {rows * columns: (rows, columns) for rows, columns in (_FLAT_GRID, _DEEP_GRID, _LARGE_GRID)}


def holds_little(volume: tuple[int, int, int]) -> bool:
    """Whether the cells of a plane hold little but what repeats its edge, as of one-wide ones.

    Examples
    --------
    >>> holds_little((1, 1000, 1)), holds_little((1, 1, 10)), holds_little((1, 1000, 8))
    (False, True, False)
    """
    return math.prod(volume) < _LITTLE * _room(volume)


def _room(volume: tuple[int, int, int]) -> int:
    """Samples that the cells of a plane hold."""
    depth = 8 if volume[0] >= DEEP_SLICES else 1
    return math.prod(-(-n // cell) * cell for n, cell in zip(volume, (depth, 8, 8), strict=True))


def _little_region(layout: PlaneLayout) -> tuple[slice, ...]:
    """The middle of the longest axis of planes that hold little: their cells take as long as those of other probes."""
    long = max(range(len(layout.shape)), key=lambda i: layout.shape[i])
    samples = _LITTLE_ROOM * math.prod(layout.volume) // _room(layout.volume)
    size = min(max(samples * layout.shape[long] // layout.samples // 8 * 8, 8), layout.shape[long])
    start = (layout.shape[long] - size) // 2 // 8 * 8
    return tuple(slice(start, start + size) if i == long else slice(0, n) for i, n in enumerate(layout.shape))


def probe_region(layout: PlaneLayout) -> tuple[slice, ...]:
    """All of a small array; of others the middle: 512 x 512 or 32 x 128 x 128 samples of one plane, all channels."""
    if layout.samples and holds_little(layout.volume):
        return _little_region(layout)
    if layout.samples <= _WHOLE_PROBE:
        return tuple(slice(0, n) for n in layout.shape)
    region = []
    sizes = _PROBE_SAMPLES[3 if layout.volume[0] > 1 else 2]
    for axis, n in zip(layout.axes, layout.shape, strict=True):
        size = n if axis == "c" else min(n, sizes.get(_place(layout, axis), 1))
        start = (n - size) // 2 // 8 * 8
        region.append(slice(start, start + size))
    return tuple(region)


def spread_probe(layout: PlaneLayout) -> list[tuple[slice, ...]]:
    """About as many samples of a large array as `probe_region` has, in small parts that are spread over all axes.

    The middle alone may be unlike the rest (the inside of a head). Parts stand on a grid on y and x, and at places on
    other axes that change from one part to the next.
    """
    region = probe_region(layout)
    lengths = {a: s.stop - s.start for a, s in zip(layout.axes, region, strict=True)}
    if math.prod(lengths.values()) == layout.samples or not {"y", "x"} <= lengths.keys():
        return [region]
    if any(lengths[a] % (4 * _PART_UNIT) for a in "yx"):
        return [region]
    sizes = _PART_SAMPLES[3 if layout.volume[0] > 1 else 2]
    part = {a: min(sizes[_place(layout, a)], n) for a, n in lengths.items() if _place(layout, a) in sizes}
    return _spread(layout, lengths | part, _grid(layout))


def tile_probe(layout: PlaneLayout, depth: int) -> list[tuple[slice, ...]]:
    """Parts as in `spread_probe`, of a large array, that stand where its largest blocks do: they are coded as in it."""
    regions = spread_probe(layout)
    if len(regions) == 1:
        return regions
    part = _BLOCK_SAMPLES[depth]
    lengths = {
        a: n if a == "c" else min(n, part.get(_place(layout, a), 1))
        for a, n in zip(layout.axes, layout.shape, strict=True)
    }
    return _spread(layout, lengths, _grid(layout, _MANY), aligned=True)


def _grid(layout: PlaneLayout, large: int = _LARGE) -> tuple[int, int]:
    if layout.volume[0] == 1:
        return _FLAT_GRID
    return _LARGE_GRID if layout.samples >= large else _DEEP_GRID


def _place(layout: PlaneLayout, axis: str) -> str:
    """The letter of an axis in volumes: that of slices is z, whatever it is called."""
    return "z" if axis == layout.slice_axis else axis if axis in "yx" else ""


def quarter_parts(count: int) -> tuple[int, ...] | None:
    """Which parts of a probe that is spread stand for a quarter of it: on all rows, columns and places; None of others.

    Examples
    --------
    >>> quarter_parts(16)
    (1, 7, 10, 12)
    """
    if count not in _GRIDS:
        return None
    rows, columns = _GRIDS[count]
    first = (1, 3, 2, 0)
    return tuple(r * columns + c for r in range(rows) for c in range(first[r % 4], columns, 4))


def quarter_regions(layout: PlaneLayout) -> list[tuple[slice, ...]]:
    """About a quarter of an array in four parts of its y and x; all of it where they are too short for that."""
    lengths = dict(zip(layout.axes, layout.shape, strict=True))
    y, x = (lengths.get(a, 1) for a in "yx")
    part_y = max(y // 4 // _PART_UNIT * _PART_UNIT, min(y, _PART_UNIT))
    part_x = max(y * x // (16 * max(part_y, 1)) // _PART_UNIT * _PART_UNIT, _PART_UNIT)
    if 8 * part_y * part_x > y * x or not {"y", "x"} <= lengths.keys():
        return [tuple(slice(0, n) for n in layout.shape)]
    parts = _spread(layout, lengths | {"y": part_y, "x": part_x}, _DEEP_GRID)
    return [parts[i] for i in quarter_parts(len(parts)) or ()]


def _spread(
    layout: PlaneLayout, lengths: dict[str, int], grid: tuple[int, int], *, aligned: bool = False
) -> list[tuple[slice, ...]]:
    """Regions of these lengths, around the middles of what they stand for on each axis; aligned: at multiples."""
    regions = []
    counts = dict(zip("yx", grid, strict=True))
    for row, column in product(*map(range, grid)):
        places = {"y": row, "x": column}
        region = []
        for axis, n in zip(layout.axes, layout.shape, strict=True):
            middle = n * (2 * places.get(axis, row ^ column) + 1) // (2 * counts.get(axis, max(grid)))
            unit = 1 if not _place(layout, axis) else lengths[axis] if aligned else 8
            start = min(max(middle - lengths[axis] // 2, 0), n - lengths[axis]) // unit * unit
            region.append(slice(start, start + lengths[axis]))
        regions.append(tuple(region))
    return regions
