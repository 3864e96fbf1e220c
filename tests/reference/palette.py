"""Palette cells: the range code after the blocks of a stage 2 sub-stream, and the samples that its colours stand for.

Values: AC positions of a cell (gaps, then words of 12 colours) from and to bytes; float32 samples.
FORMAT.md sections 5 and 8.5. Contexts are named, not numbered.
"""

from itertools import product

import numpy as np

from . import mask
from .bits import CorruptError, bitlen

MODE = 7
GAPS, WORD = 3, 12
POSITIONS = {1: 9, 8: 46}  # of gaps and words
F32 = np.float32


class Model:
    """p and t of every context; a context's first p follows from its name."""

    def __init__(self):
        self.p, self.t = {}, {}

    def first(self, context):
        kind, number = context
        if kind == "A":
            most = 5 if number < 64 else 6
            return 4096 + 57344 * (number & (1 << most) - 1).bit_count() // most
        return 49152 if kind == "Z" else 32768

    def adapt(self, context, bit):
        p, t = self.p[context], self.t.get(context, 0)
        self.p[context] = p + ((mask.ONE - p) >> 2 + t // 2) if bit else p - (p >> 2 + t // 2)
        self.t[context] = min(t + 1, 7)


class Probabilities(dict):
    """p of the contexts, made when they are first met."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def __missing__(self, context):
        self[context] = self.model.first(context)
        return self[context]


def fresh_model():
    model = Model()
    model.p = Probabilities(model)
    return model


def code_gap(coder, gap):
    s = 1
    while coder.decide(("Z", min(s, 24)), int(bitlen(gap) > s)):
        s += 1
        if s > 25:
            raise CorruptError("palette: a gap of more than 25 bits")
    value = 1
    for k in range(s - 2, -1, -1):
        value = 2 * value + coder.decide(("B", 0), gap >> k & 1)
    return value


def code_first(coder, count, v):
    if count > 2 and coder.decide(("F", 0), v >> 1):
        return 2 + (coder.decide(("F", 2), v & 1) if count == 4 else 0)
    return coder.decide(("F", 1), v & 1)


def code_other(coder, colours, count, place):
    z, y, x = place
    v = colours[z][y][x]

    def at(dz, dy, dx, otherwise):
        inside = z + dz >= 0 and 0 <= y + dy < 8 and 0 <= x + dx < 8
        return colours[z + dz][y + dy][x + dx] if inside else otherwise

    p = at(-1, 0, 0, None)
    c = at(0, 0, -1, at(0, -1, 0, p))
    n = at(0, -1, 0, c if p is None else p)
    nw, ne = at(0, -1, -1, n), at(0, -1, 1, n)
    if z:
        pe, ps = at(-1, 0, 1, p), at(-1, 1, 0, p)
        around, order, base = (n, nw, ne, p, pe, ps), (n, p, pe, ps, ne, nw), 64
    else:
        around, order, base = (n, nw, ne, at(0, 0, -2, c), at(0, -2, 0, n)), (n, nw, ne), 0
    bits = [int(a == c) for a in around] + [int(x == 0)]
    if coder.decide(("A", base + sum(bit << i for i, bit in enumerate(bits))), int(v == c)):
        return c
    if count == 2:
        return 1 - c
    d = next((a for a in order if a != c), None)
    if d is not None:
        bits = [n == d, ne == d, (p if z else nw) == d, z > 0]
        if coder.decide(("D", sum(int(bit) << i for i, bit in enumerate(bits))), int(v == d)):
            return d
    rest = [k for k in range(count) if k not in (c, d)]
    while len(rest) > 1:
        k = rest.pop(0)
        if coder.decide(("R", len(rest) - 1), int(v == k)):
            return k
    return rest[0]


def code_cell(coder, n, depth, q):
    """The gaps and colours of a cell as AC positions of stage 2; `q` is what a writer sends."""
    given = unpack_words(q, depth).tolist()
    found = np.zeros_like(q)
    for index in range(n):
        found[index] = code_gap(coder, int(q[index]))
    for z, y, x in product(range(depth), range(8), range(8)):
        first = not (z or y or x)
        coded = code_first(coder, n + 1, given[0][0][0]) if first else code_other(coder, given, n + 1, (z, y, x))
        given[z][y][x] = coded
    words = np.zeros(WORD * (POSITIONS[depth] - GAPS), np.int64)
    words[: 64 * depth] = np.array(given).reshape(-1)
    found[GAPS : POSITIONS[depth]] = words.reshape(-1, WORD) @ (4 ** np.arange(WORD))
    return found


def unpack_words(q, depth):
    """Colours (depth, 8, 8) of a cell."""
    words = q[GAPS : POSITIONS[depth], None] >> 2 * np.arange(WORD) & 3
    return words.reshape(-1)[: 64 * depth].reshape(depth, 8, 8).copy()


def read_cells(data, counts, depth, length):
    """`length` AC positions of each cell; counts: gaps of the cells in coding order."""
    coder = mask.Decoder(data, fresh_model())
    cells = [code_cell(coder, n, depth, np.zeros(length, np.int64)) for n in counts]
    if coder.taken < len(data):
        raise CorruptError("palette: bytes left over")
    return cells


def write_cells(cells, depth):
    """The bytes of cells in coding order, from their AC positions."""
    coder = mask.Encoder(fresh_model())
    for q in cells:
        code_cell(coder, int(np.count_nonzero(q[:GAPS])), depth, q)
    return coder.finish()


def samples(q, dc, step, depth, scale):
    """A cell's samples, float32; `dc` dequantized."""
    colours = unpack_words(q, depth)
    offsets = np.concatenate([[0], np.cumsum(q[:GAPS])])
    unit = F32(0.125 if depth == 8 else 0.25) * step
    mean = dc * F32(8**-1.5 if depth == 8 else 0.125)
    base = mean - F32(int(offsets[colours].sum())) * unit / F32(colours.size)
    values = (base + offsets.astype(F32) * unit)[colours]
    if scale == 1:
        return values
    deep = scale if depth == 8 else 1
    windows = values.reshape(-1, deep, 8 // scale, scale, 8 // scale, scale).transpose(0, 2, 4, 1, 3, 5)
    windows = windows.reshape(*windows.shape[:3], -1)
    total = np.zeros(windows.shape[:3], F32)
    for index in range(windows.shape[3]):
        total = total + windows[..., index]
    return total * F32(1 / windows.shape[3])
