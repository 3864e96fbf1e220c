"""The orthonormal DCT-II, the reversible 8-point transform, and both on blocks at full and reduced scale.

Values: float32 arrays; blocks are (count, Bz, By, Bx), cells' DCs (count, mz, my, mx).
FORMAT.md sections 4.1 to 4.3 and 5.1. Every operation is one float32 operation, in the order written there.
"""

from functools import cache
from math import cos, pi, sqrt

import numpy as np

from .geometry import BLOCKS, PARTS, part_size

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


def rint(v):
    """Half to even for |v| < 2^22, as two binary32 operations; what section 4.2 says for larger v too."""
    return (v + F32(12582912)) - F32(12582912)


def rot(a, b, constants):
    t, s = constants
    a = a + rint(t * b)
    b = b + rint(s * a)
    return a + rint(t * b), b


def irot(a, b, constants):
    t, s = constants
    a = a - rint(t * b)
    b = b - rint(s * a)
    return a - rint(t * b), b


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


def in_parts(blocks, depth, mode):
    """(blocks, parts on z, y, x, samples of a part on z, y, x), a copy."""
    nz, ny, nx = PARTS[depth, mode]
    lz, ly, lx = part_size(depth, mode)
    return blocks.reshape(-1, nz, lz, ny, ly, nx, lx).transpose(0, 1, 3, 5, 2, 4, 6).copy()


def from_parts(parts):
    """The inverse of in_parts."""
    count, nz, ny, nx, lz, ly, lx = parts.shape
    return parts.transpose(0, 1, 4, 2, 5, 3, 6).reshape(count, nz * lz, ny * ly, nx * lx)


def over_parts(transform, parts):
    """A DCT of the places k = 0 of all parts."""
    parts[..., 0, 0, 0] = transform(parts[..., 0, 0, 0].copy())
    return parts


def each_part(transform, parts):
    """A transform of every part as if it were a block."""
    return transform(parts.reshape(-1, *parts.shape[4:])).reshape(*parts.shape[:4], *parts.shape[4:])


def forward_block(samples, depth, mode, is_reversible=False):
    """Blocks of samples to (coefficients in the natural layout, DCs of the cells)."""
    samples = samples.astype(F32)
    if is_reversible:
        blocks = reversible(samples)
    elif (depth, mode) in PARTS:
        blocks = from_parts(over_parts(dct, each_part(dct, in_parts(samples, depth, mode))))
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


def inverse_block(blocks, dcs, depth, mode, is_reversible=False):
    """Coefficients in the natural layout and the DCs of the cells to samples, not yet rounded."""
    blocks = with_corner(blocks, dcs)
    if is_reversible:
        return ireversible(blocks)
    if (depth, mode) in PARTS:
        return from_parts(each_part(idct, over_parts(idct, in_parts(blocks, depth, mode))))
    return idct(blocks)


def scaled_block(blocks, dcs, depth, mode, scale):
    """As inverse_block at 1/scale, scale = 2, 4 or 8; z shrinks at depth 8. All classes use the DCT."""
    gain = F32(1 / scale) if depth == 1 else F32(scale**-1.5)
    if scale == 8:
        return dcs.astype(F32) * gain
    blocks = with_corner(blocks, dcs)
    if (depth, mode) not in PARTS:
        return reduced(blocks, depth == 8, scale) * gain
    parts = over_parts(idct, in_parts(blocks, depth, mode))
    thick = part_size(depth, mode)[0] > 1
    factor = gain if thick or depth == 1 else F32(1 / scale)
    small = reduced(parts.reshape(-1, *parts.shape[4:]), thick, scale) * factor
    whole = from_parts(small.reshape(*parts.shape[:4], *small.shape[1:]))
    if thick or depth == 1:
        return whole
    count, bz, by, bx = whole.shape
    slices = whole.reshape(count, bz // scale, scale, by, bx)
    total = slices[:, :, 0]
    for part in range(1, scale):
        total = total + slices[:, :, part]
    return total * F32(1 / scale)


def reduced(blocks, with_z, scale):
    """Inverse DCT of the low corner: 1/scale on y and x, and on z if asked."""
    _, bz, by, bx = blocks.shape
    return idct(blocks[:, : bz // scale if with_z else bz, : by // scale, : bx // scale])
