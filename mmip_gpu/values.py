"""Values of options in the form in which settings hold them.

Values: what a caller passes in; numbers, integers and tuples out, or InvalidArgument. It knows no option's range, and
imports nothing that takes time, so that a command can say what it takes.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from mmip_gpu._core import MAX_CLASSES
from mmip_gpu.errors import InvalidArgument

__all__ = [
    "DEFAULT_STAGES",
    "SUPPORTED_SINKS",
    "Padding",
    "Quality",
    "channel_numbers",
    "check_blocks",
    "checked_padding",
    "exclude",
    "frozen_quality",
    "integers",
    "lossless_method",
    "number",
    "only_one",
    "stage_count",
    "without_scheme",
]

SUPPORTED_SINKS = (
    ".npy, .nii, .nii.gz, .nrrd, .mha, .tif, .tiff, .ome.tif, .dcm, or a name without a suffix for a DICOM folder"
)
"""Names of files that a volume can be written to, in words."""

Quality = float | str
"""A number (the seed's quality scale) or ``"lossless"``."""

Padding = int | str | None
"""A sample value, ``"auto"`` or None."""

_LOSSLESS_METHODS: dict[bool | str, str] = {True: "fast", "small": "small"}
"""Methods of lossless coding in one payload, by what is asked for."""

DEFAULT_STAGES = 3


def number(name: str, value: Any) -> float:
    """The value as a finite float."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InvalidArgument(f"{name}={value!r}: expected a finite number")
    return float(value)


def channel_numbers(name: str, value: Any) -> tuple[str, tuple[float, tuple[float, ...]]]:
    """(the name, (the largest number, the number for each channel)) of a number or a list; of equal ones no list.

    Examples
    --------
    >>> channel_numbers("max_error", [1, 5, 2]), channel_numbers("qstep", [3, 3])
    (('max_error', (5.0, (1.0, 5.0, 2.0))), ('qstep', (3.0, ())))
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return name, (number(name, value), ())
    if name not in ("max_error", "qstep"):
        raise InvalidArgument(f"{name}={value!r}: expected a finite number")
    values = tuple(number(name, v) for v in value)
    if not values:
        raise InvalidArgument(f"{name}=[]: expected a number, or one for each channel")
    return name, (max(values), values if len(set(values)) > 1 else ())


def checked_padding(value: Any) -> Padding:
    """The value as an integer, ``"auto"`` or None."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    if isinstance(value, (bool, float, str)) or not hasattr(value, "__index__"):
        raise InvalidArgument(f"padding={value!r}: expected an integer, 'auto' or None")
    return operator.index(value)


def check_blocks(effort: Any, depth: Any, prediction: Any, slice_axis: Any) -> None:
    """Raise InvalidArgument unless blocks may be chosen with this effort, in such cells, predicted, along an axis."""
    if depth not in (None, 1, 8) or isinstance(depth, float):
        raise InvalidArgument(f"cell_depth={depth!r}: expected 1, 8 or None")
    if effort not in (1, 2, 3) or isinstance(effort, (bool, float)):
        raise InvalidArgument(f"effort={effort!r}: expected 1, 2 or 3")
    if prediction and (effort == 1 or depth == 8):
        raise InvalidArgument("prediction=True: needs effort=2 or 3, and 2D cells: leave cell_depth out, or pass 1")
    if slice_axis not in (None, "z", "t", "n"):
        raise InvalidArgument(f"slice_axis={slice_axis!r}: expected 'z', 't', 'n' or None")
    if slice_axis in ("t", "n") and depth == 8:
        raise InvalidArgument(f"slice_axis={slice_axis!r}: needs 2D cells: leave cell_depth out, or pass 1")


def integers(name: str, values: Any) -> tuple[int, ...]:
    """The values as a tuple of integers."""
    try:
        found = tuple(operator.index(v) for v in values)
    except TypeError:
        raise InvalidArgument(f"{name}={values!r}: expected integers") from None
    return found


def frozen_quality(
    quality: Quality | Mapping[int, Quality] | None,
) -> Quality | tuple[tuple[int, Quality], ...] | None:
    """The qualities of regions as a value that can be hashed."""
    if not isinstance(quality, Mapping):
        return quality
    for index in quality:
        if not isinstance(index, int) or not 1 <= index < MAX_CLASSES:
            raise InvalidArgument(f"roi_quality: expected classes 1..{MAX_CLASSES - 1}, found {index!r}")
    return tuple(sorted(quality.items()))


def without_scheme(place: Any) -> Any:
    """The path of a file:// URL; anything else as it is.

    Examples
    --------
    >>> without_scheme("file:///data/a%20b.zarr"), without_scheme("s3://bucket/a.zarr")
    ('/data/a b.zarr', 's3://bucket/a.zarr')
    """
    if not (isinstance(place, str) and place.startswith("file://")):
        return place
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # brings an HTTP client: 20 ms

    return url2pathname(urlsplit(place).path)


def only_one(options: Mapping[str, Any], names: str) -> tuple[str, Any]:
    """The one option that is given, with its name; `names` are those that there are."""
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) != 1:
        raise InvalidArgument(f"expected exactly one of {names}; found {', '.join(sorted(given)) or 'none'}")
    return next(iter(given.items()))


def exclude(others: Mapping[str, Any], reason: str) -> None:
    """Raise InvalidArgument if one of the other options is given."""
    given = [f"{name}=" for name, value in others.items() if value is not None]
    if given:
        raise InvalidArgument(f"{reason}; it excludes {', '.join(given)}")


def lossless_method(lossless: bool | str, stages: Mapping[str, Any], blocks: Mapping[str, Any]) -> str:
    """How lossless samples are coded: in blocks where any of `stages` asks for them; else `blocks` are no options."""
    if isinstance(lossless, str) and lossless not in _LOSSLESS_METHODS:
        raise InvalidArgument(f"lossless={lossless!r}: expected True, False or 'small'")
    if not lossless or (not isinstance(lossless, str) and any(value is not None for value in stages.values())):
        return "transform"
    exclude(stages, f"lossless={lossless!r}: gives one payload (lossless=True has parts)")
    exclude(blocks, "lossless without stages: has no blocks (stages=3 has them)")
    return _LOSSLESS_METHODS[lossless]


def stage_count(stages: int | None, cuts: Sequence[int] | None) -> int:
    """As many stages as are asked for, or as the cuts make."""
    if cuts is None:
        return DEFAULT_STAGES if stages is None else stages
    if stages not in (None, len(cuts) + 2):
        raise InvalidArgument(f"{len(cuts)} cuts make {len(cuts) + 2} stages, found stages={stages}")
    return len(cuts) + 2
