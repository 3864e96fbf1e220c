"""What a JPEG decoder makes of quantized coefficients: blocks of samples, chroma at full size, pixels.

Values: int64 arrays of coefficients (rows of blocks, columns, 8, 8) in; uint8 pixels (Y, X, components) out.
FORMAT.md section 8.10 (form, samples).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bits import CorruptError, TruncatedError

LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMA = "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66" + 38 * " 99"
EXAMPLES = [np.array(text.split(), np.int64) for text in (LUMA, CHROMA)]
ZIGZAG = sorted(
    ((u, v) for u in range(8) for v in range(8)), key=lambda p: (sum(p), p[0] if sum(p) % 2 else p[1])
)  # (u, v)


@dataclass
class Form:
    shape: tuple  # Y, X, components
    sampling: int
    offset_y: int
    offset_x: int
    tables: list  # of luma, chroma, 8 x 8

    def halved(self, c):
        """sy, sx of a component."""
        return int(c > 0 and self.sampling in (2, 3)), int(c > 0 and self.sampling in (1, 2))

    def size(self, c):
        sy, sx = self.halved(c)
        return (self.offset_y + self.shape[0] + sy) >> sy, (self.offset_x + self.shape[1] + sx) >> sx

    def blocks(self, c):
        rows, columns = self.size(c)
        return -(-rows // 8), -(-columns // 8)

    def steps(self, c):
        return self.tables[min(c, 1)]

    @cached_property
    def colour(self):
        return self.shape[2] == 3


def steps_of(table, quality):
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((EXAMPLES[table] * scale + 50) // 100, 1, 255).reshape(8, 8)


def read_form(data, shape):
    """The form at the start of `data`, and how many bytes it takes."""
    data, at = bytes(data), 2
    if len(data) < at:
        raise TruncatedError("a form")
    form = Form(shape, data[0] & 3, data[0] >> 2, data[1], [])
    if form.sampling > (3 if form.colour else 0):
        raise CorruptError("sampling")
    if form.offset_y >= 8 << form.halved(1)[0] or form.offset_x >= 8 << form.halved(1)[1]:
        raise CorruptError("offset of the grid")
    for table in range(2 if form.colour else 1):
        if len(data) < at + 1:
            raise TruncatedError("a quality")
        quality, at = data[at], at + 1
        if quality > 100:
            raise CorruptError("quality")
        if quality:
            form.tables.append(steps_of(table, quality))
            continue
        if len(data) < at + 64:
            raise TruncatedError("steps")
        steps = np.zeros((8, 8), np.int64)
        for k, place in enumerate(ZIGZAG):
            steps[place] = data[at + k]
        if not steps.all():
            raise CorruptError("a step of 0")
        form.tables.append(steps)
        at += 64
    return form, at


def line(x, shift):
    """The transform of lines of eight: axis 0 of x; the numbers are 32 bits wide."""
    x = x.astype(np.int32)
    a = 4433 * (x[2] + x[6])
    e2, e3 = a - 15137 * x[6], a + 6270 * x[2]
    e0, e1 = 8192 * (x[0] + x[4]), 8192 * (x[0] - x[4])
    z5 = 9633 * (x[7] + x[3] + x[5] + x[1])
    z1, z2 = 7373 * (x[7] + x[1]), 20995 * (x[5] + x[3])
    z3, z4 = z5 - 16069 * (x[7] + x[3]), z5 - 3196 * (x[5] + x[1])
    o = [12299 * x[1] - z1 + z4, 25172 * x[3] - z2 + z3, 16819 * x[5] - z2 + z4, 2446 * x[7] - z1 + z3]
    e = [e0 + e3, e1 + e2, e1 - e2, e0 - e3]
    half = np.int32(1 << (shift - 1))
    first = [(e[i] + o[i] + half) >> shift for i in range(4)]
    last = [(e[i] - o[i] + half) >> shift for i in (3, 2, 1, 0)]
    return np.stack(first + last)


def raw_samples(coefficients, steps):
    """Raw samples (.., 8, 8) of blocks (.., 8, 8)."""
    values = np.moveaxis(coefficients * steps, (-2, -1), (0, 1))
    columns = line(values, 11)
    rows = line(columns.swapaxes(0, 1), 18).swapaxes(0, 1)
    return np.moveaxis(rows, (0, 1), (-2, -1)).astype(np.int64)


def plane_of(blocks):
    rows, columns = blocks.shape[:2]
    return np.clip(blocks.swapaxes(1, 2).reshape(8 * rows, 8 * columns) + 128, 0, 255)


def other(at, count):
    """Index of the sample beside the one at `at` >> 1, and which of these are outside."""
    beside = np.where(at % 2, (at >> 1) + 1, (at >> 1) - 1)
    return np.clip(beside, 0, count - 1), (beside < 0) | (beside >= count)


def upsampled(samples, form):
    """Chroma samples at full size, from the first row and column of the grid on."""
    rows, columns = form.size(1)
    samples = samples[:rows, :columns]
    y, x = np.arange(form.offset_y + form.shape[0]), np.arange(form.offset_x + form.shape[1])
    if form.sampling == 0:
        return samples
    if form.sampling == 3:
        return (3 * samples[y >> 1] + samples[other(y, rows)[0]] + 1 + (y % 2)[:, None]) >> 2
    odd, (beside, outside) = x % 2, other(x, columns)
    if columns <= 2:
        return samples[np.ix_(y >> form.halved(1)[0], x >> 1)]
    if form.sampling == 1:
        near = samples[:, x >> 1]
        return np.where(outside, near, (3 * near + samples[:, beside] + 1 + odd) >> 2)
    sums = 3 * samples[y >> 1] + samples[other(y, rows)[0]]
    near = sums[:, x >> 1]
    return np.where(outside, 4 * near + 8 - odd, 3 * near + sums[:, beside] + 8 - odd) >> 4


def pixels(components, form):
    """Pixels of the image, as int64."""
    planes = [plane_of(raw_samples(blocks, form.steps(c))) for c, blocks in enumerate(components)]
    place = np.s_[form.offset_y : form.offset_y + form.shape[0], form.offset_x : form.offset_x + form.shape[1]]
    if not form.colour:
        return planes[0][place][..., None]
    y, b, r = planes[0][place], upsampled(planes[1], form)[place] - 128, upsampled(planes[2], form)[place] - 128
    red, blue = y + ((91881 * r + 32768) >> 16), y + ((116130 * b + 32768) >> 16)
    green = y + ((-22554 * b - 46802 * r + 32768) >> 16)
    return np.clip(np.stack([red, green, blue], -1), 0, 255)
