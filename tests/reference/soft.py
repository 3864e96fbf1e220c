"""Soft compression: a codebook and the sub-streams of tiles, read a sample at a time.

Values: bytes in; NumPy arrays out.
FORMAT.md section 8.11. A codebook is checked before a sub-stream is read.
"""

import hashlib
import math
import struct
from itertools import pairwise

import numpy as np

from .bits import BitReader, TruncatedError, bitlen
from .container import DTYPES
from .crc import crc32c
from .fields import require
from .payload import GROUP

LONGEST = 15


class SoftCode:
    """A complete canonical code: symbols by (codeword, its bits)."""

    def __init__(self, lengths, most):
        require(all(1 <= n <= most for n in lengths), "length of a codeword")
        require(sum(1 << (LONGEST - n) for n in lengths) == 1 << LONGEST, "a code that is not complete")
        self.symbols, position = {}, 0
        for n, symbol in sorted((n, symbol) for symbol, n in enumerate(lengths)):
            self.symbols[position >> (LONGEST - n), n] = symbol
            position += 1 << (LONGEST - n)

    def read(self, reader):
        word, n = 0, 0
        while (word, n) not in self.symbols:
            word, n = word << 1 | reader.raw(1), n + 1
        return self.symbols[word, n]


class Component:
    def __init__(self, reader, plane_bits, zero):
        self.bits, self.zero = plane_bits, zero
        self.detail_bits, self.raw_bits = reader.raw(3), reader.raw(4)
        require(self.detail_bits in range(1, 6) and self.raw_bits in range(9), "layers")
        self.shape_bits = plane_bits - self.detail_bits - self.raw_bits
        require(self.shape_bits >= 1, "layers")
        self.pair = SoftCode([reader.raw(4) for _ in range(4**self.detail_bits)], 13)
        self.detail = SoftCode([reader.raw(4) for _ in range(2**self.detail_bits)], 13)
        count = reader.raw(14)
        require(1 <= count <= 8192, "number of shapes")
        self.shapes, lengths = [], []
        for _ in range(count):
            size = reader.raw(2) + 1, reader.raw(2) + 1
            cells = [reader.raw(min(8, self.shape_bits)) for _ in range(math.prod(size))]
            require(cells[0] != 0 and 255 not in cells, "cells of a shape")
            self.shapes.append(np.array(cells, np.int64).reshape(size))
            lengths.append(reader.raw(4))
        self.shape = SoftCode([*lengths, reader.raw(4)], 15)


def read_codebook(data):
    """(depth, sign, mixed, components)."""
    reader = BitReader(data)
    require(data[:4] == b"MMSC", "magic of the codebook")
    reader.skip(32)
    require(reader.raw(8) == 1, "version of the codebook")
    depth, flags, count = reader.raw(8), reader.raw(8), reader.raw(8)
    signed, mixed = flags & 1, flags >> 1
    require(8 <= depth <= 16 and flags <= 3 and count >= 1 and (not mixed or count == 3), "codebook")
    components = []
    for c in range(count):
        is_difference = mixed and c > 0
        zero = 1 << depth if is_difference else signed << (depth - 1)
        components.append(Component(reader, depth + bool(is_difference), zero))
    reader.finish()
    return depth, signed, mixed, components


def decode_soft(payload, header, codebooks=()):
    """The array of a container of kind 4; a codebook that is not embedded is looked for among `codebooks`."""
    if len(payload) < header.payload_bytes:
        raise TruncatedError("the payload is not whole")
    require(len(payload) == header.payload_bytes, "bytes after the payload")
    first = header.embedded_bytes or 0
    known = [payload[:first]] if first else codebooks
    found = [data for data in known if hashlib.sha256(data).digest() == header.resource]
    require(found, "the codebook is not the one of the header")
    depth, signed, mixed, components = read_codebook(found[0])
    dtype = np.dtype(DTYPES[header.dtype])
    require(mixed == header.mixed and signed == (dtype.kind == "i") and depth <= 8 * dtype.itemsize, "codebook")
    t, n, channels, *volume = header.lengths
    require(len(components) in (1, channels), "components")
    windows = list(tiles((t * n * channels, *volume), header.tile_log2_yx))
    planes = np.zeros((t * n * channels, *volume), np.int64)
    streams = read_substreams(payload[first:], header.payload_crc, len(windows))
    for (plane, z, rows, columns), stream in zip(windows, streams, strict=True):
        shape = rows.stop - rows.start, columns.stop - columns.start
        planes[plane, z, rows, columns] = read_tile(stream, shape, components[plane % len(components)])
    if mixed:
        planes = to_colours(planes, depth)
    require(planes.min() >= 0 and planes.max() < 1 << depth, "a sample outside of the depth")
    return arranged(planes - (signed << (depth - 1)), header).astype(dtype)


