"""Kind 3: samples predicted by least squares that follow them, coded as decisions of mixed probability.

Values: a payload in; NumPy array out.
FORMAT.md sections 2.2, 6.2 and 8.9. Sums are binary32 of NumPy, solved in binary64 of Python.
"""

from itertools import product
from types import SimpleNamespace

import numpy as np

from .bits import BitReader, TruncatedError, bitlen
from .container import require
from .mask import Decoder
from .payload import read_parameters
from .predictive import boxes, in_type, samples_of, to_channels
from .predictive_parameters import PALETTE, read_palette, read_values

F32 = np.float32
SLICE = {"NW": (0, -1, -1), "NE": (0, -1, 1), "NN": (0, -2, 0), "NNE": (0, -2, 1), "NWW": (0, -1, -2)}
SLICE |= {"NEE": (0, -1, 2), "NNW": (0, -2, -1), "WWW": (0, 0, -3), "WW": (0, 0, -2), "W": (0, 0, -1)}
BEFORE = {"P": (-1, 0, 0), "PW": (-1, 0, -1), "PE": (-1, 0, 1), "PN": (-1, -1, 0), "PS": (-1, 1, 0), "PP": (-2, 0, 0)}
NEAR = ["NW", "NE", "NN", "WW", "W"], ["P", "PW", "PE", "PN", "PS"]
ENERGY = {"W": 2, "N": 2, "NW": 1, "NE": 1, "WW": 1, "NN": 1}, {"P": 2, "PW": 1, "PE": 1, "PN": 1, "PS": 1}
PLACES = {"N": (0, -1, 0)} | SLICE | BEFORE
HASH = [2654435761, 2246822519, 3266489917, 668265263, 374761393]
WORD = (1 << 32) - 1
LOGISTIC = [round(65536 / (1 + np.exp(-i / 4))) for i in range(46)]


def sq(d):
    i, rest = divmod(abs(d), 64)
    p = LOGISTIC[i] + ((LOGISTIC[i + 1] - LOGISTIC[i]) * rest >> 6)
    return p if d >= 0 else 65536 - p


SQ = [sq(d) for d in range(-2816, 2817)]
ST = [min(int(np.searchsorted(SQ, 16 * i + 8)), 5632) - 2816 for i in range(4096)]


def decode_mixed(payload, header):
    if len(payload) < header.payload_bytes:
        raise TruncatedError("the payload is not whole")
    require(len(payload) == header.payload_bytes, "bytes after the payload")
    has_palette = header.colour_form == PALETTE
    channels, count = (3 if header.colour else 1), (3 if header.colour and not has_palette else 1)
    groups, volume = int(np.prod(header.lengths[:3])) // channels, header.lengths[3:]
    tiles = list(boxes([0, 0, 0], volume, header.tile_log2))
    parameters, streams = read_parameters(payload, header.payload_crc, groups * count * len(tiles))
    palette, maps = read_maps(parameters, header, count)
    out = np.zeros((groups * channels, *volume), np.int64)
    for group, (number, tile) in product(range(groups), enumerate(tiles)):
        coded, restored = [], []
        for i, table in enumerate(maps):
            bits = header.bits + (header.colour_form > 0 and i > 0)
            coded.append(
                Tile([b - a for a, b in tile], max(1, bitlen(len(table) - 1)) if table else bits, coded).read(
                    streams[(group * count + i) * len(tiles) + number]
                )
            )
            restored.append(np.array(table)[np.minimum(coded[-1], len(table) - 1)] if table else coded[-1])
        window = tuple(slice(a, b) for a, b in tile)
        for i, values in enumerate(to_channels(restored, header)):
            table = [colour[i] for colour in palette]
            out[(group * channels + i, *window)] = samples_of(values, table, header)
    return in_type(out, header)


def read_maps(data, header, count):
    """The palette, and a map of values or nothing for each component."""
    reader = BitReader(data)
    palette = read_palette(reader, header) if header.colour_form == PALETTE else []
    maps = [] if not palette else [[]]
    for i in range(0 if palette else count):
        bits = header.bits + (header.colour_form > 0 and i > 0)
        values = read_values(reader, SimpleNamespace(offset=0, bits=bits))
        first = reader.gamma() - 1 if values else 0
        maps.append([first + value for value in values])
        require(not values or maps[-1][-1] < 1 << bits, "a map")
    reader.align()
    require(reader.position == reader.end, "bytes after the parameters")
    return palette, maps


