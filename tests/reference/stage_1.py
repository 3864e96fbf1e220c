"""Sub-streams of stage 1: the class map and the DCs of one tile.

Values: integer arrays (z, y, x) of the tile's cells, from and to bit strings.
FORMAT.md section 8.1. Contexts see the tile only; reader and writer share them, and are written side by side.
"""

from itertools import product
from math import ceil, log2

import numpy as np

from .bits import CorruptError, bitlen, read_count, split_count

LIMIT = 1 << 26


# --- class map


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


# --- DCs

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
