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
from mmip_gpu.sinks.sink import INVERTED, Output, replacing, unheld
from mmip_gpu.sources import Source
from mmip_gpu.sources.lost import warn_lost
from mmip_gpu.sources.source import require
from mmip_gpu.sources.units import MM, SECONDS

_BIG_BYTES: Final = (1 << 32) - (1 << 26)  # room for directories
_UNITS: Final = {"millimeter": "mm", "micrometer": "µm", "nanometer": "nm", "meter": "m", "centimeter": "cm"}
_TIMES: Final = {"second": "s", "millisecond": "ms", "microsecond": "µs", "minute": "min", "hour": "h", "day": "d"}
_NOT_IN_TAGS: Final = ("slope", "affine", "origin", "coordinates", "channels")
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
        "photometric": "rgb"
        if is_rgb
        else "miniswhite"
        if source.metadata.get("photometric") in INVERTED
        else "minisblack",
        "bigtiff": math.prod(shape) * source.dtype.itemsize > _BIG_BYTES,
        "byteorder": "<",
        "metadata": {"axes": letters} | (_ome(volume.source, size) if is_ome else _described(volume.source, size)),
    }
    per_cm = MM["centimeter"] / MM[_unit(source)]
    if size.get("x") and size.get("y"):
        options |= {"resolution": (per_cm / size["x"], per_cm / size["y"]), "resolutionunit": "CENTIMETER"}
    keys = ("slope", "affine", "origin", "coordinates") if is_ome else _NOT_IN_TAGS
    warn_lost(path.name, unheld(source, *keys))
    with replacing(path, overwrite=overwrite) as partial:
        offset, _ = tifffile.imwrite(partial, shape=shape, dtype=source.dtype, returnoffset=True, **options)
        with partial.open("r+b") as file:
            volume.fill(file, offset)


def _is_colour(source: Source) -> bool:
    return source.axes.endswith("c") if source.colour is None else source.colour


def _voxel_size(source: Source) -> dict[str, float]:
    """Give the known voxel sizes by letter, in the unit that the source has."""
    letters = [letter for letter in "xyz" if letter in source.axes]
    sizes = reversed(source.metadata.get("spacing") or [])
    mm = MM[_unit(source)]
    return {letter: float(size) / mm for letter, size in zip(letters, sizes, strict=False) if size}


def _unit(source: Source) -> str:
    unit = source.metadata.get("length_unit")
    return unit if unit in _UNITS else "millimeter"


def _ome(source: Source, size: dict[str, float]) -> dict[str, Any]:
    """Give what OME-XML holds of voxels, frames and channels."""
    found: dict[str, Any] = {f"PhysicalSize{letter.upper()}": length for letter, length in size.items()}
    found |= {f"{name}Unit": _UNITS[_unit(source)] for name in found}
    step, unit = source.metadata.get("time_step"), source.metadata.get("time_unit") or "second"
    if step and unit in _TIMES:
        found |= {"TimeIncrement": step / SECONDS[unit], "TimeIncrementUnit": _TIMES[unit]}
    channels = source.metadata.get("channels")
    if channels and len(channels) == dict(zip(source.axes, source.shape, strict=True)).get("c", 1):
        listed = [_channel(channel) for channel in channels]
        names = dict.fromkeys(name for channel in listed for name in channel)
        found["Channel"] = {name: [channel.get(name) for channel in listed] for name in names}
    return found


def _channel(channel: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"Name": channel["name"]} if channel.get("name") else {}
    if channel.get("colour"):
        rgba = (int(channel["colour"], 16) << 8) + 255
        found["Color"] = rgba - (rgba >> 31 << 32)
    for key, name in (("emission_nm", "EmissionWavelength"), ("excitation_nm", "ExcitationWavelength")):
        if channel.get(key):
            found |= {name: channel[key], f"{name}Unit": "nm"}
    return found


def _described(source: Source, size: dict[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {"spacing": size["z"]} if "z" in size else {}
    found |= {"unit": _UNITS[_unit(source)]} if size else {}
    step, unit = source.metadata.get("time_step"), source.metadata.get("time_unit") or "second"
    return found | ({"finterval": step, "tunit": "s"} if step and unit in _TIMES else {})
