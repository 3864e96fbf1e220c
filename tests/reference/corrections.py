"""Sub-streams of the corrections: the samples of one tile.

Values: int64 arrays (z, y, x) of indices, from and to bit strings.
FORMAT.md section 8.3. Contexts see the tile only; reader and writer share the walk.
"""

from itertools import product

import numpy as np

from .bits import CorruptError, bitlen, read_count, split_count
from .synthesis import window

ACTIVITIES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128)
LARGEST_COUNT = 53


def tile_windows(header):
    """The place (plane, z, y, x) of every tile's samples in the planes."""
    side = (header.cell_depth, 8, 8)
    for plane, start, size in header.grid.tiles():
        first = [a * s for a, s in zip(start, side, strict=True)]
        ends = [(a + n) * s for a, n, s in zip(start, size, side, strict=True)]
        inside = [min(b, n) - a for a, b, n in zip(first, ends, header.grid.samples, strict=True)]
        yield (plane, *window(first, inside))


def surroundings(k, cell):
    """(activity a, lean t) at a sample."""
    z, y, x = cell

    def at(dy, dx):
        inside = y - dy >= 0 and 0 <= x - dx < k.shape[2]
        return int(k[z, y - dy, x - dx]) if inside else 0

    w, n, nw, ne, ww, nn = at(0, 1), at(1, 0), at(1, 1), at(1, -1), at(0, 2), at(2, 0)
    activity = 2 * (abs(w) + abs(n)) + abs(nw) + abs(ne) + abs(ww) + abs(nn)
    return activity, 2 * (w + n) + nw + ne


def code_tile(size, all_runs, run_of, index_of):
    """Walk over a tile: run_of(class, cell) and index_of(class, cell, flipped) read or write, and return values."""
    k = np.zeros(size, np.int64)
    cells = list(product(*map(range, size)))
    position = before = 0
    while position < len(cells):
        activity, lean = surroundings(k, cells[position])
        if activity and not all_runs:
            level = sum(limit <= activity for limit in ACTIVITIES)
            code = 3 * level + (4 * abs(lean) > activity) + (2 * abs(lean) > activity)
            k[cells[position]] = index_of(code, cells[position], lean < 0)
            position += 1
            continue
        run = run_of(42 + min(bitlen(before) // 2, 3), position)
        if run > len(cells) - position:
            raise CorruptError("corrections: a run past the end of the tile")
        position, before = position + run, run
        if position < len(cells):
            k[cells[position]] = index_of(46 if run < 8 else 47, cells[position], False)
            if not k[cells[position]]:
                raise CorruptError("corrections: a zero after a run")
            position += 1
    return k


def read_corrections(reader, size, codes):
    def run_of(code, _):
        symbol = codes["CORRECTION"][code].read(reader)
        if symbol > LARGEST_COUNT:
            raise CorruptError(f"corrections: a run of symbol {symbol}")
        return read_count(reader, symbol)

    def index_of(code, _, flipped):
        symbol = codes["CORRECTION"][code].read(reader)
        count = (symbol + 1) // 2
        if count > LARGEST_COUNT:
            raise CorruptError(f"corrections: an index of symbol {symbol}")
        magnitude = read_count(reader, count)
        return magnitude if symbol % 2 != flipped else -magnitude

    return code_tile(size, reader.raw(1), run_of, index_of)


def write_corrections(writer, k, codes, all_runs):
    flat = k.reshape(-1)
    writer.raw(1, all_runs)

    def put(code, symbol, n):
        codes["CORRECTION"][code].write(writer, symbol)
        writer.raw(*split_count(n)[1:])

    def run_of(code, position):
        later = np.flatnonzero(flat[position:])
        run = int(later[0]) if len(later) else len(flat) - position
        put(code, split_count(run)[0], run)
        return run

    def index_of(code, cell, flipped):
        value = int(k[cell])
        n = split_count(abs(value))[0]
        put(code, 2 * n - ((value > 0) != flipped) if value else 0, abs(value))
        return value

    code_tile(k.shape, all_runs, run_of, index_of)
