"""The padding mask: one tile's bits to and from a bit string, and what it does to samples.

Values: bool arrays (z, y, x) of the samples of a tile's cells, or of a plane's.
FORMAT.md sections 5, 5.1 and 8.1. The range coder is written with integers of any size.
"""

from itertools import product

import numpy as np

from .bits import CorruptError, TruncatedError

ONE = 1 << 16
RUNS = 384


def first_probabilities():
    table = {}
    for context in range(RUNS):
        bits = [(context >> i) & 1 for i in range(8)]
        if context < 256:
            votes, most = 2 * sum(bits[:4]) + sum(bits[4:]), 12
        else:
            votes, most = 2 * sum(bits[:7]), 14
        table[context] = 1024 * (1 + 62 * votes // most) + 512
    return table | dict.fromkeys(range(RUNS, RUNS + 6), 64000)


class Model:
    """p and t of every context."""

    def __init__(self):
        self.p, self.t = first_probabilities(), dict.fromkeys(range(RUNS + 6), 0)

    def adapt(self, context, bit):
        shift = 2 + self.t[context] // 2
        p = self.p[context]
        self.p[context] = p + ((ONE - p) >> shift) if bit else p - (p >> shift)
        self.t[context] = min(self.t[context] + 1, 4)


class Decoder:
    def __init__(self, data, model):
        self.data, self.taken, self.model = data, 0, model
        self.code, self.range = 0, (1 << 32) - 1
        for _ in range(4):
            self.take()
        if self.code == self.range:
            raise CorruptError("a range code of 2^32 - 1")

    def take(self):
        self.code = 256 * self.code + (self.data[self.taken] if self.taken < len(self.data) else 0)
        self.taken += 1

    def decide(self, context, _):
        bound = self.range * self.model.p[context] // ONE
        bit = int(self.code < bound)
        if bit:
            self.range = bound
        else:
            self.code, self.range = self.code - bound, self.range - bound
        self.model.adapt(context, bit)
        while self.range < 1 << 24:
            self.range *= 256
            self.take()
        return bit


class Encoder:
    """low is the whole code so far, as one integer of `length` bytes."""

    def __init__(self, model):
        self.low, self.range, self.length, self.model = 0, (1 << 32) - 1, 4, model

    def decide(self, context, bit):
        bound = self.range * self.model.p[context] // ONE
        if bit:
            self.range = bound
        else:
            self.low, self.range = self.low + bound, self.range - bound
        self.model.adapt(context, bit)
        while self.range < 1 << 24:
            self.range, self.low, self.length = 256 * self.range, 256 * self.low, self.length + 1
        return bit

    def finish(self):
        chosen = -(-self.low >> 24) << 24
        return chosen.to_bytes(self.length, "big").rstrip(b"\0")


class Around:
    """The samples around the one at (z, y, x), by their distance (dz, dy, dx)."""

    def __init__(self, mask):
        self.mask = mask

    def at(self, z, y, x):
        if y < 0:
            return self.at(z - 1, 0, x) if z else 0
        return int(self.mask[z, y, min(max(x, 0), self.mask.shape[2] - 1)])

    def left(self, z, y, x, distance):
        return int(self.mask[z, y, x - distance]) if x >= distance else self.at(z, y - 1, 0)

    def before(self, z, y, x):
        return self.at(z - 1, min(y, self.mask.shape[1] - 1), x)

    def context(self, z, y, x):
        near = [self.left(z, y, x, 1), self.at(z, y - 1, x), self.at(z, y - 1, x - 1), self.at(z, y - 1, x + 1)]
        if z:
            near += [self.before(z, y, x), self.before(z, y, x + 1), self.before(z, y + 1, x)]
        else:
            above2 = self.at(z, y - 2, x) if y > 1 else 0
            near += [self.left(z, y, x, 2), above2, self.at(z, y - 1, x + 2), self.at(z, y - 1, x - 2)]
        return (256 if z else 0) + sum(bit << i for i, bit in enumerate(near))

    def run_context(self, z, y, x):
        """None where no decision on a run is sent."""
        w, wide = self.left(z, y, x, 1), range(x - 1, x + 9)
        if x % 8 or any(self.at(z, y - 1, i) != w for i in wide):
            return None
        if not z:
            return RUNS + 2 * w + int(all((self.at(z, y - 2, i) if y > 1 else 0) == w for i in wide))
        same = all(self.before(z, y, i) == w for i in range(x, x + 9))
        return RUNS + 4 + w if same and all(self.before(z, y + 1, i) == w for i in range(x, x + 8)) else None


def code(mask, coder):
    """Write the mask's bits, or read them into it."""
    around = Around(mask)
    for z, y, first in product(range(mask.shape[0]), range(mask.shape[1]), range(0, mask.shape[2], 8)):
        eight, w = mask[z, y, first : first + 8], around.left(z, y, first, 1)
        run = around.run_context(z, y, first)
        if run is not None and coder.decide(run, int(np.all(eight == w))):
            eight[:] = w
            continue
        for x in range(first, first + 8):
            mask[z, y, x] = coder.decide(around.context(z, y, x), int(mask[z, y, x]))


def read_mask(reader, shape):
    kind = reader.raw(2)
    if kind == 3:
        raise CorruptError("padding mask of kind 3")
    mask = np.full(shape, kind == 1)
    if kind != 2:
        return mask
    count = reader.gamma() - 1
    if 8 * count > reader.end - reader.position:
        raise TruncatedError("padding mask")
    coder = Decoder(bytes(reader.raw(8) for _ in range(count)), Model())
    code(mask, coder)
    if coder.taken < count:
        raise CorruptError("padding mask: bytes left over")
    if mask.all() or not mask.any():
        raise CorruptError("a mixed padding mask that is not mixed")
    return mask


def write_mask(writer, mask):
    kind = 1 if mask.all() else 2 if mask.any() else 0
    writer.raw(2, kind)
    if kind == 2:
        coder = Encoder(Model())
        code(mask.copy(), coder)
        data = coder.finish()
        writer.gamma(1 + len(data))
        for byte in data:
            writer.raw(8, byte)


def scaled_mask(mask, scale, z_shrinks):
    """Of a plane's own samples: where an output sample is the padding value."""
    sides = (scale if z_shrinks else 1, scale, scale)
    masked, count = mask.astype(np.int64), np.ones(mask.shape, np.int64)
    for axis, side in enumerate(sides):
        starts = range(0, mask.shape[axis], side)
        masked, count = (np.add.reduceat(a, starts, axis=axis) for a in (masked, count))
    return 2 * masked >= count
