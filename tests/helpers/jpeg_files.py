"""Quantized coefficients of baseline JPEG files, read as ITU-T T.81 says.

Values: the bytes of a file in; its tables and the coefficients of its components, natural order, out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from reference.jpeg_samples import ZIGZAG


@dataclass
class JpegFile:
    """Of each component its sampling factors (y, x), table and blocks (rows, columns, 8, 8)."""

    shape: tuple[int, int] = (0, 0)
    factors: list[tuple[int, int]] = field(default_factory=list)
    tables: list[NDArray[np.int64]] = field(default_factory=list)
    blocks: list[NDArray[np.int64]] = field(default_factory=list)


def bits_of(scan: bytes) -> Iterator[int]:
    for byte in scan.replace(b"\xff\x00", b"\xff"):
        yield from ((byte >> i) & 1 for i in range(7, -1, -1))


def number(bits: Iterator[int], size: int) -> int:
    value = 0
    for _ in range(size):
        value = 2 * value + next(bits)
    return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


def symbol(bits: Iterator[int], codes: dict[tuple[int, int], int]) -> int:
    code, length = next(bits), 1
    while (length, code) not in codes:
        code, length = 2 * code + next(bits), length + 1
    return codes[length, code]


def huffman(data: bytes) -> dict[tuple[int, int], int]:
    """Symbols by (length, code)."""
    codes, code, at = {}, 0, 16
    for length in range(1, 17):
        for _ in range(data[length - 1]):
            codes[length, code] = data[at]
            code, at = code + 1, at + 1
        code *= 2
    return codes


def read_block(
    bits: Iterator[int], dc: dict[tuple[int, int], int], ac: dict[tuple[int, int], int], last: int
) -> NDArray[np.int64]:
    block = np.zeros((8, 8), np.int64)
    block[0, 0] = last + number(bits, symbol(bits, dc))
    k = 1
    while k < 64:
        run, size = divmod(symbol(bits, ac), 16)
        if size == 0 and run < 15:
            break
        k += run
        if size:
            block[ZIGZAG[k]] = number(bits, size)
        k += 1
    return block


def read_jpeg(data: bytes) -> JpegFile:
    """A file without restart markers, of one scan."""
    file, at = JpegFile(), 2
    quantizers: dict[int, NDArray[np.int64]] = {}
    codes: dict[int, dict[tuple[int, int], int]] = {}
    chosen: list[int] = []
    while True:
        marker, size = struct.unpack_from(">HH", data, at)
        body, at = data[at + 4 : at + 2 + size], at + 2 + size
        while marker == 0xFFDB and body:
            table = np.zeros((8, 8), np.int64)
            for place, step in zip(ZIGZAG, body[1:65], strict=True):
                table[place] = step
            quantizers[body[0]], body = table, body[65:]
        while marker == 0xFFC4 and body:
            count = 17 + sum(body[1:17])
            codes[body[0]], body = huffman(body[1:count]), body[count:]
        if marker == 0xFFC0:
            rows, columns, components = struct.unpack_from(">HHB", body, 1)
            file.shape = rows, columns
            file.factors = [(body[7 + 3 * i] & 15, body[7 + 3 * i] >> 4) for i in range(components)]
            chosen = [body[8 + 3 * i] for i in range(components)]
        if marker == 0xFFDA:
            break
    file.tables = [quantizers[number] for number in chosen]
    read_scan(bits_of(data[at : data.rindex(b"\xff\xd9")]), file, codes, body)
    return file


def read_scan(bits: Iterator[int], file: JpegFile, codes: dict[int, dict[tuple[int, int], int]], head: bytes) -> None:
    if len(file.factors) == 1:
        file.factors = [(1, 1)]
    most = tuple(max(factor[axis] for factor in file.factors) for axis in (0, 1))
    units = [-(-n // (8 * factor)) for n, factor in zip(file.shape, most, strict=True)]
    for y, x in file.factors:
        file.blocks.append(np.zeros((units[0] * y, units[1] * x, 8, 8), np.int64))
    last = [0] * len(file.factors)
    for row, column in np.ndindex(*units):
        for c, (ny, nx) in enumerate(file.factors):
            dc, ac = codes[head[2 + 2 * c] >> 4], codes[16 + (head[2 + 2 * c] & 15)]
            for y, x in np.ndindex(ny, nx):
                block = read_block(bits, dc, ac, last[c])
                file.blocks[c][row * ny + y, column * nx + x] = block
                last[c] = int(block[0, 0])
