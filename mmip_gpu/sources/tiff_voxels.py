"""Voxel sizes of TIFF files: from OME-XML, ImageJ and resolution tags to mm.

Values in: an open TIFF file and its image. Values out: `spacing` in mm per spatial axis, None where unknown.
Implements no section of FORMAT.md; sizes are those of the OME data model 2016-06, of ImageJ's description and
of the TIFF tags XResolution, YResolution and ResolutionUnit.
Guarantees that what is not stated in a unit of length stays unknown.
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree

from mmip_gpu.sources.source import finite

_MM: Final = {
    "m": 1e3, "dm": 1e2, "cm": 10.0, "mm": 1.0, "nm": 1e-6, "pm": 1e-9, "Å": 1e-7, "in": 25.4,
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "\\u00B5m"), 1e-3),
    **dict.fromkeys(("inch", "inches"), 25.4), "millimeter": 1.0, "centimeter": 10.0, "nanometer": 1e-6,
}  # fmt: skip
_TAG_UNIT_MM: Final = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}


def voxel_size(
    file: Any, number: int, whole: Any, image: Any, axes: str, shape: tuple[int, ...]
) -> list[float | None] | None:
    """Give the voxel size of a level (mm; z, y, x as far as `axes` has them), None where nothing is known."""
    if file.is_ome:
        sizes = _from_ome(file.ome_metadata or "", number)
    else:
        sizes = _from_tags(whole.keyframe, _MM.get(_described(file, number, "unit")))
        if file.is_imagej or file.is_shaped:
            sizes["z"] = _scaled(_described(file, number, "spacing"), _MM.get(_described(file, number, "unit")))
    sizes = {a: sizes.get(a) for a in axes if a in "zyx"}
    for letter, size in sizes.items():
        full = int(whole.shape[str(whole.axes).index(letter.upper())]) if letter.upper() in whole.axes else 0
        here = shape[axes.index(letter)]
        if size is not None and full and here and image is not whole:
            sizes[letter] = size * full / here
    spacing = list(sizes.values())
    return spacing if any(size is not None for size in spacing) else None


def _from_ome(text: str, number: int) -> dict[str, float | None]:
    """Read PhysicalSizeX, Y, Z; their unit is the micrometre unless given."""
    pixels = [element for element in ElementTree.fromstring(text).iter() if element.tag.rpartition("}")[2] == "Pixels"]
    if number >= len(pixels):
        return {}
    found = pixels[number].attrib
    return {
        letter: _scaled(
            found.get(f"PhysicalSize{letter.upper()}"),
            _MM.get(found.get(f"PhysicalSize{letter.upper()}Unit", "µm")),
        )
        for letter in "zyx"
    }


def _from_tags(page: Any, other_unit: float | None) -> dict[str, float | None]:
    """Read the resolution tags; where they have no unit, that of the description holds."""
    unit = _TAG_UNIT_MM.get(int(page.tags.valueof("ResolutionUnit", default=2)), other_unit)
    sizes: dict[str, float | None] = {}
    for letter in "yx":
        value = page.tags.valueof(f"{letter.upper()}Resolution")
        count, length = (finite(part) for part in value) if isinstance(value, tuple) and len(value) == 2 else (0, 0)
        sizes[letter] = length / count * unit if count and length and unit and count > 0 and length > 0 else None
    return sizes


def _described(file: Any, number: int, key: str) -> Any:
    """Look a value up in the description that ImageJ or tifffile wrote."""
    parts = (file.imagej_metadata,) if file.is_imagej else file.shaped_metadata or ()
    chosen = parts[number] if number < len(parts) else {}
    return (chosen or {}).get(key)


def _scaled(size: Any, unit: float | None) -> float | None:
    number = finite(size)
    return None if number is None or unit is None or number <= 0 else number * unit
