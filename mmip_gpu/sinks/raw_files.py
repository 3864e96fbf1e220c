"""Sinks for NRRD (.nrrd) and MetaImage (.mha): a text header, then raw samples, little-endian.

Values in: an Output whose axes are out of t, z, y, x, with colours or channels last. Values out: a file. Implements no
section of FORMAT.md; headers are those of teem's NRRD 5 and of ITK's MetaIO. Guarantees that samples, voxel size,
affine and (in MetaImage) rescaling come back when the file is opened as a source.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks.sink import Output, replacing, sizes_of, unheld
from mmip_gpu.sources import Source
from mmip_gpu.sources.lost import warn_lost
from mmip_gpu.sources.units import MM, UNKNOWN

__all__ = ["write_meta", "write_nrrd"]

_META_TYPES: Final = {
    "i1": "MET_CHAR", "u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "f4": "MET_FLOAT",
    "i4": "MET_INT", "u4": "MET_UINT", "i8": "MET_LONG_LONG", "u8": "MET_ULONG_LONG",
}  # fmt: skip
_UNHELD: Final = ("photometric", "time_step", "channels", "origin", "coordinates")
_LPS: Final = np.diag([-1.0, -1.0, 1.0])  # both files say left, posterior, superior


def write_nrrd(output: Output, path: Path, *, overwrite: bool) -> None:
    """Write an NRRD file."""
    volume = output.arranged(_axes(output.source))
    source, sizes = volume.source, volume.source.shape[::-1]
    spatial = [letter for letter in reversed(source.axes) if letter in "xyz"]
    kinds = [{"c": "vector", "t": "time"}.get(letter, "domain") for letter in reversed(source.axes)]
    lines = [
        "NRRD0005",
        f"type: {'float' if source.dtype.kind == 'f' else source.dtype.name}",
        f"dimension: {len(sizes)}",
    ]
    if len(spatial) == 3 and source.metadata.get("affine"):
        columns, origin = _placed(source)
        lines += ["space: left-posterior-superior"]
        directions = iter(f"({','.join(repr(float(v)) for v in column)})" for column in columns.T)
        told = [next(directions) if letter in "xyz" else "none" for letter in reversed(source.axes)]
        lines += [f"space directions: {' '.join(told)}", f"space origin: ({','.join(repr(float(v)) for v in origin)})"]
        lines += ['space units: "mm" "mm" "mm"']
    elif source.metadata.get("spacing"):
        known = iter(_sizes(source))
        told = [next(known) if letter in "xyz" else "nan" for letter in reversed(source.axes)]
        lines += [f"spacings: {' '.join(told)}"]
        unit = "" if source.metadata.get("length_unit") == UNKNOWN else "mm"
        lines += [f"units: {' '.join(chr(34) + (unit if a in 'xyz' else '') + chr(34) for a in reversed(source.axes))}"]
    lines += [f"sizes: {' '.join(map(str, sizes))}", f"kinds: {' '.join(kinds)}", "endian: little", "encoding: raw"]
    place = () if len(spatial) == 3 else ("affine",)
    warn_lost(path.name, unheld(output.source, "slope", *place, *_UNHELD))
    _write(volume, path, "\n".join(lines) + "\n\n", overwrite=overwrite)


def write_meta(output: Output, path: Path, *, overwrite: bool) -> None:
    """Write a MetaImage file."""
    volume = output.arranged(_axes(output.source))
    source = volume.source
    letters = [letter for letter in reversed(source.axes) if letter != "c"]
    shape = dict(zip(source.axes, source.shape, strict=True))
    lines = ["ObjectType = Image", f"NDims = {len(letters)}", "BinaryData = True", "BinaryDataByteOrderMSB = False"]
    lines += ["CompressedData = False"]
    if letters == list("xyz") and source.metadata.get("affine"):
        columns, origin = _placed(source)
        lengths = np.linalg.norm(columns, axis=0)
        matrix = (columns / lengths).T.ravel()
        lines += [
            f"TransformMatrix = {_text(matrix)}",
            f"Offset = {_text(origin)}",
            f"ElementSpacing = {_text(lengths)}",
        ]
    elif source.metadata.get("spacing"):
        lines += [f"ElementSpacing = {' '.join([*_sizes(source), *['1.0'] * ('t' in letters)])}"]
    lines += [f"DimSize = {' '.join(str(shape[letter]) for letter in letters)}"]
    lines += [f"ElementNumberOfChannels = {shape['c']}"] if "c" in shape else []
    slope, intercept = source.metadata.get("slope"), source.metadata.get("intercept")
    if (slope, intercept) not in ((None, None), (1.0, 0.0)):
        lines += [f"ElementToIntensityFunctionSlope = {slope}", f"ElementToIntensityFunctionOffset = {intercept}"]
    lines += [f"ElementType = {_META_TYPES[source.dtype.str[1:]]}", "ElementDataFile = LOCAL"]
    place = () if letters == list("xyz") else ("affine",)
    warn_lost(path.name, unheld(output.source, *place, *_UNHELD))
    _write(volume, path, "\n".join(lines) + "\n", overwrite=overwrite)


def _write(volume: Output, path: Path, header: str, *, overwrite: bool) -> None:
    with replacing(path, overwrite=overwrite) as partial, partial.open("wb") as file:
        file.write(header.encode("ascii"))
        volume.fill(file, file.tell())


def _axes(source: Source) -> str:
    """Order the axes, slowest first: channels last."""
    shape = sizes_of(source, "n")
    if "n" in shape or not {"x"} <= set(shape):
        raise InvalidArgument(
            f"NRRD and MetaImage hold t, z, y, x, c; found axes {source.axes}: write .ome.tif or .npy"
        )
    return "".join(letter for letter in "tzyx" if letter in shape) + ("c" if "c" in shape else "")


def _placed(source: Source) -> tuple[Any, Any]:
    """Give the directions, as columns with lengths, and the origin."""
    affine = np.array(source.metadata["affine"], float)
    return _LPS @ affine[:3, :3], _LPS @ affine[:3, 3]


def _sizes(source: Source) -> list[str]:
    """Give sizes of voxels in mm, x first; those that are not known are 1."""
    return [repr(float(size or MM["millimeter"])) for size in reversed(source.metadata["spacing"])]


def _text(numbers: Any) -> str:
    return " ".join(repr(float(number)) for number in numbers)
