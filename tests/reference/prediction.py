"""Prediction of blocks from what stages 1 and 2 gave before them in their tile.

Values: predictions as numbers, R2 as int64 samples of a tile (z, y, x), float32 coefficients.
FORMAT.md sections 4.5 and the predictions of 8.2. One block at a time, sample by sample.
"""

import numpy as np

from .bits import CorruptError
from .geometry import BLOCKS, block_cells, coding_order
from .transforms import forward_block

NONE, PLANAR, SLICE = 0, 1, 35
ANGLES = range(3, 35)
STEPS = (32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32)  # of the angles 34 .. 18
INVERSE = {-2: 4096, -5: 1638, -9: 910, -13: 630, -17: 482, -21: 390, -26: 315, -32: 256}
LIMIT = 1 << 21


# --- which one, and how it is sent


def allowed(cell, mode):
    """The predictions that a block may have at a cell (z, y, x) of its tile."""
    z, y, x = cell
    found = {NONE}
    if mode != 6 and (y or x):
        found |= {PLANAR, *ANGLES}
    return found | {SLICE} if z else found


def around(tile, cell):
    """W and N."""
    z, y, x = cell
    return tile.predictions.get((z, y, x - 1), NONE), tile.predictions.get((z, y - 1, x), NONE)


def code_of(tile, cell, mode, codes):
    size = {1: 0, 4: 1, 16: 2, 64: 3}[BLOCKS[1, mode].cell_count]
    return codes["PREDICTION"][3 * size + sum(other != NONE for other in around(tile, cell))]


def keep(tile, cell, mode, prediction):
    """Check it and mark the block's cells."""
    if prediction not in allowed(cell, mode):
        raise CorruptError(f"prediction {prediction} of mode {mode} at tile cell {cell}")
    if prediction != NONE and tile.reversible[int(tile.classes[cell])]:
        raise CorruptError("prediction in a reversible class")
    for other in block_cells(cell, 1, mode):
        tile.predictions[other] = prediction


def read_prediction(reader, tile, cell, mode, codes):
    if tile.predictions is None:
        return
    prediction = NONE
    if allowed(cell, mode) != {NONE}:
        symbol = code_of(tile, cell, mode, codes).read(reader)
        if symbol in (1, 2):
            prediction = around(tile, cell)[symbol - 1]
            if prediction == NONE:
                raise CorruptError("prediction as that of a block without one")
        elif symbol == 5:
            prediction = ANGLES[reader.raw(5)]
        else:
            prediction = {0: NONE, 3: PLANAR, 4: SLICE}[symbol]
    keep(tile, cell, mode, prediction)


def write_prediction(writer, tile, cell, mode, codes, prediction):
    if allowed(cell, mode) != {NONE}:
        said = [NONE, *around(tile, cell), PLANAR, SLICE, prediction]
        said[1:3] = [other or None for other in said[1:3]]
        symbol = said.index(prediction)
        code_of(tile, cell, mode, codes).write(writer, symbol)
        if symbol == 5:
            writer.raw(5, ANGLES.index(prediction))
    keep(tile, cell, mode, prediction)


# --- P


class Surroundings:
    """The samples R2 around a block of n x n samples of a slice, missing ones filled in."""

    def __init__(self, slice_, size, cell, n):
        order = {place: i for i, place in enumerate(coding_order((1, *size[1:]), 1))}
        y, x = (8 * c for c in cell[1:])
        above = []
        for column in range(x, x + 2 * n):
            other = order.get((0, y // 8 - 1, column // 8))
            if other is None or other > order[(0, *cell[1:])]:
                break
            above.append(int(slice_[y - 1, column]))
        left = [int(slice_[y + k, x - 1]) for k in range(n)] if x else []
        self.corner = int(slice_[y - 1, x - 1]) if above and left else (above or left)[0]
        self.above = (above or [left[0]]) + [(above or left[:1])[-1]] * (2 * n)
        self.above = self.above[: 2 * n]
        self.left = (left or [above[0]]) + [(left or above[:1])[-1]] * (2 * n)
        self.left = self.left[: 2 * n]

    def smooth(self):
        line = [*reversed(self.left), self.corner, *self.above]
        middle = [(a + 2 * b + c + 2) >> 2 for a, b, c in zip(line, line[1:], line[2:], strict=False)]
        line, n = [line[0], *middle, line[-1]], len(self.left)
        self.left, self.corner, self.above = line[n - 1 :: -1], line[n], line[n + 1 :]


def planar(near, n):
    def sample(y, x):
        across = (n - 1 - x) * near.left[y] + (x + 1) * near.above[n]
        down = (n - 1 - y) * near.above[x] + (y + 1) * near.left[n]
        return (across + down + n) >> n.bit_length()

    return [[sample(y, x) for x in range(n)] for y in range(n)]


def angular(near, n, angle):
    step = STEPS[34 - max(angle, 36 - angle)]
    if step and (n > 8 or abs(step) >= 9):
        near.smooth()
    along, aside = [near.corner, *near.above], [near.corner, *near.left]
    if angle < 18:
        along, aside = aside, along
    r = dict(enumerate(along))
    if step < 0:
        for k in range(1, -((n * step) >> 5) + 1):
            r[-k] = aside[(k * INVERSE[step] + 128) >> 8]
    rows = []
    for y in range(n):
        i, f = ((y + 1) * step) >> 5, ((y + 1) * step) & 31
        second = [r[x + i + 2] if f else 0 for x in range(n)]
        rows.append([((32 - f) * r[x + i + 1] + f * second[x] + 16) >> 5 for x in range(n)])
    return rows if angle >= 18 else np.transpose(rows)


def predicted(samples, size, cell, n, prediction):
    """P, from R2 of the tile."""
    z, y, x = cell
    if prediction == SLICE:
        return samples[z - 1, 8 * y : 8 * y + n, 8 * x : 8 * x + n]
    near = Surroundings(samples[z], size, cell, n)
    return planar(near, n) if prediction == PLANAR else angular(near, n, prediction)


def spectrum(samples, size, cell, mode, prediction):
    """What is added to the coefficients of a block, in the natural layout; its DC or corner is that of P."""
    n = BLOCKS[1, mode].size[2]
    block = np.array(predicted(samples, size, cell, n, prediction)).reshape(1, 1, n, n)
    return forward_block(block, 1, mode)[0][0]
