"""The display window of a user's image: of a text file beside it, or of its DICOM header.

Values: paths and a source's metadata in; the two ends in sample units out, None where nothing states them. Of several
windows in a header it is the first one, centre minus and plus half of the width, taken back through the rescale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmip_gpu.errors import InvalidArgument

__all__ = ["Window", "window_of"]

Window = tuple[float, float]
_TAGS = ("WindowCenter", "WindowWidth")
_SHARED, _LOOKUP = "SharedFunctionalGroupsSequence", "FrameVOILUTSequence"


def window_of(path: Path, beside: Path, metadata: Mapping[str, Any]) -> Window | None:
    """Return the display window of an image.

    Parameters
    ----------
    path : pathlib.Path
        The image: a file, or a folder of DICOM files, of which the first one by name counts.
    beside : pathlib.Path
        A text of two numbers, which goes before the header; it need not exist.
    metadata : mapping
        Of the source: `kind`, `slope` and `intercept`.

    Raises
    ------
    InvalidArgument
        For a text that is not two numbers.
    """
    if beside.is_file():
        return _stated(beside)
    slope, intercept = metadata.get("slope"), metadata.get("intercept")
    if metadata.get("kind") != "dicom" or not slope or intercept is None:
        return None
    ends = _of_header(min(path.iterdir()) if path.is_dir() else path)
    if ends is None:
        return None
    low, high = sorted((value - intercept) / slope for value in ends)
    return low, high


def _stated(beside: Path) -> Window:
    words = beside.read_text(encoding="utf-8").replace(",", " ").split()
    try:
        low, high = map(float, words)
    except ValueError:
        said = " ".join(words)[:60]
        raise InvalidArgument(f"{beside.name}: expected two numbers, LOW HIGH, found {said!r}") from None
    return low, high


def _of_header(path: Path) -> Window | None:
    """The window of a header, in physical values."""
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True, specific_tags=[*_TAGS, _SHARED])
    for group in header.get(_SHARED) or ():
        header = next(iter(group.get(_LOOKUP) or ()), header)
    values = [header.get(tag) for tag in _TAGS]
    centre, width = (value if isinstance(value, (int, float)) or value is None else value[0] for value in values)
    if centre is None or width is None or not float(width) > 0:
        return None
    return float(centre) - float(width) / 2, float(centre) + float(width) / 2
