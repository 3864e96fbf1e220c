"""Sink for TIFF: tifffile writes the directories, the samples follow block by block.

Values in: an Output with axes out of t, n, c, z, y, x. Values out: uncompressed TIFF, as OME-TIFF where the name
ends in .ome.tif, BigTIFF where 4 GiB are not enough. Implements no section of FORMAT.md.
Guarantees that axes and voxel sizes (mm) come back when the file is opened as a source: from OME-XML, or from the
resolution tags and tifffile's description of the shape. Colours are the samples of a pixel, other channels pages.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks.sink import Output, replacing
from mmip_gpu.sources import Source
from mmip_gpu.sources.source import require

_BIG_BYTES: Final = (1 << 32) - (1 << 26)  # room for directories
_LETTERS: Final = str.maketrans("tnczyx", "TQCZYX")


def write_tiff(output: Output, path: Path, *, overwrite: bool) -> None:
    """Write a TIFF file."""
    tifffile = require("tifffile", "writing TIFF")
    source = output.source
    is_rgb = "c" in source.axes and source.shape[source.axes.index("c")] == 3 and _is_colour(source)
    plain = [letter for letter in source.axes if letter not in "yx" and not (letter == "c" and is_rgb)]
    volume = output.arranged("".join(plain) + "yx" + ("c" if is_rgb else ""))
    shape = volume.source.shape
    if max(shape[-3 if is_rgb else -2 :]) >= 1 << 31:
        raise InvalidArgument(f"TIFF holds images of less than 2^31 pixels a side, found {shape}: write .npy")
    letters = volume.source.axes.translate(_LETTERS)
    letters = letters[:-1] + "S" if is_rgb else letters
    is_ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    size = _voxel_size(volume.source)
    options: dict[str, Any] = {
        "ome": is_ome,
        "photometric": "rgb" if is_rgb else "minisblack",
        "bigtiff": math.prod(shape) * source.dtype.itemsize > _BIG_BYTES,
        "byteorder": "<",
        "metadata": {"axes": letters} | (_ome_size(size) if is_ome else _described_size(size)),
    }
    if size.get("x") and size.get("y"):
        options |= {"resolution": (10 / size["x"], 10 / size["y"]), "resolutionunit": "CENTIMETER"}
    with replacing(path, overwrite=overwrite) as partial:
        offset, _ = tifffile.imwrite(partial, shape=shape, dtype=source.dtype, returnoffset=True, **options)
        with partial.open("r+b") as file:
            volume.fill(file, offset)


def _is_colour(source: Source) -> bool:
    return source.axes.endswith("c") if source.colour is None else source.colour


def _voxel_size(source: Source) -> dict[str, float]:
    """Give the known voxel sizes in mm by letter."""
    letters = [letter for letter in "xyz" if letter in source.axes]
    sizes = reversed(source.metadata.get("spacing") or [])
    return {letter: float(size) for letter, size in zip(letters, sizes, strict=False) if size}


def _ome_size(size: dict[str, float]) -> dict[str, Any]:
    named = {f"PhysicalSize{letter.upper()}": length for letter, length in size.items()}
    return named | {f"{name}Unit": "mm" for name in named}


def _described_size(size: dict[str, float]) -> dict[str, Any]:
    return {"spacing": size["z"], "unit": "mm"} if "z" in size else {}
