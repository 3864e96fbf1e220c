"""Where the voxels of a decoded part lie: spacing and affine after cutting and scaling.

Values in: what is known about the whole volume, and which part was decoded at which scale. Values out: the same
keys for the part, and `grid`, which leads back to the whole. Implements no section of FORMAT.md.
Guarantees that a scaled voxel lies at the centre of those it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["region_affine", "region_metadata"]


def region_metadata(
    metadata: Mapping[str, Any], axes: str, whole: Sequence[int], start: Sequence[int], step: Sequence[int]
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
    if metadata.get("affine"):
        found["affine"] = region_affine(metadata["affine"], grid)
    if metadata.get("forms"):
        forms = metadata["forms"].items()
        found["forms"] = {name: form | {"affine": region_affine(form["affine"], grid)} for name, form in forms}
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
