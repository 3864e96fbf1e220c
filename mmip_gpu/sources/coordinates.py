"""Coordinates of xarray: voxel size and place where they are even, else the values themselves.

Values in: a DataArray and the letters of its axes. Values out: keys of a Source's metadata; lengths in mm. Implements
no section of FORMAT.md. Guarantees that coordinates of axes come back as they were, up to rounding of even ones.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mmip_gpu.sources.lost import with_lost
from mmip_gpu.sources.units import MM, SECONDS, UNKNOWN, length_unit, time_unit

__all__ = ["coordinate_metadata"]

_MOST_VALUES: Final = 1 << 16  # of one axis that are kept


def coordinate_metadata(array: Any, axes: str) -> dict[str, Any]:
    """Give `spacing`, `origin`, `length_unit`, `time_step`, `time_unit` and `coordinates` of a DataArray.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> even = xarray.DataArray(np.zeros((3, 2)), dims=("y", "x"), coords={"y": [5.0, 7.0, 9.0]})
    >>> coordinate_metadata(even, "yx")
    {'spacing': [2.0, None], 'origin': [5.0, 0.0], 'length_unit': 'unknown'}
    """
    listed: dict[str, Any] = {}
    lengths: dict[str, tuple[float, float, str]] = {}
    found: dict[str, Any] = {}
    for letter, dimension in zip(axes, array.dims, strict=True):
        if dimension not in array.coords:
            continue
        coordinate = array.coords[dimension]
        values, stated = np.asarray(coordinate.values), coordinate.attrs.get("units")
        start, step = _even(values)
        unit = length_unit(stated) or (UNKNOWN if stated is None else None)
        if letter in "zyx" and step > 0 and unit:
            lengths[letter] = (start, step, unit)
            continue
        if letter == "t" and step > 0 and time_unit(stated):
            found |= {"time_step": step * SECONDS[str(time_unit(stated))], "time_unit": time_unit(stated)}
        if values.size <= _MOST_VALUES and values.dtype.kind in "iufMmU":
            listed[letter] = _listed(values) | ({"units": str(stated)} if stated is not None else {})
        else:
            found = with_lost(found, f"coordinates of axis {letter}")
    spatial = [letter for letter in axes if letter in "zyx"]
    if lengths:
        sizes = {letter: (start * MM[unit], step * MM[unit]) for letter, (start, step, unit) in lengths.items()}
        found["spacing"] = [sizes[letter][1] if letter in sizes else None for letter in spatial]
        if any(start for start, _ in sizes.values()):
            found["origin"] = [sizes.get(letter, (0.0, 0.0))[0] for letter in spatial]
        found["length_unit"] = next(iter(lengths.values()))[2]
    others = [str(name) for name in array.coords if name not in array.dims]
    found = with_lost(found, *([f"{len(others)} coordinates that are not of an axis"] if others else []))
    return found | ({"coordinates": listed} if listed else {})


def _even(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Give the first value and the distance of values that are evenly apart, 0 for others."""
    if values.ndim != 1 or values.size < 2 or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return 0.0, 0.0
    start, step = float(values[0]), (float(values[-1]) - float(values[0])) / (values.size - 1)
    is_even = np.allclose(values, start + step * np.arange(values.size), rtol=0, atol=abs(step) * 1e-6)
    return (start, step) if is_even else (0.0, 0.0)


def _listed(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Give values that JSON holds: those of times as integers, those that are not finite as texts."""
    dtype = values.dtype.str.lstrip("<>|=")
    plain = values.astype(np.int64) if values.dtype.kind in "mM" else values
    texts = [v if not isinstance(v, float) or np.isfinite(v) else str(v) for v in plain.tolist()]
    return {"values": texts, "dtype": dtype}
