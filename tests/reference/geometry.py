"""Grid, tiles, coding order, blocks, scan order and neighbours of coefficients.

Values: cell coordinates (z, y, x), layout indices and scan positions as Python integers.
FORMAT.md sections 3, 4.3 (layout), 4.4 and the neighbours of 8.2. Nothing here depends on data.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np

from .bits import CorruptError

AC_PER_CELL = {1: 63, 8: 511}


@dataclass(frozen=True)
class BlockShape:
    cells: tuple  # m on z, y, x
    size: tuple  # B on z, y, x

    @cached_property
    def cell_count(self):
        return int(np.prod(self.cells))

    @cached_property
    def ac_count(self):
        return int(np.prod(self.size)) - self.cell_count


BLOCKS = {
    (1, 0): BlockShape((1, 1, 1), (1, 8, 8)),
    (8, 0): BlockShape((1, 1, 1), (8, 8, 8)),
    (1, 1): BlockShape((1, 1, 1), (1, 8, 8)),
    (8, 1): BlockShape((1, 1, 1), (8, 8, 8)),
    (8, 3): BlockShape((1, 1, 1), (8, 8, 8)),
    (1, 4): BlockShape((1, 2, 2), (1, 16, 16)),
    (8, 4): BlockShape((2, 2, 2), (16, 16, 16)),
    (1, 5): BlockShape((1, 4, 4), (1, 32, 32)),
    (1, 6): BlockShape((1, 8, 8), (1, 64, 64)),
    (1, 7): BlockShape((1, 1, 1), (1, 8, 8)),
    (8, 7): BlockShape((1, 1, 1), (8, 8, 8)),
}


PARTS = {(1, 1): (1, 2, 2), (8, 1): (2, 2, 2), (8, 3): (8, 1, 1)}  # split modes: parts on z, y, x


def part_size(depth, mode):
    """Samples of a part on z, y, x (of the block, where it is not split)."""
    return tuple(b // n for b, n in zip(BLOCKS[depth, mode].size, PARTS.get((depth, mode), (1, 1, 1)), strict=True))


def split_place(k, depth, mode):
    """(frequency within the part, coordinates of the part) of a layout place (kz, ky, kx)."""
    size = part_size(depth, mode)
    return tuple(a % b for a, b in zip(k, size, strict=True)), tuple(a // b for a, b in zip(k, size, strict=True))


def part_number(part, depth, mode):
    """Raster number of a part."""
    _, ny, nx = PARTS[depth, mode]
    return (part[0] * ny + part[1]) * nx + part[2]


@dataclass(frozen=True)
class Grid:
    planes: int
    samples: tuple  # Z, Y, X
    depth: int
    tile: tuple  # cells on z, y, x

    @property
    def cells(self):
        return tuple(-(-n // side) for n, side in zip(self.samples, (self.depth, 8, 8), strict=True))

    @property
    def tile_counts(self):
        return tuple(-(-n // side) for n, side in zip(self.cells, self.tile, strict=True))

    @property
    def substreams(self):
        counts = self.tile_counts
        return self.planes * counts[0] * counts[1] * counts[2]

    def tiles(self):
        """(plane, first cell, size in cells) in the order of the sub-streams."""
        for plane, *index in product(range(self.planes), *map(range, self.tile_counts)):
            start = tuple(i * side for i, side in zip(index, self.tile, strict=True))
            size = tuple(min(side, n - a) for a, side, n in zip(start, self.tile, self.cells, strict=True))
            yield plane, start, size


def z_order(z, y, x, depth):
    if depth == 8:
        return x | y << 1 | z << 2
    return sum((x >> bit & 1) << 2 * bit | (y >> bit & 1) << 2 * bit + 1 for bit in range(3))


@cache
def coding_order(size, depth):
    """The cells of a tile of this size, in coding order."""
    side = (1, 8, 8) if depth == 1 else (2, 2, 2)

    def key(cell):
        inner = (c % s for c, s in zip(cell, side, strict=True))
        return [c // s for c, s in zip(cell, side, strict=True)], z_order(*inner, depth)

    return tuple(sorted(product(*map(range, size)), key=key))


def block_cells(cell, depth, mode):
    """The cells of the block that starts at a cell, in coding order."""
    inside = coding_order(BLOCKS[depth, mode].cells, depth)
    z, y, x = cell
    return [(z + dz, y + dy, x + dx) for dz, dy, dx in inside]


def check_block(cell, depth, mode, size):
    if (depth, mode) not in BLOCKS:
        raise CorruptError(f"block mode {mode} at depth {depth}")
    for start, cells, limit in zip(cell, BLOCKS[depth, mode].cells, size, strict=True):
        if start % cells or start + cells > limit:
            raise CorruptError(f"a block of mode {mode} at tile cell {cell} of {size}")


def scan_key(k, part, size):
    scaled = [32 * ki // bi if bi > 1 else 0 for ki, bi in zip(k, size, strict=True)]
    return sum(scaled), max(scaled), k[2], (k[0] * size[1] + k[1]) * size[2] + k[2], part


@cache
def scan(depth, mode):
    """Layout index of every scan position."""
    shape = BLOCKS[depth, mode]
    keyed = []
    for index, (kz, ky, kx) in enumerate(product(*map(range, shape.size))):
        if kz < shape.cells[0] and ky < shape.cells[1] and kx < shape.cells[2]:
            continue
        if (depth, mode) not in PARTS:
            keyed.append((scan_key((kz, ky, kx), 0, shape.size), index))
            continue
        frequency, part = split_place((kz, ky, kx), depth, mode)
        if any(frequency):
            key = scan_key(frequency, part_number(part, depth, mode), part_size(depth, mode))
        else:
            key = scan_key(part, 0, shape.size)
        keyed.append((key, index))
    return np.array([index for _, index in sorted(keyed)])


def plain_neighbours(k):
    for axis in range(3):
        for step, weight in ((1, 2), (2, 1)):
            lower = list(k)
            lower[axis] -= step
            yield lower, weight


def split_neighbours(k, depth, mode):
    """Within the part, and of the same frequency in the two parts before."""
    frequency, part = split_place(k, depth, mode)
    if not any(frequency):
        return
    number, (_, ny, nx), size = part_number(part, depth, mode), PARTS[depth, mode], part_size(depth, mode)
    for axis in range(3):
        for step, weight in ((1, 2), (2, 1)):
            replaced = step == 2 and ((axis == 0 and number >= 1) or (axis == 1 and number >= 2))
            if frequency[axis] >= step and not replaced:
                yield tuple(a - step * (i == axis) for i, a in enumerate(k)), weight
    for before in (1, 2):
        if number >= before:
            other = number - before
            start = (other // (ny * nx), other // nx % ny, other % nx)
            yield tuple(u * n + f for u, n, f in zip(start, size, frequency, strict=True)), 1


@cache
def neighbours(depth, mode):
    """For every scan position a list of (earlier scan position, weight)."""
    order = scan(depth, mode)
    size = BLOCKS[depth, mode].size
    position = dict(zip(order.tolist(), range(len(order)), strict=True))
    lists = []
    for p, index in enumerate(order.tolist()):
        k = np.unravel_index(index, size)
        found = []
        place = [int(i) for i in k]
        split = (depth, mode) in PARTS
        for other, weight in split_neighbours(place, depth, mode) if split else plain_neighbours(place):
            if min(other) >= 0:
                before = position.get((other[0] * size[1] + other[1]) * size[2] + other[2], p)
                if before < p:
                    found.append((before, weight))
        lists.append(found)
    return lists
