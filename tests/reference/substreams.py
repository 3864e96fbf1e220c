"""Sub-streams of the stages after the first: the blocks of one tile.

Values: a Tile of cells and the integers coded for it, from and to bit strings.
FORMAT.md section 8.2. Contexts see the tile only; reader and writer share them, and are written side by side.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from . import palette
from .bits import CorruptError, bitlen, read_count, split_count
from .geometry import BLOCKS, PARTS, block_cells, check_block, coding_order, neighbours
from .prediction import read_prediction, write_prediction
from .stage_1 import LIMIT

DENSITIES = (256, 406, 645, 1024, 1625, 2580, 4096, 6502, 10321, 16384, 26008, 41285, 65536)


@dataclass
class Tile:
    """Arrays are (z, y, x) of the tile's cells; `modes` (of stage 2) is None while stage 2 is coded."""

    size: tuple
    depth: int
    classes: np.ndarray
    reversible: tuple  # of every class
    modes: np.ndarray | None = None
    span: tuple = (0, 0)  # AC positions a cell, c_{s-1} and c_s
    density: dict = field(default_factory=dict)  # 512 n div m of the block of every coded cell
    predictions: dict | None = None  # of every coded cell, where blocks may have one


def may_start(size, depth, cell, mode):
    try:
        check_block(cell, depth, mode, size)
    except CorruptError:
        return False
    return True


@cache
def merges_at(size, depth, cell):
    return next((2 - i for i, mode in enumerate((5, 4)) if may_start(size, depth, cell, mode)), 0)