class Squares:
    def __init__(self, n):
        self.n, self.seen = n, 0
        self.weights = np.zeros(n, F32)
        self.sums = np.zeros((n + 1, n), F32)

    def predict(self, x):
        s = [F32(0)] * 4
        for i in range(self.n):
            s[i % 4] = s[i % 4] + self.weights[i] * x[i]
        return (s[0] + s[1]) + (s[2] + s[3])

    def add(self, x, y, e):
        scale = F32(8 + e)
        c = F32(1) / (scale * scale)
        self.sums += np.outer((c * np.append(x, F32(y))).astype(F32), x)
        self.seen += 1
        if self.seen % 64 == 0:
            solved = self.solve()
            self.sums *= F32(0.875)
            self.weights = self.weights if solved is None else np.array(solved, F32)

    def solve(self):
        n = self.n
        m = [[float(v) for v in row] for row in self.sums]
        f = [[0.0] * n for _ in range(n + 1)]
        for k in range(n):
            m[k][k] += 1 / 64
        for k in range(n):
            if not m[k][k] >= 2.0**-20:
                return None
            inverse = 1 / m[k][k]
            for i in range(k + 1, n + 1):
                f[i][k] = m[i][k] * inverse
                for j in range(k + 1, min(i, n - 1) + 1):
                    m[i][j] -= f[i][k] * m[j][k]
        w = [0.0] * n
        for i in reversed(range(n)):
            w[i] = f[n][i] if i < n - 1 else m[n][i] * (1 / m[i][i])
            for k in range(i + 1, n):
                w[i] -= f[k][i] * w[k]
            if not -1024 < w[i] < 1024:
                return None
        return w


class Model:
    """A probability that is stated before each decision."""

    def __init__(self):
        self.p = [0]

    def adapt(self, context, bit):
        pass