def tiles(shape, tile_log2):
    height, width = (1 << log2 for log2 in tile_log2)
    for plane in range(shape[0]):
        for z in range(shape[1]):
            for y in range(0, shape[2], height):
                for x in range(0, shape[3], width):
                    yield plane, z, slice(y, min(y + height, shape[2])), slice(x, min(x + width, shape[3]))


def read_substreams(payload, head_crc, count):
    """Section 6 with parameters in place of codes, of which there are none."""
    require(len(payload) >= 14, "a payload without a head")
    head_bytes, parameters = struct.unpack_from("<II", payload)
    require(14 <= head_bytes <= len(payload) and parameters == 0, "head_bytes")
    stated = struct.unpack_from("<I", payload, head_bytes - 4)[0]
    require(stated == head_crc == crc32c(payload[: head_bytes - 4]), "head crc")
    reader = BitReader(payload[: head_bytes - 4], 8)
    width = reader.raw(8)
    require(width <= 32, "index_bits")
    sizes = [1 + reader.raw(width) for _ in range(count)]
    position, groups = reader.align(), -(-count // GROUP)
    require(position + 4 * groups == head_bytes - 4 and head_bytes + sum(sizes) == len(payload), "index")
    ends = np.cumsum([head_bytes, *sizes]).tolist()
    streams = [payload[a:b] for a, b in pairwise(ends)]
    for group, crc in enumerate(struct.unpack_from(f"<{groups}I", payload, position)):
        require(crc32c(b"".join(streams[GROUP * group : GROUP * group + GROUP])) == crc, "group crc")
    return streams


def read_tile(stream, shape, component):
    """Samples of the plane of one tile."""
    reader = BitReader(stream)
    detail, raw = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    read_lower(reader, detail, raw, component)
    upper = read_shapes(reader, shape, component)
    reader.finish()
    folded = (upper << component.detail_bits | detail) << component.raw_bits | raw
    return unfold(folded.tolist(), shape, component)


def read_lower(reader, detail, raw, component):
    height, width = detail.shape
    for y in range(0, height - 1, 2):
        for x in range(width):
            detail[y : y + 2, x] = divmod(component.pair.read(reader), 1 << component.detail_bits)
            raw[y, x], raw[y + 1, x] = reader.raw(component.raw_bits), reader.raw(component.raw_bits)
    for x in range(width if height % 2 else 0):
        detail[-1, x] = component.detail.read(reader)
        raw[-1, x] = reader.raw(component.raw_bits)


def read_shapes(reader, shape, component):
    upper, place = np.zeros(shape, np.int64), -1
    parameter = reader.raw(10)
    while parameter and (gap := read_gap(reader, parameter)):
        place += gap
        require(place < upper.size, "a shape past the end of the tile")
        symbol = component.shape.read(reader)
        if symbol == len(component.shapes):
            cells = np.array([[reader.raw(component.shape_bits)]])
            require(cells[0, 0] != 0, "an escaped value of 0")
        else:
            cells = component.shapes[symbol]
        y, x = divmod(place, shape[1])
        require(y + cells.shape[0] <= shape[0] and x + cells.shape[1] <= shape[1], "a shape past the end of the tile")
        upper[y : y + cells.shape[0], x : x + cells.shape[1]] = cells
    return upper


def read_gap(reader, parameter):
    quotient = 0
    while reader.raw(1):
        quotient += 1
    bits = bitlen(parameter - 1)
    shorter = (1 << bits) - parameter
    rest = reader.raw(bits - 1) if bits else 0
    if bits and rest >= shorter:
        rest = (rest << 1 | reader.raw(1)) - shorter
    return quotient * parameter + rest


def unfold(folded, shape, component):
    height, width = shape
    plane, modulus = [[0] * width for _ in range(height)], 1 << component.bits
    for y in range(height):
        for x in range(width):
            m = folded[y][x]
            e = m // 2 if m % 2 == 0 else -(m + 1) // 2
            if y == 0 or x == 0:
                p = component.zero if y == x == 0 else plane[y][x - 1] if y == 0 else plane[y - 1][x]
            else:
                west, north = plane[y][x - 1], plane[y - 1][x]
                p = sorted((west, north, west + north - plane[y - 1][x - 1]))[1]
            plane[y][x] = (p + e) % modulus
    return np.array(plane)


def to_colours(planes, depth):
    luma, u, v = (planes[c::3] for c in range(3))
    u, v = u - (1 << depth), v - (1 << depth)
    green = luma - ((u + v) >> 2)
    colours = np.empty_like(planes)
    colours[0::3], colours[1::3], colours[2::3] = u + green, green, v + green
    return colours


def arranged(planes, header):
    """Planes and volumes to the axes of the array."""
    present = [a for a in "tnczyx" if a in header.axes]
    array = planes.reshape([header.shape[header.axes.index(a)] for a in present])
    return array.transpose([present.index(a) for a in header.axes])
