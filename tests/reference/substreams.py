"""Sub-streams: one tile in one stage.

Values: a Tile of cells and the integers coded for it, from and to bit strings.
FORMAT.md section 8. Contexts see the tile only; reader and writer share them, and are written side by side.
"""

from dataclasses import dataclass, field
from itertools import product
from math import ceil, log2

import numpy as np

from . import palette
from .bits import CorruptError, bitlen, read_count, split_count
from .geometry import BLOCKS, PARTS, block_cells, check_block, coding_order, neighbours

LIMIT = 1 << 26
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


# --- section 8.1, class map


def predicted_class(classes, cell):
    z, y, x = cell
    if y and x:
        w, n, nw = classes[z, y, x - 1], classes[z, y - 1, x], classes[z, y - 1, x - 1]
        return int(n if nw == w else w)
    if x:
        return int(classes[z, y, x - 1])
    if y:
        return int(classes[z, y - 1, x])
    return int(classes[z - 1, -1, -1]) if z else 0


def read_class_map(reader, size, count):
    classes = np.zeros(size, np.int64)
    if count == 1:
        return classes
    cells = list(product(*map(range, size)))
    position = 0
    while position < len(cells):
        right = reader.gamma() - 1
        if right > len(cells) - position:
            raise CorruptError("class map: a run past the end of the tile")
        for cell in cells[position : position + right]:
            classes[cell] = predicted_class(classes, cell)
        position += right
        if position < len(cells):
            predicted = predicted_class(classes, cells[position])
            index = reader.raw(ceil(log2(count - 1)))
            others = [value for value in range(count) if value != predicted]
            if index >= len(others):
                raise CorruptError("class map: no such class")
            classes[cells[position]] = others[index]
            position += 1
    return classes


def write_class_map(writer, classes, count):
    if count == 1:
        return
    right, ended_wrong = 0, False
    for cell in product(*map(range, classes.shape)):
        predicted, value = predicted_class(classes, cell), int(classes[cell])
        ended_wrong = predicted != value
        if ended_wrong:
            writer.gamma(1 + right)
            writer.raw(ceil(log2(count - 1)), value - (value > predicted))
            right = 0
        else:
            right += 1
    if not ended_wrong:
        writer.gamma(1 + right)


# --- section 8.1, DCs

RUNS, LARGEST_RUN = 12, 27  # the class of runs in the DC family; the largest N(n) it uses


def clamped_gradient(a, b, c):
    return min(max(a + b - c, min(a, b)), max(a, b))


def weighted_neighbours(v, cell, last_x, weights):
    """T, the weighted sum of the neighbours' values in 1/64."""
    z, y, x = cell

    def at(dz, dy, dx):
        return v[z - dz, y - dy, x - dx]

    if x and y:
        w, n, nw = at(0, 0, 1), at(0, 1, 0), at(0, 1, 1)
        ne = at(0, 1, -1) if x < last_x else n
        if not z:
            around, seen = (w, n, nw, ne), (w, n, ne)
        else:
            p, pw, pn = at(1, 0, 0), at(1, 0, 1), at(1, 1, 0)
            around, seen = (w, n, nw, ne, p, pw, pn), (w, n, ne, p)
        total = sum(weight * value for weight, value in zip(weights[4:] if z else weights[:4], around, strict=True))
        return min(max(total, 64 * min(seen)), 64 * max(seen))
    if x:
        return 64 * (clamped_gradient(at(0, 0, 1), at(1, 0, 0), at(1, 0, 1)) if z else at(0, 0, 1))
    if y:
        return 64 * (clamped_gradient(at(0, 1, 0), at(1, 0, 0), at(1, 1, 0)) if z else at(0, 1, 0))
    return 64 * at(1, 0, 0) if z else 0


