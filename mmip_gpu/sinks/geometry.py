"""Where the voxels of a decoded part lie: spacing and affine after cutting and scaling.

Values in: what is known about the whole volume, and which part was decoded at which scale. Values out: the same
keys for the part, and `grid`, which leads back to the whole. Implements no section of FORMAT.md.
Guarantees that a scaled voxel lies at the centre of those it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources.lost import LOST, warn_lost, with_lost

__all__ = ["PER_SLICE", "region_affine", "region_metadata"]

PER_SLICE: Final = {
    "slope_per_slice": "slopes, which differ by slice",
    "intercept_per_slice": "intercepts, which differ by slice",
    "spacing_per_slice": "pixel spacing, which differs by slice",
    "slice_positions": "places of slices, which are uneven",
}


def region_metadata(
    metadata: Mapping[str, Any],
    axes: str,
    whole: Sequence[int],
    start: Sequence[int],
    step: Sequence[int],
    size: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Give the metadata of a part.

    Parameters
    ----------
    metadata : mapping
        Of the whole volume, as a Source has it.
    axes : str
        Letters of the axes.
    whole, start, step : sequence of int
        Per axis: length of the whole, first voxel of the part counted at the scale, voxels that became one.
    size : sequence of int, optional
        Length of the part; all from `start` on by default.

    Raises
    ------
    InvalidArgument
        Where slices of different slope or intercept became one.

    Examples
    --------
    >>> part = region_metadata({"spacing": [3.0, 0.5, 0.5]}, "zyx", (8, 64, 64), (2, 0, 0), (1, 8, 8))
    >>> part["spacing"], part["grid"]["start"]
    ([3.0, 4.0, 4.0], [2, 0, 0])
    """
    at = [axes.index(letter) for letter in "zyx" if letter in axes]
    grid = {name: [int(v[i]) for i in at] for name, v in (("shape", whole), ("start", start), ("step", step))}
    found = dict(metadata) | {"grid": grid}
    spacing = metadata.get("spacing")
    if spacing and len(spacing) == len(at):
        found["spacing"] = [None if s is None else s * k for s, k in zip(spacing, grid["step"], strict=True)]
    if metadata.get("origin") and spacing and None not in spacing:
        moves = zip(metadata["origin"], spacing, grid["start"], grid["step"], strict=True)
        found["origin"] = [first + s * (start * k + (k - 1) / 2) for first, s, start, k in moves]
    if metadata.get("affine"):
        found["affine"] = region_affine(metadata["affine"], grid)
    if metadata.get("forms"):
        forms = metadata["forms"].items()
        found["forms"] = {name: form | {"affine": region_affine(form["affine"], grid)} for name, form in forms}
    if any(metadata.get(key) for key in PER_SLICE):
        parts = [
            range(s * k, min((s + n) * k, length), k)
            for length, s, k, n in zip(whole, start, step, size or whole, strict=True)
        ]
        found |= _slices(metadata, axes, whole, parts)
    return found


def region_affine(affine: Sequence[Sequence[float]], grid: Mapping[str, Sequence[int]]) -> list[list[float]]:
    """Give the affine of a part (x, y, z order, as NIfTI has it) from that of the whole.

    Examples
    --------
    >>> unit = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]
    >>> region_affine(unit, {"start": [1, 0, 0], "step": [2, 2, 2]})[2]
    [0.0, 0.0, 2.0, 2.5]
    """
    change = np.eye(4)
    for row, (start, step) in enumerate(zip(reversed(grid["start"]), reversed(grid["step"]), strict=True)):
        change[row, row] = step
        change[row, 3] = start * step + (step - 1) / 2
    result: list[list[float]] = (np.array(affine, float) @ change).tolist()
    return result


def _slices(metadata: Mapping[str, Any], axes: str, whole: Sequence[int], parts: Sequence[range]) -> dict[str, Any]:
    """Give the keys that have an entry for every slice: those of the part, of one slice for those that became one."""
    named = dict(zip(axes, zip(whole, parts, strict=True), strict=True))
    outer = [named[letter] for letter in axes if letter in "tn"] + [named.get("z", (1, range(1)))]
    lead, chosen = [length for length, _ in outer], [part for _, part in outer]
    found = _misfits(metadata, lead)
    metadata = dict(metadata) | found
    rows = np.arange(np.prod(lead, dtype=int)).reshape(lead)
    at = rows[np.ix_(*chosen)].ravel()
    depth = chosen[-1].step
    last = np.minimum(at % lead[-1] + depth, lead[-1]) - at % lead[-1] + at
    groups = [range(int(a), int(b)) for a, b in zip(at, last, strict=True)]
    for key, default in (("slope", 1.0), ("intercept", 0.0)):
        values = metadata.get(f"{key}_per_slice")
        if not values:
            continue
        if any(len({values[row] for row in group}) > 1 for group in groups):
            raise InvalidArgument(
                f"scale {depth} would average slices whose {key}s differ: read at scale 1, or code with cell_depth=1 "
                "(--cell-depth 1), which keeps slices apart"
            )
        kept = [values[group[0]] for group in groups]
        same = len(set(kept)) <= 1
        found |= {key: kept[0] if kept else default} if same else {key: None}
        found[f"{key}_per_slice"] = None if same else kept
    size = len(chosen[-1])
    return found | _places(metadata, groups[:size], [part for a, part in zip(axes, parts, strict=True) if a in "yx"])


def _misfits(metadata: Mapping[str, Any], lead: Sequence[int]) -> dict[str, Any]:
    """Leave out lists that are not as long as there are slices, as when axes were renamed, and say so."""
    slices = {"slope_per_slice": math.prod(lead), "intercept_per_slice": math.prod(lead)}
    wrong = [key for key in PER_SLICE if metadata.get(key) and len(metadata[key]) != slices.get(key, lead[-1])]
    if metadata.get("slice_positions") and not metadata.get("directions"):
        wrong.append("slice_positions")
    texts = [PER_SLICE[key] for key in wrong]
    warn_lost("this part", texts)
    return with_lost({LOST: metadata.get(LOST) or ()}, *texts) | dict.fromkeys(wrong) if wrong else {}


def _places(metadata: Mapping[str, Any], groups: Sequence[range], plane: Sequence[range]) -> dict[str, Any]:
    """Give the places and pixel sizes of slices, each the mean of those that became one."""
    found: dict[str, Any] = {}
    sizes, places = metadata.get("spacing_per_slice"), metadata.get("slice_positions")
    steps = [part.step for part in plane]
    if sizes:
        known = [sizes[group[0]] for group in groups]
        found["spacing_per_slice"] = [
            [None if size is None else size * k for size, k in zip(pair, steps, strict=True)] for pair in known
        ]
    if places:
        along_x, along_y = np.array(metadata["directions"]).reshape(2, 3)
        moved = [part.start + (part.step - 1) / 2 for part in plane]
        found["slice_positions"] = []
        for group in groups:
            height, width = sizes[group[0]] if sizes else (metadata.get("spacing") or [None])[-2:]
            shift = along_y * moved[0] * (height or 0.0) + along_x * moved[1] * (width or 0.0)
            mean = np.mean([places[row] for row in group], axis=0)
            found["slice_positions"].append((mean + shift).tolist())
    return found
