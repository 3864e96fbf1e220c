"""What a TIFF file says of its voxels, frames and channels: from OME-XML, ImageJ and resolution tags.

Values in: an open TIFF file and its image. Values out: keys of a Source's metadata; lengths in mm, times in seconds.
Implements no section of FORMAT.md; sizes are those of the OME data model 2016-06, of ImageJ's description and
of the TIFF tags XResolution, YResolution and ResolutionUnit.
Guarantees that what is not stated in a unit of length stays unknown, and that the resolution of a screen is none.
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree

from mmip_gpu.sources.source import finite
from mmip_gpu.sources.units import MM, SECONDS, length_unit, time_unit

_TAG_UNITS: Final = {2: "inch", 3: "centimeter", 4: "millimeter", 5: "micrometer"}
_SCREENS: Final = {"inch": (72.0, 96.0), "centimeter": (28.35, 28.346, 37.8, 37.795)}  # what programs put there unasked
_NM: Final = 1e6  # per mm

Metadata = dict[str, Any]


def description(file: Any, number: int, whole: Any, image: Any, axes: str, shape: tuple[int, ...]) -> Metadata:
    """Give what is known of a level: `spacing`, `length_unit`, `time_step`, `time_unit` and `channels`."""
    if file.is_ome:
        found = _from_ome(file.ome_metadata or "", number, axes)
    else:
        found = _from_tags(file, number, whole.keyframe)
    sizes = {letter: found.pop(letter, None) for letter in "zyx"}
    sizes = {letter: sizes[letter] for letter in axes if letter in sizes}
    for letter, size in sizes.items():
        full = int(whole.shape[str(whole.axes).index(letter.upper())]) if letter.upper() in whole.axes else 0
        here = shape[axes.index(letter)]
        if size is not None and full and here and image is not whole:
            sizes[letter] = size * full / here
    spacing = list(sizes.values())
    return found | ({"spacing": spacing} if any(spacing) else {"length_unit": None})


def _from_ome(text: str, number: int, axes: str) -> Metadata:
    """Read PhysicalSizeX, Y, Z, TimeIncrement and channels; units are micrometres, seconds, nm unless given."""
    pixels = [element for element in ElementTree.fromstring(text).iter() if _tag(element) == "Pixels"]
    if number >= len(pixels):
        return {}
    stated = pixels[number].attrib
    units = {letter: length_unit(stated.get(f"PhysicalSize{letter.upper()}Unit", "µm")) for letter in "zyx"}
    found: Metadata = {
        letter: _scaled(stated.get(f"PhysicalSize{letter.upper()}"), unit and MM[unit])
        for letter, unit in units.items()
    }
    found["length_unit"] = units["x"]
    unit = time_unit(stated.get("TimeIncrementUnit", "s"))
    step = _scaled(stated.get("TimeIncrement"), unit and SECONDS[unit])
    if step is not None and "t" in axes:
        found |= {"time_step": step, "time_unit": unit}
    channels = [_channel(element.attrib) for element in pixels[number] if _tag(element) == "Channel"]
    return found | ({"channels": channels} if any(channels) else {})


def _channel(stated: dict[str, str]) -> Metadata:
    """Read what OME-XML says of a channel; its colour is a signed RGBA of 32 bits."""
    colour, name = stated.get("Color"), stated.get("Name")
    found: Metadata = {"name": name} if name else {}
    if colour is not None and colour.lstrip("-").isdecimal():
        found["colour"] = f"{int(colour) % (1 << 32) >> 8:06X}"
    for key, attribute in (("emission_nm", "EmissionWavelength"), ("excitation_nm", "ExcitationWavelength")):
        unit = length_unit(stated.get(f"{attribute}Unit", "nm"))
        length = _scaled(stated.get(attribute), unit and MM[unit])
        found |= {} if length is None else {key: round(length * _NM, 6)}
    return found


def _from_tags(file: Any, number: int, page: Any) -> Metadata:
    """Read the resolution tags; where they have no unit, that of the description holds."""
    parts = (file.imagej_metadata,) if file.is_imagej else file.shaped_metadata or ()
    described: Metadata = (parts[number] if number < len(parts) else None) or {}
    named = length_unit(described.get("unit"))
    unit = _TAG_UNITS.get(int(page.tags.valueof("ResolutionUnit", default=2)), named)
    found: Metadata = {letter: _resolution(page, letter, unit) for letter in "yx"}
    if unit in _SCREENS and not named and any(_is_screen(page, unit, letter) for letter in "yx"):
        found = {}
    found["z"] = _scaled(described.get("spacing"), named and MM[named])
    found["length_unit"] = named or (unit if unit in ("millimeter", "micrometer") else None)
    if (step := finite(described.get("finterval"))) is not None and step > 0:
        unit = time_unit(described.get("tunit", "s")) or "second"
        found |= {"time_step": step * SECONDS[unit], "time_unit": unit}
    return found


def _is_screen(page: Any, unit: str, letter: str) -> bool:
    size = _resolution(page, letter, unit)
    return size is not None and any(abs(MM[unit] / size - count) < 1e-3 for count in _SCREENS[unit])


def _resolution(page: Any, letter: str, unit: str | None) -> float | None:
    value = page.tags.valueof(f"{letter.upper()}Resolution")
    count, length = (finite(part) for part in value) if isinstance(value, tuple) and len(value) == 2 else (0, 0)
    return length / count * MM[unit] if count and length and unit and count > 0 and length > 0 else None


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _scaled(size: Any, unit: float | None) -> float | None:
    number = finite(size)
    return None if number is None or unit is None or number <= 0 else number * unit