def dc_context(residuals, cell):
    z, y, x = cell
    around = (
        ((z, y, x - 1), 2),
        ((z, y - 1, x), 2),
        ((z, y - 1, x - 1), 1),
        ((z, y - 1, x + 1), 1),
        ((z - 1, y, x), 2),
    )
    there = [(abs(residuals[other]), weight) for other, weight in around if other in residuals]
    if not there:
        return 11
    energy, weights = sum(r * weight for r, weight in there), sum(weight for _, weight in there)
    return min(11, bitlen(8 * energy // weights))


def read_residual(reader, code):
    size = code.read(reader)
    if not size:
        return 0
    negative = reader.raw(1)
    magnitude = (1 << (size - 1)) | reader.raw(size - 1)
    return -magnitude if negative else magnitude


def write_residual(writer, code, r):
    size = bitlen(abs(r))
    code.write(writer, size)
    if size:
        writer.raw(1, r < 0)
        writer.raw(size - 1, abs(r))


def code_dcs(size, steps, classes, weights, exchange):
    """Walk over the DCs: exchange(cell, context, prediction) reads or writes a residual and returns it."""
    values, residuals = {}, {}
    dc = np.zeros(size, np.int64)
    for cell in product(*map(range, size)):
        step = steps[classes[cell]]
        total = weighted_neighbours(values, cell, size[2] - 1, weights)
        prediction = (total + 32 * step) // (64 * step)
        residuals[cell] = exchange(cell, dc_context(residuals, cell), prediction)
        q = prediction + residuals[cell]
        if abs(q) >= LIMIT:
            raise CorruptError(f"DC index {q}")
        dc[cell], values[cell] = q, q * step
    return dc


def read_stage_1(reader, size, steps, codes):
    classes = read_class_map(reader, size, len(steps))

    zeros = None  # left of the run of context 0, once it was read

    def exchange(cell, context, prediction):
        nonlocal zeros
        if context:
            return read_residual(reader, codes["DC"][context])
        if zeros is None:
            symbol = codes["DC"][RUNS].read(reader)
            if symbol > LARGEST_RUN:
                raise CorruptError(f"DC run symbol {symbol}")
            zeros = read_count(reader, symbol)
        if zeros:
            zeros -= 1
            return 0
        zeros = None
        residual = read_residual(reader, codes["DC"][0])
        if not residual:
            raise CorruptError("a zero after a run of zeros")
        return residual

    dc = code_dcs(size, steps, classes, codes["WEIGHTS"], exchange)
    if zeros:
        raise CorruptError("a run of zeros past the end of the tile")
    return classes, dc


def write_stage_1(writer, classes, dc, steps, codes):
    write_class_map(writer, classes, len(steps))

    coded = []  # (context, residual) of every cell

    def exchange(cell, context, prediction):
        coded.append((context, int(dc[cell]) - prediction))
        return coded[-1][1]

    code_dcs(classes.shape, steps, classes, codes["WEIGHTS"], exchange)
    quiet = [residual for context, residual in coded if not context]
    waiting = 0  # zeros of the run at hand that are still to come
    done = 0  # cells of context 0 so far
    inside = False
    for context, residual in coded:
        if not context and not inside:
            waiting = next((i for i, r in enumerate(quiet[done:]) if r), len(quiet) - done)
            symbol, raw_bits, raw = split_count(waiting)
            codes["DC"][RUNS].write(writer, symbol)
            writer.raw(raw_bits, raw)
            inside = True
        if context or not waiting:
            write_residual(writer, codes["DC"][context], residual)
        if not context:
            inside, waiting, done = waiting > 0, max(waiting - 1, 0), done + 1


# --- section 8.2


def may_start(tile, cell, mode):
    try:
        check_block(cell, tile.depth, mode, tile.size)
    except CorruptError:
        return False
    return True


def header_class(tile, cell):
    z, y, x = cell
    merges = next((2 - i for i, mode in enumerate((5, 4)) if may_start(tile, cell, mode)), 0)
    around = [(z, y, x - 1), (z, y - 1, x), (z - 1, y, x)]
    there = [tile.density[other] for other in around if other in tile.density]
    if not there:
        return 5 * merges
    mean = sum(there) // len(there)
    above = sum(limit <= mean for limit in DENSITIES)
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


def quarter_log(count):
    return bitlen(count**4) - 1


def token_context(left, p, span, values, around):
    """values: |q| of every position coded so far; others count 0. span: the stage's positions in the block."""
    low, high = span
    g = min(9, (quarter_log(high - p) - quarter_log(left) + 1) // 2)
    r = bitlen(64 * (p - low) // (high - low) + 1) - 1
    v = sum(weight * min(values.get(other, 0), 16) for other, weight in around)
    return (g * 7 + r) * 8 + sum(limit <= v for limit in SUMS)


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
    q, values, p = np.zeros(end - first, np.int64), {}, first
    for left in range(n, 0, -1):
        if p + left > end:
            raise CorruptError("more tokens than positions are left")
        context = token_context(left, p, (first, end), values, lists[p])
        run, s = divmod(codes["TOKEN"][context].read(reader), 16)
        p += read_count(reader, run)
        if p >= end or not s:
            raise CorruptError("a token of size 0 or past the end of the stage")
        q[p - first] = read_level(reader, s)
        values[p] = abs(int(q[p - first]))
        p += 1
    return q


def write_tokens(writer, q, tile, mode, codes):
    shape, lists = BLOCKS[tile.depth, mode], neighbours(tile.depth, mode)
    p = first = shape.cell_count * tile.span[0]
    span = (first, shape.cell_count * tile.span[1])
    values, places = {}, np.flatnonzero(q).tolist()
    for index, place in enumerate(places):
        context = token_context(len(places) - index, p, span, values, lists[p])
        level, (run, raw_bits, raw) = int(q[place]), split_count(first + place - p)
        s = level_size(abs(level))
        codes["TOKEN"][context].write(writer, 16 * run + s)
        writer.raw(raw_bits, raw)
        write_level(writer, s, level)
        values[first + place] = abs(level)
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
            blocks[cell] = mode, read_tokens(reader, n, tile, mode, codes)
    if palettes:
        data = reader.rest()
        found = palette.read_cells(data, palettes.values(), tile.depth, tile.span[1] - tile.span[0])
        blocks |= {cell: (palette.MODE, q) for cell, q in zip(palettes, found, strict=True)}
    return blocks


def write_blocks(writer, tile, blocks, codes):
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
            write_tokens(writer, q, tile, mode, codes)
    if palettes:
        writer.append(palette.write_cells(palettes, tile.depth))