def header_class(tile, cell):
    z, y, x = cell
    merges = merges_at(tile.size, tile.depth, cell)
    around = [(z, y, x - 1), (z, y - 1, x), (z - 1, y, x)]
    there = [tile.density[other] for other in around if other in tile.density]
    if not there:
        return 5 * merges
    mean = sum(there) // len(there)
    above = bisect_right(DENSITIES, mean)  # limits <= mean
    return 5 * merges + (min(4, 1 + above // 3) if mean else 0)


def cover(tile, cell, mode, n):
    """Check a block of n coefficients and mark its cells as coded."""
    check_block(cell, tile.depth, mode, tile.size)
    cells = block_cells(cell, tile.depth, mode)
    if tile.modes is None:
        classes = {int(tile.classes[other]) for other in cells}
        if len(classes) > 1 or (mode and tile.reversible[classes.pop()]):
            raise CorruptError(f"a block of mode {mode} over classes that forbid it")
    elif n and any(tile.modes[other] != mode for other in cells):
        raise CorruptError(f"mode {mode} differs from that of stage 2")
    if mode == palette.MODE and (
        tile.modes is not None or n not in (1, 2, 3) or tile.span[1] < palette.POSITIONS[tile.depth]
    ):
        raise CorruptError(f"a palette cell of {n} gaps, or in a stage that has none")
    if tile.modes is not None and not n and (tile.depth, mode) in PARTS:
        raise CorruptError(f"a cover of split mode {mode} in a later stage")
    for other in cells:
        tile.density[other] = 512 * n // len(cells)


SUMS = (1, 2, 4, 7, 12, 18, 32)


@cache
def quarter_log(count):
    return bitlen(count**4) - 1


def token_context(left, p, span, values, around):
    """values: |q|, at most 16, of every position; 0 where none is coded. span: the stage's positions in the block."""
    low, high = span
    g = min(9, (quarter_log(high - p) - quarter_log(left) + 1) // 2)
    r = bitlen(64 * (p - low) // (high - low) + 1) - 1
    v = 0
    for other, weight in around:
        v += weight * values[other]
    return (g * 7 + r) * 8 + bisect_right(SUMS, v)


def level_size(magnitude):
    return magnitude if magnitude < 4 else magnitude // 2 + 2 if magnitude < 8 else min(15, bitlen(magnitude) + 2)


def read_level(reader, s):
    negative = reader.raw(1)
    if s < 4:
        magnitude = s
    elif s < 6:
        magnitude = 2 * s - 4 + reader.raw(1)
    else:
        bits = 12 + reader.raw(4) if s == 15 else s - 3
        magnitude = (1 << bits) | reader.raw(bits)
    if magnitude >= LIMIT:
        raise CorruptError(f"AC index {magnitude}")
    return -magnitude if negative else magnitude


def write_level(writer, s, q):
    writer.raw(1, q < 0)
    if s == 15:
        bits = bitlen(abs(q)) - 1
        writer.raw(4, bits - 12)
        writer.raw(bits, abs(q))
    elif s > 3:
        writer.raw(1 if s < 6 else s - 3, abs(q))


def read_tokens(reader, n, tile, mode, codes):
    shape, lists = BLOCKS[tile.depth, mode], neighbours(tile.depth, mode)
    first, end = (shape.cell_count * c for c in tile.span)
    q, values, p = np.zeros(end - first, np.int64), [0] * end, first
    for left in range(n, 0, -1):
        if p + left > end:
            raise CorruptError("more tokens than positions are left")
        context = token_context(left, p, (first, end), values, lists[p])
        run, s = divmod(codes["TOKEN"][context].read(reader), 16)
        p += read_count(reader, run)
        if p >= end or not s:
            raise CorruptError("a token of size 0 or past the end of the stage")
        q[p - first] = level = read_level(reader, s)
        values[p] = min(abs(level), 16)
        p += 1
    return q


def write_tokens(writer, q, tile, mode, codes):
    shape, lists = BLOCKS[tile.depth, mode], neighbours(tile.depth, mode)
    p = first = shape.cell_count * tile.span[0]
    span = (first, shape.cell_count * tile.span[1])
    values, places = [0] * span[1], np.flatnonzero(q).tolist()
    for index, place in enumerate(places):
        context = token_context(len(places) - index, p, span, values, lists[p])
        level, (run, raw_bits, raw) = int(q[place]), split_count(first + place - p)
        s = level_size(abs(level))
        codes["TOKEN"][context].write(writer, 16 * run + s)
        writer.raw(raw_bits, raw)
        write_level(writer, s, level)
        values[first + place] = min(abs(level), 16)
        p = first + place + 1


def read_blocks(reader, tile, codes):
    """First cell (in the tile) of every block to (mode, q)."""
    blocks, palettes = {}, {}
    for cell in coding_order(tile.size, tile.depth):
        if cell in tile.density:
            continue
        mode, count = divmod(codes["HEADER"][header_class(tile, cell)].read(reader), 32)
        n = read_count(reader, count)
        cover(tile, cell, mode, n)
        if n > BLOCKS[tile.depth, mode].cell_count * (tile.span[1] - tile.span[0]):
            raise CorruptError(f"{n} coefficients in a block of mode {mode}")
        if mode == palette.MODE:
            palettes[cell] = n
        else:
            read_prediction(reader, tile, cell, mode, codes)
            blocks[cell] = mode, read_tokens(reader, n, tile, mode, codes)
    if palettes:
        data = reader.rest()
        found = palette.read_cells(data, palettes.values(), tile.depth, tile.span[1] - tile.span[0])
        blocks |= {cell: (palette.MODE, q) for cell, q in zip(palettes, found, strict=True)}
    return blocks


def write_blocks(writer, tile, blocks, codes, predictions=None):
    """`predictions` by the first cells of blocks in the tile; None where blocks can have none."""
    palettes = []
    for cell in coding_order(tile.size, tile.depth):
        if cell in tile.density:
            continue
        mode, q = blocks[cell]
        n = int(np.count_nonzero(q[: palette.GAPS] if mode == palette.MODE else q))
        count, raw_bits, raw = split_count(n)
        codes["HEADER"][header_class(tile, cell)].write(writer, 32 * mode + count)
        writer.raw(raw_bits, raw)
        cover(tile, cell, mode, n)
        if mode == palette.MODE:
            palettes.append(q)
        else:
            if predictions is not None:
                write_prediction(writer, tile, cell, mode, codes, predictions.get(cell, 0))
            write_tokens(writer, q, tile, mode, codes)
    if palettes:
        writer.append(palette.write_cells(palettes, tile.depth))
