"""Sources in PNG and JPEG files, decoded with imagecodecs.

Values in: a path. Values out: a Source "yx", or "yxc" for colour; uint8 or uint16.
Implements no section of FORMAT.md; headers are those of the PNG specification and of ITU-T T.81.
Guarantees that opening reads the header only; the image is decoded whole at the first read and then kept. Grey
PNG of 1, 2 or 4 bits is stretched to 8 bits, a palette becomes RGB, an alpha channel must be opaque and is left out.
Damage inside the scans of a JPEG cannot always be told: the format has no checksum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.packed import DEFLATE_LIMIT
from mmip_gpu.sources.source import (
    Array,
    Region,
    Source,
    describe,
    file_stamp,
    identify,
    read_errors,
    require,
    without_alpha,
)

IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg")

_PNG_MARK: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"IEND\xaeB`\x82"
_PNG_CHANNELS: Final = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}  # by colour type, without alpha
_PNG_ALPHA: Final = (4, 6)
_MM_PER_METRE: Final = 1000.0
_SCREENS: Final = (2834, 2835, 3779, 3780)  # 72 and 96 dpi, which programs put there unasked
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOF_LOSSLESS: Final = (0xC3, 0xC7, 0xCB, 0xCF)
_ALONE: Final = (0x01, *range(0xD0, 0xD8))  # markers without a length


@dataclass(frozen=True)
class _Header:
    """What a file says before its first sample."""

    rows: int
    columns: int
    channels: int
    bits: int
    has_alpha: bool = False
    spacing: tuple[float, float] | None = None
    is_lossy: bool = False


def open_image(path: Path) -> Source:
    """Open a PNG or JPEG file by what its first bytes say."""
    codecs = require("imagecodecs", f"reading the image {path.name}", "images")
    with path.open("rb") as file:
        is_png = file.read(len(_PNG_MARK)) == _PNG_MARK
        file.seek(0)
        header = _png_header(file, path) if is_png else _jpeg_header(file, path)
    shape = (header.rows, header.columns, *([3] if header.channels == 3 else []))
    dtype = np.dtype(np.uint8 if header.bits <= 8 else np.uint16)

    @cache
    def samples() -> Array:
        with read_errors(path.name):
            data = path.read_bytes()
            if is_png and _PNG_END not in data:
                raise StoreError(f"{path.name} is truncated: found no end of image; copy the file again")
            decoded: Any = codecs.png_decode(data) if is_png else codecs.jpeg8_decode(data)
        if header.has_alpha:
            decoded = without_alpha(decoded, path.name)
        found = np.asarray(decoded).reshape(decoded.shape[: len(shape)])
        if found.shape != shape or found.dtype != dtype:
            raise StoreError(f"{path.name}: expected {shape} {dtype}, decoded to {found.shape} {found.dtype}")
        return found

    def read(region: Region) -> Array:
        return np.asarray(samples()[region])

    metadata = describe(
        "png" if is_png else "jpeg",
        path,
        spacing=None if header.spacing is None else list(header.spacing),
        bits_stored=header.bits if header.bits > 8 else None,
        photometric="RGB" if header.channels == 3 else None,
        lossy=header.is_lossy or None,
    )
    axes = "yxc" if header.channels == 3 else "yx"
    fingerprint = identify("image", shape, dtype, file_stamp([path]))
    return Source(shape, dtype, axes, metadata, path.name, fingerprint, read, header.channels == 3 or None)


def _png_header(file: BinaryIO, path: Path) -> _Header:
    """Read the chunks before the image data."""
    file.seek(len(_PNG_MARK))
    fields: bytes = b""
    has_transparency, spacing = False, None
    while True:
        length, kind = int.from_bytes(_exactly(file, 4, path), "big"), _exactly(file, 4, path)
        if kind == b"IDAT":
            break
        content = _exactly(file, length, path) if kind in (b"IHDR", b"pHYs") else b""
        if kind == b"IHDR":
            fields = content
        elif kind == b"pHYs" and length == 9 and content[8] == 1:
            per_metre = [int.from_bytes(content[at : at + 4], "big") for at in (4, 0)]
            is_size = all(per_metre) and not set(per_metre) & set(_SCREENS)
            spacing = (_MM_PER_METRE / per_metre[0], _MM_PER_METRE / per_metre[1]) if is_size else None
        has_transparency |= kind == b"tRNS"
        file.seek(length - len(content) + 4, 1)
    if len(fields) != 13 or fields[9] not in _PNG_CHANNELS:
        raise StoreError(f"{path.name} is damaged: found no PNG header that makes sense")
    columns, rows = int.from_bytes(fields[:4], "big"), int.from_bytes(fields[4:8], "big")
    bits, kind_of_colour = fields[8], fields[9]
    row_bytes = (columns * bits * (1 if kind_of_colour == 3 else _PNG_CHANNELS[kind_of_colour])) // 8
    found = path.stat().st_size
    if not rows or not columns or rows * row_bytes > DEFLATE_LIMIT * found:
        raise StoreError(f"{path.name} is damaged: {found} bytes cannot hold {rows} x {columns} pixels")
    has_alpha = kind_of_colour in _PNG_ALPHA or has_transparency
    return _Header(rows, columns, _PNG_CHANNELS[kind_of_colour], max(bits, 8), has_alpha, spacing)


def _jpeg_header(file: BinaryIO, path: Path) -> _Header:
    """Read the markers up to the first scan, and look for the end of the image."""
    if file.read(2) != b"\xff\xd8":
        raise StoreError(f"{path.name} is neither PNG nor JPEG: its first bytes are those of another format")
    header, marker = None, 0
    while marker != 0xDA:
        byte = _exactly(file, 1, path)
        if byte != b"\xff":
            raise StoreError(f"{path.name} is damaged: expected a JPEG marker, found byte {byte[0]}")
        while (marker := _exactly(file, 1, path)[0]) == 0xFF:
            pass
        if marker in _ALONE:
            continue
        length = int.from_bytes(_exactly(file, 2, path), "big") - 2
        if marker in _SOF:
            header = _frame_header(_exactly(file, max(length, 0), path), marker, path)
        else:
            file.seek(max(length, 0), 1)
    if header is None:
        raise StoreError(f"{path.name} is damaged: found a JPEG scan before its frame")
    if b"\xff\xd9" not in file.read():
        raise StoreError(f"{path.name} is truncated: found no end of image; copy the file again")
    return header


def _frame_header(content: bytes, marker: int, path: Path) -> _Header:
    if len(content) < 6:
        raise StoreError(f"{path.name} is damaged: a JPEG frame of {len(content)} bytes")
    bits, channels = content[0], content[5]
    rows, columns = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    if channels not in (1, 3):
        raise InvalidArgument(f"{path.name}: found {channels} colour channels (CMYK?), expected 1 or 3: convert it")
    if not rows or not columns or not 2 <= bits <= 16:
        raise StoreError(f"{path.name} is damaged: found {rows} x {columns} pixels of {bits} bits")
    return _Header(rows, columns, channels, bits, is_lossy=marker not in _SOF_LOSSLESS)


def _exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise StoreError(f"{path.name} is truncated: its header ends early; copy the file again")
    return found
