"""What a source said of its volume, as the attributes of a store keep it.

Values: the metadata of a Source in; the entries that have the form on which writers of files rely out. Implements no
section of FORMAT.md. Guarantees that every entry that is kept fits. Keys that are not listed here are not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from mmip_gpu.sources.units import MM

__all__ = ["is_number", "kept_metadata", "metadata_problem"]


def kept_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is kept: of keys that tell what cannot be, such as an affine that is singular, None.

    Names of files and folders may be those of patients, and are left out.

    Examples
    --------
    >>> kept_metadata({"kind": "nifti", "slope": float("nan")})
    {'kind': 'nifti', 'slope': None}
    """
    kept = {key: value for key, value in metadata.items() if key not in _LEFT_OUT}
    return {key: value if key not in _FORMS or _fits(key, value) else None for key, value in kept.items()}


def metadata_problem(metadata: object) -> str | None:
    """Name what is out of range in the metadata of a store; None where nothing is.

    Examples
    --------
    >>> metadata_problem({"kind": "nifti", "spacing": [2.0, None, 0.5]}) is None
    True
    >>> metadata_problem({"slope": "2"}), metadata_problem([])
    ("slope='2'", 'metadata=[]')
    """
    if not isinstance(metadata, Mapping):
        return f"metadata={metadata!r}"
    return next((f"{key}={metadata[key]!r}" for key in _FORMS if not _fits(key, metadata.get(key))), None)


def is_number(value: object) -> bool:
    """Whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _fits(key: str, value: Any) -> bool:
    return value is None or _FORMS[key](value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


def _is_size(value: Any) -> bool:
    return value is None or (is_number(value) and value > 0)


def _is_affine(value: Any) -> bool:
    if not _all(_all(is_number))(value) or [len(row) for row in value] != [4] * 4:
        return False
    determinant = float(np.linalg.det(np.array(value, float)[:3, :3]))
    return determinant != 0 and math.isfinite(determinant)


def _is_place(value: Any) -> bool:
    return _all(is_number)(value) and len(value) == 3


def _is_coding(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    ratio, method = value.get("ratio"), value.get("method")
    return (ratio is None or is_number(ratio)) and (method is None or _is_text(method))


def _is_form(item: tuple[str, Any]) -> bool:
    name, form = item
    known = name in ("qform", "sform") and isinstance(form, Mapping)
    return known and _is_affine(form.get("affine")) and form.get("space") in _SPACES


def _is_channel(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    texts, numbers = ("name", "colour"), ("emission_nm", "excitation_nm")
    return all(value.get(key) is None or _is_text(value[key]) for key in texts) and all(
        value.get(key) is None or is_number(value[key]) for key in numbers
    )


def _is_coordinate(value: object) -> bool:
    if not isinstance(value, Mapping) or not all(_is_text(value.get(key, "")) for key in ("units", "dtype")):
        return False
    return _all(lambda entry: _is_text(entry) or is_number(entry))(value.get("values"))


_SPACES: Final = ("unknown", "scanner", "aligned", "talairach", "mni", "template")
_LEFT_OUT: Final = ("file",)
_FORMS: Final[dict[str, Callable[[Any], bool]]] = {
    "kind": _is_text,
    "spacing": _all(_is_size),
    "slope": is_number,
    "intercept": is_number,
    "affine": _is_affine,
    "space": lambda value: value in _SPACES,
    "modality": _is_text,
    "photometric": _is_text,
    "bits_stored": lambda value: is_number(value) and value == int(value),
    "padding_value": is_number,
    "lossy_ratios": _all(is_number),
    "lossy_methods": _all(_is_text),
    "history": _all(_is_coding),
    "lost": _all(_is_text),
    "length_unit": lambda value: value in MM,
    "time_step": is_number,
    "time_unit": _is_text,
    "origin": _all(is_number),
    "forms": lambda value: isinstance(value, Mapping) and all(map(_is_form, value.items())),
    "nifti": lambda value: isinstance(value, Mapping) and all(map(is_number, value.values())),
    "channels": _all(_is_channel),
    "coordinates": lambda value: isinstance(value, Mapping) and all(map(_is_coordinate, value.values())),
    "series": _is_text,
    "value_unit": _is_text,
    "slope_per_slice": _all(is_number),
    "intercept_per_slice": _all(is_number),
    "spacing_per_slice": _all(_all(_is_size)),
    "slice_positions": _all(_is_place),
    "directions": lambda value: _all(is_number)(value) and len(value) == 6,
}
