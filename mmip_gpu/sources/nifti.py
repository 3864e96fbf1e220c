"""Sources in NIfTI files (.nii, .nii.gz), read with nibabel.

Values in: a path. Values out: a Source of the stored integers, axes transposed from the file's (x, y, z, t).
Implements no section of FORMAT.md.
Guarantees that the scaling of the file is kept as metadata and never applied. A .nii is memory-mapped; gzip
cannot be entered in the middle, so a .nii.gz is decoded whole at the first read, up to its checksum, and then kept.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.lost import with_lost
from mmip_gpu.sources.packed import check_length, read_packed
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
from mmip_gpu.sources.units import MM, SECONDS, UNKNOWN

NIFTI_LENGTHS: Final = {"micron": "micrometer", "mm": "millimeter", "meter": "meter"}
NIFTI_TIMES: Final = {"sec": "second", "msec": "millisecond", "usec": "microsecond"}
NIFTI_FIELDS: Final = (  # that tell of the meaning of samples or the order of slices, and have no other key
    "intent_code", "intent_p1", "intent_p2", "intent_p3", "toffset", "cal_min", "cal_max",
    "dim_info", "slice_code", "slice_start", "slice_end", "slice_duration",
)  # fmt: skip


def open_nifti(path: Path) -> Source:
    """Open a NIfTI-1 or NIfTI-2 file with 1 to 4 axes of numbers, or RGB24."""
    nibabel = require("nibabel", f"reading the NIfTI file {path.name}")
    image = nibabel.load(path)
    header = image.header
    stored_shape = tuple(int(size) for size in image.dataobj.shape)
    stored = np.dtype(header.get_data_dtype())
    colour = stored.names == ("R", "G", "B")
    dtype = supported_dtype(stored["R"] if colour else stored, path.name)
    axes = _axes(stored_shape, colour=colour, name=path.name)
    file, offset = Path(image.file_map["image"].filename), int(image.dataobj.offset)
    check_length(file, offset + stored.itemsize * math.prod(stored_shape))
    samples = cache(lambda: _samples(file, offset, stored_shape[::-1], stored))

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
        slope=finite(image.dataobj.slope),
        intercept=finite(image.dataobj.inter),
        **_sizes(header, len(stored_shape)),
        **_affine(header),
        nifti={name: header[name].item() for name in NIFTI_FIELDS if header[name]} or None,
    )
    metadata = with_lost(metadata, *(["NIfTI extensions"] if header.extensions else []))
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


def _sizes(header: Any, axes: int) -> dict[str, Any]:
    """Read the voxel size, slowest axis first, and the time step; a file without a unit means mm by custom."""
    length, time = header.get_xyzt_units()
    unit = NIFTI_LENGTHS.get(length, UNKNOWN)
    sizes = [finite(zoom) for zoom in header.get_zooms()]
    found: dict[str, Any] = {
        "spacing": [size and size * MM[unit] for size in reversed(sizes[:3])],
        "length_unit": unit,
    }
    if axes > 3 and sizes[3] is not None:
        unit = NIFTI_TIMES.get(time, time)
        found |= {"time_step": sizes[3] * SECONDS.get(unit, 1.0), "time_unit": unit}
    return found


def _affine(header: Any) -> dict[str, Any]:
    """Give the affine in mm and the name of the space it leads to, where the file has one.

    A file has up to two, by qform and sform; both are kept, and the sform is taken as nibabel does.
    """
    scale = np.diag([*[MM[NIFTI_LENGTHS.get(header.get_xyzt_units()[0], UNKNOWN)]] * 3, 1.0])
    forms: dict[str, Any] = {}
    for name, affine in (("qform", header.get_qform(coded=True)), ("sform", header.get_sform(coded=True))):
        if affine[1] > 0 and affine[0] is not None and np.isfinite(affine[0]).all():
            space = header.get_value_label(f"{name}_code")
            forms[name] = {"affine": (scale @ affine[0]).tolist(), "space": space}
    if not forms:
        return {}
    return {**forms.get("sform", forms.get("qform")), "forms": forms}


def _samples(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Map the file, or decode it when it is compressed."""
    if path.suffix.lower() == ".gz":
        return read_packed(path, offset, shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape) if math.prod(shape) else np.empty(shape, dtype)
