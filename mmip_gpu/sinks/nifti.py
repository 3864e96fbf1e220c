"""Sink for NIfTI files (.nii, .nii.gz), their headers made by nibabel.

Values in: an Output whose axes are out of t, z, y, x, or z, y, x and RGB of 8 bits. Values out: a NIfTI-1 file, or
NIfTI-2 where an axis is longer than NIfTI-1 can say. Implements no section of FORMAT.md.
Guarantees that samples are those of the source, with its rescaling in the header and not applied, its affine, or
else its voxel size. A .nii.gz is written as .nii first, since gzip has no order but that of the file.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sinks.sink import Output, replacing, sizes_of, unheld
from mmip_gpu.sources import Source
from mmip_gpu.sources.lost import warn_lost
from mmip_gpu.sources.nifti import NIFTI_FIELDS, NIFTI_LENGTHS, NIFTI_TIMES
from mmip_gpu.sources.source import require
from mmip_gpu.sources.units import MM, SECONDS, UNKNOWN

_LONGEST_AXIS: Final = 32767
_GZIP_LEVEL: Final = 1  # a third of the time of level 6 at 3 % more bytes (head CT of 7 MB: 0.07 s, 0.24 s)
_HEADER_BYTES: Final = {1: 352, 2: 544}  # with the four bytes that say that there is no extension
_SPACE: Final = "aligned"
_NOT_TIMES: Final = ("hz", "ppm", "rads", UNKNOWN)  # what a fourth axis may be instead


def write_nifti(output: Output, path: Path, *, overwrite: bool) -> None:
    """Write a NIfTI file."""
    volume = output.arranged(_axes(output.source))
    header, offset = _header(volume.source, is_colour="c" in volume.source.axes, template=output.template)
    warn_lost(path.name, unheld(output.source, "photometric", "channels", "origin", "coordinates"))
    is_packed = path.suffix.lower() == ".gz"
    with replacing(path, overwrite=overwrite) as partial:
        plain = partial.with_name(f"{partial.name}.nii") if is_packed else partial
        try:
            with plain.open("wb") as file:
                file.write(header)
                file.write(b"\0" * (offset - len(header)))
                volume.fill(file, offset)
            if is_packed:
                with plain.open("rb") as file, gzip.open(partial, "wb", compresslevel=_GZIP_LEVEL) as packed:
                    shutil.copyfileobj(file, packed, 1 << 20)
        finally:
            if is_packed:
                plain.unlink(missing_ok=True)


def _axes(source: Source) -> str:
    """Order the axes as the file has them, slowest first."""
    shape = sizes_of(source, "nc")
    if "c" in shape:
        if shape["c"] == 3 and source.dtype == np.uint8 and source.colour is not False and set(shape) <= set("zyxc"):
            return "zyxc" if "z" in shape else "yxc"
    elif set(shape) <= set("tzyx"):
        return "tzyx" if "t" in shape else "".join(letter for letter in source.axes if letter in shape)
    raise InvalidArgument(
        f"NIfTI holds t, z, y, x, or z, y, x and RGB of 8 bits; found axes {source.axes} of {source.dtype}: "
        "write .ome.tif or .npy"
    )


def _header(source: Source, *, is_colour: bool, template: Path | None) -> tuple[bytes, int]:
    """Make the header, and say where the samples begin."""
    nibabel = require("nibabel", "writing NIfTI")
    shape = tuple(reversed(source.shape[:-1] if is_colour else source.shape))
    version = 1 if max(shape) <= _LONGEST_AXIS else 2
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind(endianness="<")
    if template is not None and template.name.lower().endswith((".nii", ".nii.gz")):
        original = nibabel.load(template).header
        header = kind.from_header(original).as_byteswapped("<")
        header.extensions.clear()
    offset = _HEADER_BYTES[version]
    rgb = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    header.set_data_dtype(rgb if is_colour else source.dtype)
    header.set_data_shape(shape)
    _place(header, source, len(shape))
    header["magic"] = b"n+1" if version == 1 else header.default_structarr()["magic"]
    header["vox_offset"] = offset
    if source.metadata.get("slope") is not None and not is_colour:
        header["scl_slope"], header["scl_inter"] = source.metadata["slope"], source.metadata.get("intercept") or 0.0
    return header.binaryblock, offset


def _place(header: Any, source: Source, axes: int) -> None:
    """Set voxel size, time step, their units, affines, and what else a NIfTI source said."""
    metadata = source.metadata
    spacing = list(reversed(metadata.get("spacing") or []))
    stated = metadata.get("length_unit") or ("millimeter" if any(spacing) else UNKNOWN)
    length = next((code for code, name in NIFTI_LENGTHS.items() if name == stated), "mm")
    mm = MM[NIFTI_LENGTHS[length]]
    zooms = [float(size or mm) / mm for size in spacing[: min(3, axes)]]
    zooms += [1.0] * (axes - len(zooms))
    unit = metadata.get("time_unit")
    time = next((code for code, name in NIFTI_TIMES.items() if name == unit), unit if unit in _NOT_TIMES else "sec")
    if axes > 3 and (step := metadata.get("time_step")) is not None:
        zooms[3] = step / SECONDS.get(NIFTI_TIMES.get(time, ""), 1.0)
    else:
        time = "unknown"
    header.set_zooms(zooms)
    header.set_xyzt_units("unknown" if stated == UNKNOWN else length, time)
    both = {"affine": metadata["affine"], "space": metadata.get("space") or _SPACE} if metadata.get("affine") else None
    forms = metadata.get("forms") or {"qform": both, "sform": both}
    for name, put in (("qform", header.set_qform), ("sform", header.set_sform)):
        form = forms.get(name)
        put(*((np.diag([1 / mm] * 3 + [1]) @ form["affine"], form["space"]) if form else (None, 0)))
    for name, value in (metadata.get("nifti") or {}).items():
        if name in NIFTI_FIELDS and not ("grid" in metadata and name.startswith("slice_")):
            header[name] = value
