"""Labels: payloads of kind 8 to arrays, written as section 8.8 says it.

Values: bytes of a payload to NumPy planes (planes, Z, Y, X). FORMAT.md sections 6 and 8.8. Rows are lists of runs;
numbers are integers of any size.
"""

import math
from itertools import product

import numpy as np

from .bits import BitReader, TruncatedError, bitlen
from .container import DTYPES, require
from .mask import ONE, Decoder
from .payload import read_parameters
from .synthesis import in_own_axes

BEGUN = 3


class Contexts:
    """p and t by name and number, made when they are first asked for."""

    def __init__(self):
        self.p, self.t = {}, {}

    def adapt(self, context, bit):
        t = self.t.get(context, 0)
        p, shift = self.p[context], 1 + (t + 1) // 2
        self.p[context] = p + ((ONE - p) >> shift) if bit else p - (p >> shift)
        self.t[context] = min(t + 1, 7)


class Bits(Decoder):
    def is_true(self, name, number=0):
        self.model.p.setdefault((name, number), ONE // 2)
        return bool(self.decide((name, number), 0))

    def number(self, name):
        s = 0
        while self.is_true(name, min(s, 19)):
            s += 1
            require(s <= 20, "a number of more than 20 bits")
        bits = "1"
        for i in range(s):
            bits += str(int(self.is_true(name, 19 + s if i == 0 else 40)))
        return int(bits, 2) - 1

    def below(self, name, count):
        return sum(self.is_true(name, i) << i for i in reversed(range(bitlen(count - 1))))


class Row:
    """Runs of a row, ascending: x, label, move, move before."""

    def __init__(self):
        self.runs = []

    def at(self, x):
        """The label at x; None of a row that is not there."""
        return next((label for begin, label, _, _ in reversed(self.runs) if begin <= x), None)


class Tile:
    def __init__(self, data, size, count):
        self.bits, self.size, self.count = Bits(data, Contexts()), size, count
        self.ranks = []

    def read(self):
        """Ranks (z, y, x) of the tile."""
        depth, height, width = self.size
        ranks, slice_before = np.zeros(self.size, np.int64), [Row()] * height
        for z in range(depth):
            rows = []
            for y in range(height):
                row = self.row(rows[-1] if y else slice_before[0], slice_before[y], width)
                for begin, label, _, _ in row.runs:
                    ranks[z, y, begin:] = self.ranks[label]
                rows.append(row)
            slice_before = rows
        require(self.bits.taken >= len(self.bits.data), "bytes after the last row")
        return ranks

    def row(self, above, before, width):
        row = Row()
        row.runs.append((0, self.first(above.at(0), before.at(0)), 0, 0))
        k, near = min(len(above.runs), 1), None
        while True:
            kind, d = "begins", 0
            if k < len(above.runs):
                kind, d = self.step(row, above, k, near, width)
            elif self.bits.is_true("E", 2 * (len(above.runs) > 1) + (len(row.runs) > 1)):
                return row
            if kind == "ends":
                k, near = k + 1, None
            elif kind == "goes on":
                x, label, move, _ = above.runs[k]
                self.add(row, (x + d, label, min(2, max(-2, d)), 0 if move == BEGUN else sign(move)), width)
                k, near = k + 1, (x, d)
            else:
                self.begin(row, above, before, width)
                near = None

    def first(self, guess, earlier):
        if guess is not None and self.bits.is_true("F", agreement(guess, earlier)):
            return guess
        return self.label(guess, [None, earlier, None])

    def begin(self, row, above, before, width):
        x = row.runs[-1][0] + 1 + self.bits.number("D'" if len(row.runs) > 1 else "D")
        require(x < width, "a run that begins after the row")
        back = row.runs[-2][1] if len(row.runs) > 1 else None
        label = self.label(row.runs[-1][1], [above.at(x), before.at(x), back])
        self.add(row, (x, label, BEGUN, 0), width)

    def add(self, row, run, width):
        a, c = row.runs[-1][:2]
        require(a < run[0] < width and run[1] != c, f"a run {run} after {row.runs[-1]}")
        row.runs.append(run)

    def step(self, row, above, k, last, width):
        u, label, move, earlier = above.runs[k]
        a, c = row.runs[-1][:2]
        near = 2 + sign(last[1]) if last is not None and u - last[0] <= 8 else 0
        context = (move + 2) * 12 + (earlier + 1) * 4 + near
        if u <= a or label == c:
            context = 72 + (u <= a) + 2 * (label == c)
        if self.bits.is_true("S", context):
            return "goes on", 0
        if self.bits.is_true("O", context):
            return "goes on", 1 if self.bits.is_true("P", context) else -1
        following = above.runs[k + 1][0] if k + 1 < len(above.runs) else width
        gap, behind = following - u, u - (above.runs[k - 1][0] if k > 1 else 0)
        g = sum(gap >= bound for bound in (2, 3, 5, 9))
        b = sum(behind > bound for bound in (2, 4))
        if self.bits.is_true("Q", 3 * g + b + 15 * (near > 0)):
            return "ends", 0
        if self.bits.is_true("R", g):
            return "begins", 0
        is_right = self.bits.is_true("M", move + 2 + 6 * near)
        d = self.bits.number("N") + 2
        return "goes on", d if is_right else -d

    def label(self, current, guesses):
        asked = []
        for i, guess in enumerate(guesses):
            if guess is None or guess == current or guess in guesses[:i]:
                continue
            context = agreement(guess, guesses[1]) if i == 0 else sum(1 << e for e in asked)
            if self.bits.is_true("H", 4 * i + context):
                return guess
            asked.append(i)
        m = len(self.ranks)
        if m == 0 or (m < self.count and self.bits.is_true("A")):
            self.ranks.append(self.new_rank())
            return m
        number = m - 1 - self.bits.below("U", m)
        require(number >= 0 and number != current, "a label that cannot be")
        return number

    def new_rank(self):
        expected = self.ranks[-1] + 1 if self.ranks else 0
        if expected < self.count and self.bits.is_true("C"):
            return expected
        rank = self.bits.below("T", self.count)
        require(rank < self.count, f"rank {rank} of {self.count}")
        return rank


def sign(value):
    return (value > 0) - (value < 0)


def agreement(guess, earlier):
    return 0 if earlier is None else 1 if earlier == guess else 2


def read_values(parameters, header):
    """The values, ascending."""
    reader = BitReader(parameters)
    count = reader.raw(32)
    require(1 <= count <= header.samples, f"{count} values")
    values, width = [header.minimum], 0
    while len(values) < count:
        if len(values) % 64 == 1:
            width = reader.raw(7)
            require(width <= 64, f"values of {width} bits")
        high = reader.raw(max(width - 32, 0))
        values.append(values[-1] + 1 + (high << 32 | reader.raw(min(width, 32))))
        require(values[-1] <= header.maximum, "a value above the maximum")
    require(8 * reader.align() == reader.end, "bytes after the values")
    require(values[-1] == header.maximum, "the last value")
    return values


def tile_starts(header):
    """Plane and first sample of every sub-stream."""
    planes = range(math.prod(header.lengths[:3]))
    sides = [1 << exponent for exponent in header.tile_log2]
    return list(product(planes, *(range(0, n, side) for n, side in zip(header.lengths[3:], sides, strict=True))))


def decode_labels(payload, header):
    """The array of a container."""
    if len(payload) < header.payload_bytes:
        raise TruncatedError("the payload is not whole")
    require(len(payload) == header.payload_bytes, "bytes after the payload")
    planes = read_labels(payload, header).reshape(header.lengths)
    return in_own_axes(planes.astype(DTYPES[header.dtype]), header.axes)


def read_labels(payload, header):
    """Planes (planes, Z, Y, X) of values."""
    starts, spatial = tile_starts(header), header.lengths[3:]
    sides = [1 << exponent for exponent in header.tile_log2]
    parameters, substreams = read_parameters(payload, header.payload_crc, len(starts))
    values = np.array(read_values(parameters, header), object)
    result = np.zeros((math.prod(header.lengths[:3]), *spatial), object)
    for (plane, *start), data in zip(starts, substreams, strict=True):
        size = tuple(min(side, n - s) for side, n, s in zip(sides, spatial, start, strict=True))
        place = (plane, *(slice(s, s + n) for s, n in zip(start, size, strict=True)))
        result[place] = values[Tile(data, size, len(values)).read()]
    return result
