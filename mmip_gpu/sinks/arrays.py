"""Sink for .npy files.

Values in: an Output of any axes and dtype. Values out: a .npy file of format 1.0, little-endian, C order.
Implements no section of FORMAT.md. Axes and voxel sizes have no place in the format and are not kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmip_gpu.sinks.sink import Output, replacing


def write_npy(output: Output, path: Path, *, overwrite: bool) -> None:
    """Write a .npy file."""
    source = output.source
    header = {
        "descr": np.lib.format.dtype_to_descr(source.dtype.newbyteorder("<")),
        "fortran_order": False,
        "shape": source.shape,
    }
    with replacing(path, overwrite=overwrite) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        output.fill(file, file.tell())
