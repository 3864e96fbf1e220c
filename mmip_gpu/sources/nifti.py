"""Sources in NIfTI files (.nii, .nii.gz), read with nibabel.

Values in: a path. Values out: a Source of the stored integers, axes transposed from the file's (x, y, z, t).
Implements no section of FORMAT.md.
Guarantees that the scaling of the file is kept as metadata and never applied. A .nii is memory-mapped; gzip
cannot be entered in the middle, so a .nii.gz is decoded whole at the first read and then kept.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.source import (
    Array,
    Region,
    Source,
    default_axes,
    describe,
    file_stamp,
    finite,
    identify,
    require,
    supported_dtype,
)

_MM_PER_UNIT: Final = {"mm": 1.0, "micron": 1e-3, "meter": 1e3, "unknown": 1.0}


def open_nifti(path: Path) -> Source:
    """Open a NIfTI-1 or NIfTI-2 file with 1 to 4 axes of 8 or 16 bit integers, float32, or RGB24."""
    nibabel = require("nibabel", f"reading the NIfTI file {path.name}")
    image = nibabel.load(path)
    header = image.header
    stored_shape = tuple(int(size) for size in image.dataobj.shape)
    stored = np.dtype(header.get_data_dtype())
    colour = stored.names == ("R", "G", "B")
    dtype = supported_dtype(stored["R"] if colour else stored, path.name)
    axes = _axes(stored_shape, colour=colour, name=path.name)
    _check_length(path, int(image.dataobj.offset), stored_shape, stored)

    @cache
    def samples() -> Array:
        """Map the file, or decode it when it is compressed, as (t, z, y, x)."""
        return np.asarray(image.dataobj.get_unscaled()).T

    def read(region: Region) -> Array:
        if not colour:
            return np.asanyarray(samples()[region])
        pixels = np.ascontiguousarray(samples()[region[:-1]])
        channels: Array = pixels.view(np.uint8).reshape((*pixels.shape, 3))
        return np.asarray(channels[(..., region[-1])])

    shape = (*reversed(stored_shape), 3) if colour else tuple(reversed(stored_shape))
    metadata = describe(
        "nifti",
        path,
        spacing=_spacing_mm(header, min(3, len(stored_shape))),
        slope=finite(image.dataobj.slope),
        intercept=finite(image.dataobj.inter),
        **_affine(header),
    )
    fingerprint = identify("nifti", shape, dtype, file_stamp([path]))
    return Source(shape, dtype, axes, metadata, path.name, fingerprint, read)


def _axes(stored_shape: tuple[int, ...], *, colour: bool, name: str) -> str:
    """Name the transposed axes."""
    if min(stored_shape, default=0) < 0:
        raise StoreError(f"{name}: the header is damaged: found shape {stored_shape}")
    if not 1 <= len(stored_shape) <= 4:
        raise InvalidArgument(f"{name}: expected 1 to 4 NIfTI axes (x, y, z, t), found shape {stored_shape}: split it")
    if not colour:
        return default_axes(len(stored_shape))
    if len(stored_shape) not in (2, 3):
        raise InvalidArgument(f"{name}: expected RGB of 2 or 3 axes, found shape {stored_shape}: split it")
    return default_axes(len(stored_shape)) + "c"


def _spacing_mm(header: Any, spatial_count: int) -> list[float | None]:
    """Read the voxel size, slowest axis first; a file without a unit means millimetres by custom."""
    scale = _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
    sizes = [finite(zoom) for zoom in header.get_zooms()[:spatial_count]]
    return [None if size is None else size * scale for size in reversed(sizes)]


def _affine(header: Any) -> dict[str, Any]:
    """Give the affine in mm and the name of the space it leads to, where the file has one."""
    code, space = max((int(header[key]), header.get_value_label(key)) for key in ("sform_code", "qform_code"))
    affine = np.asarray(header.get_best_affine(), float)
    if code <= 0 or not np.isfinite(affine).all():
        return {}
    affine[:3] *= _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
    return {"affine": affine.tolist(), "space": space}


def _check_length(path: Path, offset: int, stored_shape: tuple[int, ...], stored: np.dtype[Any]) -> None:
    """Refuse an uncompressed file that ends early; gzip tells only when it is read."""
    needed = offset + stored.itemsize * int(np.prod(stored_shape, dtype=object))
    found = path.stat().st_size
    if path.suffix.lower() == ".nii" and found < needed:
        raise StoreError(f"{path.name} is truncated: expected {needed} bytes, found {found}; copy the file again")
