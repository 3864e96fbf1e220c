"""The orthonormal DCT-II, the reversible 8-point transform, and both on blocks at full and reduced scale.

Values: float32 arrays; blocks are (count, Bz, By, Bx), cells' DCs (count, mz, my, mx).
FORMAT.md sections 4.1 to 4.3 and 5.1. Every operation is one float32 operation, in the order written there.
"""

from functools import cache
from math import cos, pi, sqrt

import numpy as np

from .geometry import BLOCKS, Z1

F32 = np.float32
Q = (F32(0.41421357), F32(-0.70710677))
H = (F32(0.19891237), F32(-0.38268343))
# rotations of the odd half: the two rows, whether both are negated first, the constants
ODD = (
    (2, 3, True, (F32(-0.7900545), F32(0.972862))),
    (1, 2, False, (F32(0.55556977), F32(-0.8490681))),
    (1, 3, True, (F32(-0.71548975), F32(0.9464616))),
    (0, 1, False, (F32(-0.32502395), F32(0.5879378))),
    (0, 2, False, (F32(-0.259132), F32(0.48565274))),
    (0, 3, False, (F32(-0.0984914), F32(0.19509032))),
)


@cache
def factor(length, n, k, i):
    """sqrt(2/N) cos((2i + 1) k pi / (2n)), or sqrt(1/N) for k = 0."""
    return F32(sqrt(2 / length) * cos((2 * i + 1) * k * pi / (2 * n))) if k else F32(sqrt(1 / length))


def dct_list(x, length):
    n = len(x)
    if n == 1:
        return [x[0] * factor(length, 1, 0, 0)]
    sums = [x[i] + x[n - 1 - i] for i in range(n // 2)]
    differences = [x[i] - x[n - 1 - i] for i in range(n // 2)]
    result = [None] * n
    result[0::2] = dct_list(sums, length)
    for k in range(1, n, 2):
        total = differences[0] * factor(length, n, k, 0)
        for i in range(1, n // 2):
            total = total + differences[i] * factor(length, n, k, i)
        result[k] = total
    return result


def idct_list(X, length):
    n = len(X)
    if n == 1:
        return [X[0] * factor(length, 1, 0, 0)]
    even = idct_list(X[0::2], length)
    result = [None] * n
    for i in range(n // 2):
        odd = X[1] * factor(length, n, 1, i)
        for k in range(3, n, 2):
            odd = odd + X[k] * factor(length, n, k, i)
        result[i] = even[i] + odd
        result[n - 1 - i] = even[i] - odd
    return result


def along(function, blocks, axis):
    """Apply a function of a list of values to the rows of an axis; axes of length 1 are left out."""
    length = blocks.shape[axis]
    if length == 1:
        return blocks
    rows = list(np.moveaxis(blocks.astype(F32), axis, 0))
    return np.moveaxis(np.stack(function(rows)), 0, axis)


def dct(blocks, axes=(1, 2, 3)):
    for axis in axes:
        blocks = along(lambda rows: dct_list(rows, len(rows)), blocks, axis)
    return blocks


def idct(blocks, axes=(3, 2, 1)):
    for axis in axes:
        blocks = along(lambda rows: idct_list(rows, len(rows)), blocks, axis)
    return blocks


def rot(a, b, constants):
    t, s = constants
    a = a + np.rint(t * b)
    b = b + np.rint(s * a)
    return a + np.rint(t * b), b


def irot(a, b, constants):
    t, s = constants
    a = a - np.rint(t * b)
    b = b - np.rint(s * a)
    return a - np.rint(t * b), b


def reversible_list(x):
    e, w, f, g = [None] * 4, [None] * 4, [None] * 2, [None] * 2
    for i in range(4):
        p, q = rot(x[i], x[7 - i], Q)
        e[i], w[i] = p, -q
    for i in range(2):
        p, q = rot(e[i], e[3 - i], Q)
        f[i], g[i] = p, -q
    X0, X4 = rot(f[0], f[1], Q)
    X2, X6 = rot(g[0], g[1], H)
    for i, j, negate, constants in ODD:
        a, b = (-w[i], -w[j]) if negate else (w[i], w[j])
        w[i], w[j] = rot(a, b, constants)
    return [X0, w[0], X2, w[1], -X4, w[2], -X6, w[3]]


def ireversible_list(X):
    w = list(X[1::2])
    for i, j, negate, constants in reversed(ODD):
        a, b = irot(w[i], w[j], constants)
        w[i], w[j] = (-a, -b) if negate else (a, b)
    g = irot(X[2], -X[6], H)
    f = irot(X[0], -X[4], Q)
    e, x = [None] * 4, [None] * 8
    for i in range(2):
        e[i], e[3 - i] = irot(f[i], -g[i], Q)
    for i in range(4):
        x[i], x[7 - i] = irot(e[i], -w[i], Q)
    return x


def reversible(blocks):
    for axis in (1, 2, 3):
        blocks = along(reversible_list, blocks, axis)
    return blocks


def ireversible(blocks):
    for axis in (3, 2, 1):
        blocks = along(ireversible_list, blocks, axis)
    return blocks


def forward_block(samples, depth, mode, is_reversible=False):
    """Blocks of samples to (coefficients in the natural layout, DCs of the cells)."""
    samples = samples.astype(F32)
    if is_reversible:
        blocks = reversible(samples)
    elif mode == Z1:
        blocks = dct(samples, (2, 3))
        blocks[:, :, :1, :1] = dct(blocks[:, :, :1, :1].copy(), (1,))
    else:
        blocks = dct(samples)
    mz, my, mx = BLOCKS[depth, mode].cells
    return blocks, idct(blocks[:, :mz, :my, :mx])


def with_corner(blocks, dcs):
    """The layout with its DC or corner filled in from the DCs of the cells."""
    _, mz, my, mx = dcs.shape
    blocks = blocks.astype(F32)
    blocks[:, :mz, :my, :mx] = dct(dcs.astype(F32))
    return blocks


def inverse_block(blocks, dcs, mode, is_reversible=False):
    """Coefficients in the natural layout and the DCs of the cells to samples, not yet rounded."""
    blocks = with_corner(blocks, dcs)
    if is_reversible:
        return ireversible(blocks)
    if mode == Z1:
        blocks[:, :, :1, :1] = idct(blocks[:, :, :1, :1].copy(), (1,))
        return idct(blocks, (3, 2))
    return idct(blocks)


def scaled_block(blocks, dcs, depth, mode, scale):
    """As inverse_block at 1/scale, scale = 2, 4 or 8; z shrinks at depth 8. All classes use the DCT."""
    gain = F32(1 / scale) if depth == 1 else F32(scale**-1.5)
    if scale == 8:
        return dcs.astype(F32) * gain
    blocks = with_corner(blocks, dcs)
    count, bz, by, bx = blocks.shape
    if mode == Z1:
        blocks[:, :, :1, :1] = idct(blocks[:, :, :1, :1].copy(), (1,))
        parts = idct(blocks[:, :, : by // scale, : bx // scale], (3, 2)) * F32(1 / scale)
        parts = parts.reshape(count, bz // scale, scale, by // scale, bx // scale)
        total = parts[:, :, 0]
        for part in range(1, scale):
            total = total + parts[:, :, part]
        return total * F32(1 / scale)
    kept_z = bz if depth == 1 else bz // scale
    return idct(blocks[:, :kept_z, : by // scale, : bx // scale]) * gain
