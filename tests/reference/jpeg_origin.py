"""Images that were JPEG files: decisions, coefficients and residuals of the bands of one image.

Values: parameters and sub-streams in; uint8 pixels (Y, X, components) out.
FORMAT.md section 8.10. Everything is decoded, band after band, with Python's integers.
"""

from collections import defaultdict

import numpy as np

from .bits import CorruptError, TruncatedError
from .fields import require
from .jpeg_decisions import Decisions, around, lg, lv, quotient
from .jpeg_samples import ZIGZAG, pixels, raw_samples, read_form
from .payload import read_parameters

INNER = [(k, place) for k, place in enumerate(ZIGZAG) if all(place)]


class Block:
    """A block that is being decoded, with the blocks around it (zeros where there is none)."""

    def __init__(self, into, steps, w, n, d, o, c):
        self.b, self.q, self.c = into, steps, c
        self.has_w, self.has_n = w is not None, n is not None
        zeros = np.zeros((8, 8), np.int64)
        self.w, self.n, self.d, self.o = (zeros if x is None else x for x in (w, n, d, o))

    def store(self, place, v):
        if abs(v) > 2047:
            raise CorruptError("a coefficient above 2047")
        self.b[place] = v

    def decode(self, code):
        code.chroma = int(self.c > 0)
        inner = self.inner_count(code)
        self.inner_values(code, inner)
        for line in (0, 1):
            self.line(code, inner, line)
        self.dc(code, inner)

    def inner_count(self, code):
        w, n, d, o = (int(np.count_nonzero(x[1:, 1:])) for x in (self.w, self.n, self.d, self.o))
        m = (w + n + 1) // 2 if self.has_w and self.has_n else w if self.has_w else n
        code.kind, code.set = 0, lg(m)
        pairs = [32 * (w // 2) + n // 2, 32 * (m // 2) + o // 2, 32 * (m // 2) + d // 2]
        code.contexts = [m, pairs[0], 3 * o + self.c, n, w, pairs[1], pairs[2], 2 * n + 2 * w - d + 64]
        count = code.number(6)
        if count > 49:
            raise CorruptError("more than 49 inner coefficients")
        return count

    def inner_values(self, code, left):
        code.kind, last, before = 3, 0, 0
        for k, (u, v) in INNER:
            if left == 0:
                return
            w, n, d, o = (int(x[u, v]) for x in (self.w, self.n, self.d, self.o))
            a = around(w, n, d)
            near = [(i, j) for i, j in ((u, v - 1), (u - 1, v), (u - 1, v - 1)) if i and j]
            inside = min(15, sum(abs(int(self.b[place])) for place in near))
            code.set = min(a, 7)
            code.contexts = [
                16 * k + a,
                64 * k + left,
                64 * a + left,
                5 * (5 * k + lv(w)) + lv(n),
                2 * (16 * k + inside) + (left > 7),
                3 * (5 * k + lv(o)) + self.c,
                64 * (4 * min(last, 3) + min(before, 3)) + left,
                16 * (16 * min(8 * left // (64 - k), 15) + a) + lg(inside),
            ]
            self.store((u, v), code.value())
            before, last = last, abs(int(self.b[u, v]))
            left -= last > 0
        if left:
            raise CorruptError("inner coefficients that are not there")

    def line(self, code, e, across):
        """The row u = 0 (across = 0), or the column v = 0."""
        f, g, has_f = (self.w, self.n, self.has_w) if across else (self.n, self.w, self.has_n)
        places = [(k, 0) if across else (0, k) for k in range(1, 8)]
        fc, gc, oc = (sum(int(x[p]) != 0 for p in places) for x in (f, g, self.o))
        h = int(np.count_nonzero(self.b[0, 1:])) if across else 0
        code.kind, code.set = 1 + across, min(e, 7)
        code.contexts = [e, 2 * (8 * fc + gc), 8 * e + fc, 8 * e + gc, 8 * (3 * oc + self.c) + e // 4]
        code.contexts += [64 * h + e, 8 * h + fc, fc + gc]
        left, last = code.number(3), 0
        code.kind = 4 + across
        for k, place in enumerate(places, 1):
            if left == 0:
                return
            p = self.line_prediction(f, place, across) if has_f else 0
            s = min(lg(p), 10)
            t = 11 + s if p < 0 else s
            finer = min(abs(p) // 8, 31) * (-1 if p < 0 else 1) + 31
            fv, gv, dv, ov = (int(x[place]) for x in (f, g, self.d, self.o))
            a = around(fv, gv, dv)
            code.set = min(s, 7)
            code.contexts = [
                8 * (32 * k + t) + left,
                8 * (16 * k + a) + left,
                64 * k + finer,
                5 * (5 * k + lv(gv)) + lv(fv),
                3 * (5 * k + lv(ov)) + self.c,
                8 * (16 * t + a) + min(e, 7),
                4 * (8 * k + left) + min(last, 3),
                8 * (8 * t + left) + min(e, 7),
            ]
            self.store(place, code.value())
            last = abs(int(self.b[place]))
            left -= last > 0
        if left:
            raise CorruptError("coefficients of a line that are not there")

    def line_prediction(self, f, place, across):
        if across:
            beyond, own, q = f[place[0]], self.b[place[0]], self.q[place[0]]
        else:
            beyond, own, q = f[:, place[1]], self.b[:, place[1]], self.q[:, place[1]]
        signs = np.array([1, -1] * 4)
        total = 128 * beyond[0] * q[0] + 181 * int(((signs * beyond - own) * q)[1:].sum())
        return quotient(int(total), 8 * int(q[0]))

    def dc_prediction(self):
        own = self.b.copy()
        own[0, 0] = 0
        own, sums, all_e = raw_samples(own, self.q), [0, 0], []
        for side, (block, there) in enumerate(((self.n, self.has_n), (self.w, self.has_w))):
            if there:
                beside, mine = raw_samples(block, self.q), own
                if side:
                    beside, mine = beside.T, mine.T
                e = 3 * beside[7] - beside[6] - 3 * mine[0] + mine[1]
                sums[side] = int(e.sum())
                all_e += e.tolist()
        x, q = self.has_n + self.has_w, int(self.q[0, 0])
        if not x:
            return 0, 0, 0
        y = 2 * x * q
        value = (2 * sum(sums) + y) // (2 * y)
        sides = quotient(sums[0] - sums[1], 2 * q) if x == 2 else 0
        return max(-2047, min(2047, value)), (max(all_e) - min(all_e)) // q, sides

    def dc(self, code, e):
        value, spread, sides = self.dc_prediction()
        z, v = lg(spread), min(lg(sides), 10)
        lines = int(np.count_nonzero(self.b[0, 1:]) + np.count_nonzero(self.b[1:, 0]))
        code.kind, code.set = 6, min(z, 7)
        code.contexts = [z, 11 + v if sides < 0 else v, 16 * z + v, e, 16 * lines + z, 3 * lv(self.o[0, 0]) + self.c]
        code.contexts += [min(spread, 255), min(abs(sides), 127)]
        self.store((0, 0), code.value() + value)


def read_coefficients(code, form, components, spans):
    """Fills the blocks of a band; spans: first and last row of blocks, by component."""
    for c, blocks in enumerate(components):
        begin, end = spans[c]
        sy, sx = form.halved(c)
        for row in range(begin, end):
            for column in range(blocks.shape[1]):
                w = blocks[row, column - 1] if column else None
                n = blocks[row - 1, column] if row > begin else None
                d = blocks[row - 1, column - 1] if row > begin and column else None
                o = components[1][row, column] if c == 2 else None
                y, x = row << sy, column << sx
                if c == 1 and y < spans[0][1] and x < components[0].shape[1]:
                    o = components[0][y, x]
                Block(blocks[row, column], form.steps(c), w, n, d, o, c).decode(code)


def read_residual(code, form, first, count):
    """Residual (count, X, components) of the band whose first row of the image is `first`."""
    _, width, components = form.shape
    r = np.zeros((count + 1, width + 2, components), np.int64)  # a row above, a column on each side
    flags = defaultdict(int)
    code.chroma, code.kind = 0, 7
    top = first + form.offset_y
    for row in range(top // 8, -(-(top + count) // 8)):
        for column in range(form.offset_x // 8, form.blocks(0)[1]):
            y0, y1 = max(8 * row - top, 0), min(8 * row + 8 - top, count)
            x0, x1 = max(8 * column - form.offset_x, 0), min(8 * column + 8 - form.offset_x, width)
            t = flags[row, column - 1] + 2 * flags[row - 1, column] + 4 * (y1 - y0 < 8) + 8 * (x1 - x0 < 8)
            code.set, code.contexts = 0, [t, t, 0, 0, 0, 0, 0, 0]
            flags[row, column] = code.bit(30)
            if flags[row, column]:
                for y in range(y0, y1):
                    for x in range(x0, x1):
                        read_pixel(code, r, y, x, t, x + 1 < x1 or y == y0)
    return r[1:, 1:-1]


def read_pixel(code, r, y, x, t, has_e):
    for c in range(r.shape[2]):
        w, n, d, e = (int(v) for v in (r[y + 1, x, c], r[y, x + 1, c], r[y, x, c], r[y, x + 2, c]))
        b = int(r[y + 1, x + 1, c - 1]) if c else 0
        f = int(r[y + 1, x + 1, 0]) if c == 2 else 0
        k = min(abs(w) + abs(n), 15)
        more = min(k + abs(d) + (abs(e) if has_e else 0), 31)
        code.set = min(abs(b) + k, 7)
        contexts = [k, 5 * lv(w) + lv(n), 5 * lv(b) + lv(f), 5 * (5 * lv(b) + lv(w)) + lv(n), more]
        contexts += [(b + f) % 512, (w + n) % 512]
        code.contexts = [3 * v + c for v in contexts] + [8 * (8 * t + y % 8) + x % 8]
        r[y + 1, x + 1, c] = code.value()


def decode_image(parameters, shape, band_rows, substreams):
    """Pixels of one image from its form and its bands, and how many bytes the form takes."""
    form, used = read_form(parameters, shape)
    components = [np.zeros((*form.blocks(c), 8, 8), np.int64) for c in range(shape[2])]
    bands = -(-shape[0] // band_rows)
    residuals = []
    for j, data in enumerate(substreams):
        spans = []
        for c in range(shape[2]):
            begin, end = (((i * band_rows) >> form.halved(c)[0]) // 8 for i in (j, j + 1))
            spans.append((begin, form.blocks(c)[0] if j + 1 == bands else end))
        first, last = max(0, j * band_rows - form.offset_y), (j + 1) * band_rows - form.offset_y
        last = shape[0] if j + 1 == bands else min(last, shape[0])
        code = Decisions(data)
        read_coefficients(code, form, components, spans)
        residuals.append(read_residual(code, form, first, last - first))
        if code.coder.taken < len(data):
            raise CorruptError("bytes left over")
    found = pixels(components, form) + np.concatenate(residuals)
    if found.min() < 0 or found.max() > 255:
        raise CorruptError("a pixel outside 0..255")
    return found.astype(np.uint8), used


def decode_jpeg_origin(payload, header):
    """The array of a container of kind 5."""
    if len(payload) < header.payload_bytes:
        raise TruncatedError("the payload is not whole")
    require(len(payload) == header.payload_bytes, "bytes after the payload")
    t, n, c, z, y, x = header.lengths
    components = 3 if header.colour else 1
    groups, bands = t * n * c // components, -(-y // header.band_rows)
    parameters, substreams = read_parameters(payload, header.payload_crc, groups * z * bands)
    out = np.zeros((groups, components, z, y, x), np.uint8)
    for number in range(groups * z):
        streams = substreams[number * bands : (number + 1) * bands]
        image, used = decode_image(parameters, (y, x, components), header.band_rows, streams)
        out[number // z, :, number % z] = np.moveaxis(image, -1, 0)
        parameters = parameters[used:]
    require(not parameters, "bytes after the form of the last image")
    order = [axis for axis in "tnczyx" if axis in header.axes]
    stacked = out.reshape([header.shape[header.axes.index(axis)] for axis in order])
    return np.ascontiguousarray(stacked.transpose([order.index(axis) for axis in header.axes]))
