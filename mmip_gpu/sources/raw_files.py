"""Sources in NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd) files: a text header, then raw or compressed samples.

Values in: a path. Values out: a Source; axes are those of the file in reverse, x fastest. Implements no section of
FORMAT.md; headers are those of teem's NRRD 5 and of ITK's MetaIO. Guarantees that a header that asks for more than the
file can hold is refused first, and that compressed samples are read up to their checksum.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.lost import with_lost
from mmip_gpu.sources.packed import check_length, mapped, read_zlib
from mmip_gpu.sources.source import (
    Array,
    Region,
    Source,
    default_axes,
    describe,
    file_stamp,
    finite,
    identify,
    supported_dtype,
)
from mmip_gpu.sources.units import MM, UNKNOWN, length_unit

__all__ = ["META_SUFFIXES", "NRRD_SUFFIXES", "open_meta", "open_nrrd"]

META_SUFFIXES: Final = (".mha", ".mhd")
NRRD_SUFFIXES: Final = (".nrrd", ".nhdr")
_HEADER_BYTES: Final = 1 << 20
_NRRD_TYPES: Final = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "uint64", "uint64_t"), "u8"),
    "float": "f4", "double": "f8",
}  # fmt: skip
_META_TYPES: Final = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_TO_RAS: Final = {  # what turns the file's space to right, anterior, superior
    **dict.fromkeys(("right-anterior-superior", "ras", "scanner-xyz"), (1, 1, 1)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1, -1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1, 1, 1)),
}  # fmt: skip


@dataclass(frozen=True)
class _Samples:
    """Where samples lie: file, first byte, stored shape (x first), type, and whether they are packed (gzip, zlib)."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    packing: str | None


def open_nrrd(path: Path) -> Source:
    """Open an NRRD file, or the header of one."""
    lines, end = _header(path, rb"\r?\n\r?\n")
    if not lines or not lines[0].startswith("NRRD000"):
        raise StoreError(f"{path.name} is damaged: expected a header that begins with NRRD000")
    fields = _fields(lines[1:], ": ")
    kind = fields.get("type", "").lower()
    shape = _integers(fields.get("sizes"), path)
    dtype = _type(_NRRD_TYPES, kind, path).newbyteorder(">" if fields.get("endian", "little").lower() == "big" else "<")
    encoding, data = fields.get("encoding", "raw").lower(), fields.get("data file", fields.get("datafile"))
    if encoding not in ("raw", "gzip", "gz"):
        raise InvalidArgument(f"{path.name}: found the encoding {encoding}, expected raw or gzip: convert it")
    if fields.get("line skip", fields.get("lineskip", "0")) != "0" or (data or "").startswith("LIST"):
        raise InvalidArgument(f"{path.name}: lines to skip, or samples in several files: save it as one .nrrd first")
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    file = path if data is None else _beside(path, data)
    offset = end if data is None else max(skip, 0)
    if skip == -1 and encoding == "raw":
        offset = file.stat().st_size - math.prod(shape) * dtype.itemsize
    packing = None if encoding == "raw" else "gzip"
    if packing and skip:
        raise InvalidArgument(f"{path.name}: bytes to skip in compressed samples: save it as one .nrrd first")
    metadata, has_channels = _nrrd_place(fields, shape, path)
    pairs = sum(":=" in line for line in lines)
    metadata = with_lost(metadata, *([f"{pairs} key/value pairs of the NRRD header"] if pairs else []))
    return _source("nrrd", path, _Samples(file, offset, shape, dtype, packing), metadata, has_channels)


def open_meta(path: Path) -> Source:
    """Open a MetaImage file, or the header of one."""
    lines, end = _header(path, rb"ElementDataFile[^\n]*(\n|$)")
    fields = _fields(lines, "=")
    shape, channels = _integers(fields.get("DimSize"), path), int(fields.get("ElementNumberOfChannels", "1"))
    shape = (channels, *shape) if channels > 1 else shape
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")).lower() == "true"
    dtype = _type(_META_TYPES, fields.get("ElementType", ""), path).newbyteorder(">" if big else "<")
    data, skip = fields.get("ElementDataFile", ""), int(fields.get("HeaderSize", "0"))
    if fields.get("BinaryData", "True").lower() != "true" or data.startswith("LIST") or "%" in data:
        raise InvalidArgument(f"{path.name}: text, or samples in several files: save it as one .mha first")
    file, offset = (path, end) if data.upper() == "LOCAL" else (_beside(path, data), max(skip, 0))
    if skip == -1:
        offset = file.stat().st_size - math.prod(shape) * dtype.itemsize
    packing = "zlib" if fields.get("CompressedData", "False").lower() == "true" else None
    metadata = _meta_place(fields, len(shape) - (channels > 1))
    for key, name in (("slope", "Slope"), ("intercept", "Offset")):
        value = finite(fields.get(f"ElementToIntensityFunction{name}"))
        metadata |= {} if value is None else {key: value}
    return _source("metaimage", path, _Samples(file, offset, shape, dtype, packing), metadata, channels > 1)


