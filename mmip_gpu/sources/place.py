"""Whether two volumes lie in the same place, by their affines.

Values: two Sources in; nothing, or an error, out. Implements no section of FORMAT.md.
"""

from __future__ import annotations

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources.source import Source

__all__ = ["check_place"]

_TOLERANCE = 0.5  # voxels, at the corner that differs most


def check_place(mask: Source, source: Source) -> None:
    """Raise InvalidArgument where a mask and a source of equal size have affines that differ by half a voxel.

    Nothing is compared where one of them has none.
    """
    ours, theirs = source.metadata.get("affine"), mask.metadata.get("affine")
    if not ours or not theirs:
        return
    lengths = dict(zip(source.axes, source.shape, strict=True))
    far = [max(lengths.get(letter, 1) - 1, 0) for letter in "xyz"]
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)], float)
    corners[:, :3] *= far
    there, here = (corners @ np.asarray(affine, float)[:3].T for affine in (theirs, ours))
    voxel = np.linalg.norm(np.asarray(ours, float)[:3, :3], axis=0).min()
    distance = float(np.linalg.norm(there - here, axis=1).max())
    if distance > _TOLERANCE * voxel:
        raise InvalidArgument(
            f"roi: {mask.name} lies {distance:.3g} mm from {source.name} at a corner, by their affines (axes that are "
            "transposed or flipped): resample it, or pass its array"
        )
