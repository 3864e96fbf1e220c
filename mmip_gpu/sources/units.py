"""Units of length and time, by the names that OME-Zarr has for them.

Values in: a unit as a file spells it. Values out: its name, its length in mm or its duration in seconds.
Implements no section of FORMAT.md. Names are those of UDUNITS-2, which OME-NGFF 0.5 recommends.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["MM", "SECONDS", "UNKNOWN", "length_unit", "time_unit"]

UNKNOWN: Final = "unknown"  # of lengths that are numbers without a unit: taken for mm where a format has no other
MM: Final = {
    "meter": 1e3, "decimeter": 1e2, "centimeter": 10.0, "millimeter": 1.0, "micrometer": 1e-3, "nanometer": 1e-6,
    "picometer": 1e-9, "angstrom": 1e-7, "inch": 25.4, "foot": 304.8, "kilometer": 1e6, UNKNOWN: 1.0,
}  # fmt: skip
SECONDS: Final = {
    "second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "nanosecond": 1e-9,
    "minute": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip
_SPELLED: Final = {
    "m": "meter", "dm": "decimeter", "cm": "centimeter", "mm": "millimeter", "nm": "nanometer", "pm": "picometer",
    "å": "angstrom", "in": "inch", "inches": "inch", "ft": "foot", "km": "kilometer",
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "\\u00b5m"), "micrometer"),
    "s": "second", "sec": "second", "ms": "millisecond", "msec": "millisecond", "ns": "nanosecond",
    **dict.fromkeys(("µs", "μs", "us", "usec"), "microsecond"), "min": "minute", "h": "hour", "d": "day",
}  # fmt: skip


def length_unit(text: Any) -> str | None:
    """Name a unit of length; None for what is none.

    Examples
    --------
    >>> length_unit("µm"), length_unit("Millimetres"), length_unit("pixel")
    ('micrometer', 'millimeter', None)
    """
    name = _name(text)
    return name if name in MM and name != UNKNOWN else None


def time_unit(text: Any) -> str | None:
    """Name a unit of time; None for what is none.

    Examples
    --------
    >>> time_unit("ms"), time_unit("hours"), time_unit("mm")
    ('millisecond', 'hour', None)
    """
    name = _name(text)
    return name if name in SECONDS else None


def _name(text: Any) -> str:
    name = str(text).strip().lower().replace("metre", "meter")
    name = _SPELLED.get(name, name)
    return name if name in MM or name in SECONDS else name.removesuffix("s")