def _source(kind: str, path: Path, samples: _Samples, metadata: dict[str, Any], has_channels: bool) -> Source:
    spatial = len(samples.shape) - has_channels
    if not 1 <= spatial <= 4 or min(samples.shape) < 0:
        raise InvalidArgument(f"{path.name}: expected 1 to 4 axes, found sizes {samples.shape}: split it")
    axes = default_axes(spatial) + "c" * has_channels
    check_length(samples.path, samples.offset + math.prod(samples.shape) * samples.dtype.itemsize, samples.packing)
    shape, dtype = samples.shape[::-1], supported_dtype(samples.dtype, path.name)
    read_all = read_zlib if samples.packing else mapped
    held = cache(lambda: read_all(samples.path, samples.offset, shape, samples.dtype))

    def read(region: Region) -> Array:
        return np.asarray(held()[region])

    fingerprint = identify(kind, shape, dtype, file_stamp(sorted({path, samples.path})))
    colour = (samples.shape[0] == 3 and dtype == np.uint8) if has_channels else None
    return Source(shape, dtype, axes, describe(kind, path) | metadata, path.name, fingerprint, read, colour)


def _header(path: Path, end: bytes) -> tuple[list[str], int]:
    """Give the lines of the header, and where it ends: behind what `end` matches."""
    with path.open("rb") as file:
        data = file.read(_HEADER_BYTES)
    found = re.search(end, data)
    if found is None and path.suffix.lower() != ".nhdr":
        raise StoreError(f"{path.name} is damaged: found no end of the header")
    stop = len(data) if found is None else found.end()
    return data[:stop].decode("latin-1").replace("\r", "").splitlines(), stop


def _fields(lines: list[str], separator: str) -> dict[str, str]:
    pairs = (line.partition(separator) for line in lines if line.strip() and not line.startswith("#"))
    return {key.strip(): value.strip() for key, found, value in pairs if found}


def _integers(text: str | None, path: Path) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in (text or "").split()) or (-1,)
    except ValueError:
        raise StoreError(f"{path.name} is damaged: found the sizes {text!r}") from None


def _type(known: dict[str, str], kind: str, path: Path) -> np.dtype[Any]:
    if kind not in known:
        raise InvalidArgument(f"{path.name}: found samples of type {kind!r}, expected numbers: convert it")
    return np.dtype(known[kind])


def _beside(path: Path, name: str) -> Path:
    """Give the file of the samples, which has to lie in the folder of its header."""
    if Path(name).name != name or not (path.parent / name).is_file():
        raise StoreError(f"{path.name}: expected its samples in {Path(name).name!r} beside it, found no such file")
    return path.parent / name


def _vector(text: str) -> list[float] | None:
    """Give the numbers of "(1,0,0)" or "1 0 0"; None for what is none."""
    try:
        numbers = [float(part) for part in text.strip("() ").replace(",", " ").split()]
    except ValueError:
        return None
    return numbers if numbers and all(map(math.isfinite, numbers)) else None


def _nrrd_place(fields: dict[str, str], shape: tuple[int, ...], path: Path) -> tuple[dict[str, Any], bool]:
    """Read directions or spacings, the origin, and whether the first axis holds channels."""
    kinds = fields.get("kinds", "").lower().split() or ["domain"] * len(shape)
    has_channels = len(shape) > 1 and kinds[0] not in ("domain", "space", "none", "???")
    if any(kind not in ("domain", "space", "time", "none", "???") for kind in kinds[1:]):
        raise InvalidArgument(f"{path.name}: found axes of the kinds {' '.join(kinds)}: channels have to come first")
    units = [length_unit(unit.strip('"')) for unit in fields.get("space units", fields.get("units", "")).split()]
    unit = next((u for u in units if u), None)
    vectors = [_vector(part) for part in fields.get("space directions", "").replace(", ", ",").split()]
    directions = [vector for vector in vectors if vector]
    origin = _vector(fields.get("space origin", "")) or [0.0, 0.0, 0.0]
    space = fields.get("space", "").lower()
    mm = MM[unit or UNKNOWN] if unit else 1.0
    if len(directions) == 3 and all(len(v) == 3 for v in directions) and space in _TO_RAS:
        return _affine(np.array(directions).T * mm, np.array(origin) * mm, _TO_RAS[space]), has_channels
    spacings = [abs(n[0]) for n in map(_vector, fields.get("spacings", "").split()) if n]
    spacings = spacings or [float(np.linalg.norm(vector)) for vector in directions]
    return _spacing(spacings, unit, shape), has_channels


def _meta_place(fields: dict[str, str], count: int) -> dict[str, Any]:
    """Read matrix, offset and spacing; the space of ITK is left, posterior, superior."""
    sizes = _vector(fields.get("ElementSpacing", fields.get("ElementSize", ""))) or []
    matrix = _vector(fields.get("TransformMatrix", fields.get("Rotation", fields.get("Orientation", "")))) or []
    offset = _vector(fields.get("Offset", fields.get("Position", fields.get("Origin", "")))) or [0.0] * count
    if count == 3 and len(matrix) == 9 and len(sizes) == 3 and len(offset) == 3:
        columns = np.array(matrix).reshape(3, 3).T * np.array(sizes)
        return _affine(columns, np.array(offset), (-1, -1, 1))
    return _spacing(sizes, "millimeter", (1,) * count)


def _affine(columns: Array, origin: Array, signs: tuple[int, ...]) -> dict[str, Any]:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.diag(signs) @ columns, np.diag(signs) @ origin
    spacing = [float(size) for size in np.linalg.norm(columns, axis=0)[::-1]]
    return {"spacing": spacing, "affine": affine.tolist(), "space": "scanner"}


def _spacing(sizes: list[float], unit: str | None, shape: tuple[int, ...]) -> dict[str, Any]:
    known = sizes[: min(3, len(shape))]
    if not known or not all(known):
        return {}
    return {"spacing": [size * MM[unit or UNKNOWN] for size in reversed(known)], "length_unit": unit or UNKNOWN}