class Mixer:
    def __init__(self, data, contexts):
        self.coder = Decoder(data, Model())
        self.states = {}
        self.weights = {}
        self.first = 65536 // contexts

    def decide(self, node):
        keys = [(i, number, node) for i, number in enumerate(self.numbers)]
        states = [self.states.get(key, (1 << 21, 0)) for key in keys]
        weights = self.weights.setdefault((self.mixing, node), [self.first] * len(keys))
        logits = [ST[p >> 10] for p, _ in states]
        d = (32768 + sum(w * t for w, t in zip(weights, logits, strict=True))) >> 16
        p = SQ[min(max(d, -2816), 2816) + 2816]
        bit = self.raw(p)
        error = (bit << 16) - p
        for i, (key, (probability, seen)) in enumerate(zip(keys, states, strict=True)):
            moved = weights[i] + ((error * logits[i] + 32768) >> 16)
            weights[i] = (moved + (1 << 31)) % (1 << 32) - (1 << 31)
            target = (1 << 22) - 1 if bit else 0
            step = (target - probability) * (655360 // (10 * seen + 16)) >> 16
            self.states[key] = probability + step, min(seen + 1, 255)
        return bit

    def raw(self, p=32768):
        self.coder.model.p[0] = p
        return self.coder.decide(0, None)

    def residual(self, e):
        k = self.size(min(bitlen(e // 8), 9))
        if k == 0:
            return 0
        positive, value = self.decide(4), 1
        for i in range(k - 1):
            value = 2 * value + (self.decide(node(k, 3 + i)) if i < 2 else self.raw())
        return value if positive else -value

    def size(self, m):
        if m > 0 and self.decide(node(m, 2)):
            return next((k for k in range(m - 1, 0, -1) if self.decide(node(k, 1))), 0)
        return next((k for k in range(m, 21) if self.decide(node(k, 0))), 21)


def node(k, j):
    return 5 * min(k, 12) + j - 4 if k else 0


def cls(e):
    if e < 8:
        return e
    k = bitlen(e) - 1
    return min(8 + 4 * (k - 3) + (e >> (k - 2) & 3), 39)


def hashed(*numbers):
    h = 0
    for number, factor in zip(numbers, HASH, strict=True):
        h ^= number * factor & WORD
    h ^= h >> 15
    h = h * 2246822519 & WORD
    return (h ^ h >> 13) >> 20


class Tile:
    """One tile of a component; `earlier` are the numbers of the components before it."""

    def __init__(self, shape, bits, earlier):
        self.shape, self.bits, self.earlier = shape, bits, earlier
        self.samples, self.residuals = (np.zeros(shape, np.int64) for _ in range(2))

    def read(self, data):
        self.mixer = Mixer(data, 6 if self.earlier else 4)
        steps = 4 * len(self.earlier)
        self.squares = [Squares(10 + steps), Squares(16 + steps)]
        for place in np.ndindex(*self.shape):
            self.read_sample(place)
        require(self.mixer.coder.taken >= len(data), "bytes after the last sample")
        return self.samples

    def at(self, array, place, offset, start):
        """What stands at an offset from the place that is decoded."""
        (z, y, x), (dz, dy, dx) = place, offset
        if dz == -2 and z < 2:
            dz = -1
        row, column = y + dy, x + dx
        rows, columns = self.shape[1:]
        if dz == 0 and y == 0:
            row, column = 0, x - 1 if dy else column
        elif row < 0:
            row, column = 0, max(column, 0)
        row = min(row, rows - 1)
        if column >= 0:
            return int(array[z + dz, row, min(column, columns - 1)])
        if row > 0:
            return int(array[z + dz, row - 1, 0])
        return self.start(array, z + dz, start)

    def start(self, array, z, start):
        if array is self.residuals:
            return 0
        return int(array[z - 1, 0, 0]) if z else start

    def neighbours(self, array, place, start):
        names = [name for name, (dz, _, _) in PLACES.items() if dz == 0 or place[0]]
        return {name: self.at(array, place, PLACES[name], start) for name in names}

    def read_sample(self, place):
        near = self.neighbours(self.samples, place, (1 << self.bits) // 2)
        around = self.neighbours(self.residuals, place, 0)
        n, deep = near["N"], int(place[0] > 0)
        features = [near[name] - n for name in [*SLICE, *(BEFORE if deep else [])]]
        steps = [step for array in self.earlier for step in steps_of(array, place)]
        flat = not any(steps) and all(near[name] == n for part in NEAR[: 1 + deep] for name in part)
        x32 = np.array(features + steps, F32)
        squares = self.squares[deep]
        t = 16 * n
        if not flat:
            moved = float(min(max(squares.predict(x32) * F32(16), F32(-(2**21))), F32(2**21)))
            t = min(max(t + int(np.floor(moved + 0.5)), 0), 16 * ((1 << self.bits) - 1))
        q, f = (t + 8) // 16, (t + 8) % 16 // 2
        e = sum(weight * abs(around[name]) for name, weight in ENERGY[0].items())
        if deep:
            e = (2 * e + sum(weight * abs(around[name]) for name, weight in ENERGY[1].items()) + 1) // 2
        self.mixer.mixing = 0 if cls(e) < 4 else 1 if cls(e) < 16 else 2
        self.mixer.numbers = self.contexts(near, around, q, f, e, deep) + self.colour_contexts(near, q, place)
        r = self.mixer.residual(e)
        require(0 <= q + r < 1 << self.bits, "a sample")
        self.samples[place], self.residuals[place] = q + r, r
        if not flat:
            squares.add(x32, q + r - n, e)

    def contexts(self, near, around, q, f, e, deep):
        pairs = [("W", "N"), ("N", "NW"), ("N", "NE"), ("W", "WW"), ("N", "NN")]
        flags = [near[a] == near[b] for a, b in pairs] + [near["W"] == q]
        flags += [near["P"] == q, near["P"] == near["PE"]] if deep else []
        b = sum(flag << i for i, flag in enumerate(flags))
        signs = sign(around["W"]) + 3 * sign(around["N"])
        return [q % 2048, 8 * b + min(cls(e), 7), cls(e), 28 * (8 * signs + f) + min(2 * cls(e) // 3, 27)]

    def colour_contexts(self, near, q, place):
        if not self.earlier:
            return []
        first, last = int(self.earlier[0][place]), int(self.earlier[-1][place])
        return [hashed(near["W"], near["N"], near["NW"], near["NE"], last), hashed(q, first, last, 0, 1)]


def sign(r):
    return 1 if r > 0 else 2 if r < 0 else 0


def steps_of(array, place):
    z, y, x = place
    rows, columns = array.shape[1:]
    a = int(array[place])
    return [
        a - int(array[z, y, x - 1]) if x else 0,
        a - int(array[z, y - 1, x]) if y else 0,
        int(array[z, y, x + 1]) - a if x + 1 < columns else 0,
        int(array[z, y + 1, x]) - a if y + 1 < rows else 0,
    ]
