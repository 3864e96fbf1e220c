"""Sub-streams of the corrections: the samples of one tile.

Values: int64 arrays (z, y, x) of indices, from and to bit strings.
FORMAT.md section 8.3. Contexts see the tile only; reader and writer share the walk.
"""

from bisect import bisect_right
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


def surroundings(rows, cell):
    """(activity a, lean t) at a sample; `rows` have two rows of zeros before, two zeros in front and one behind."""
    z, y, x = cell
    above_2, above, row = rows[z][y : y + 3]
    w, n, nw, ne, ww, nn = row[x + 1], above[x + 2], above[x + 1], above[x + 3], row[x], above_2[x + 2]
    activity = 2 * (abs(w) + abs(n)) + abs(nw) + abs(ne) + abs(ww) + abs(nn)
    return activity, 2 * (w + n) + nw + ne


def code_tile(size, all_runs, run_of, index_of):
    """Walk over a tile: run_of(class, cell) and index_of(class, cell, flipped) read or write, and return values."""
    k = np.zeros(size, np.int64)
    rows = np.pad(k, [(0, 0), (2, 0), (2, 1)]).tolist()
    cells = list(product(*map(range, size)))

    def put(cell, value):
        z, y, x = cell
        k[cell] = rows[z][y + 2][x + 2] = value

    position = before = 0
    while position < len(cells):
        activity, lean = surroundings(rows, cells[position])
        if activity and not all_runs:
            level = bisect_right(ACTIVITIES, activity)  # limits <= activity
            code = 3 * level + (4 * abs(lean) > activity) + (2 * abs(lean) > activity)
            put(cells[position], index_of(code, cells[position], lean < 0))
            position += 1
            continue
        run = run_of(42 + min(bitlen(before) // 2, 3), position)
        if run > len(cells) - position:
            raise CorruptError("corrections: a run past the end of the tile")
        position, before = position + run, run
        if position < len(cells):
            put(cells[position], index_of(46 if run < 8 else 47, cells[position], False))
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
