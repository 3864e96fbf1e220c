"""Sink for DICOM: one file, or a folder with one file per slice.

Values in: an Output with axes out of z, y, x, or with RGB of 8 bits. Values out: part 10 files, explicit VR little
endian, uncompressed. Implements no section of FORMAT.md; the attributes are made in ``dicom_derived`` (from a
template) and ``dicom_capture`` (without one).
Guarantees that stored values are those of the source within BitsStored: values that lossy coding carried outside are
set to the nearest limit, which brings them nearer to the original; values of exact data outside are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sinks.dicom_capture import captured_datasets
from mmip_gpu.sinks.dicom_derived import derived_datasets
from mmip_gpu.sinks.sink import Output, replacing, replacing_folder, sizes_of, write_block
from mmip_gpu.sources import Source, reopen_source
from mmip_gpu.sources.source import read_errors, require

_PIXEL_DATA: Final = bytes.fromhex("e07f1000") + b"OW\0\0"  # (7FE0,0010), explicit VR little endian
_LARGEST: Final = (1 << 32) - 2
_LONGEST_SIDE: Final = 65535


def write_dicom(output: Output, path: Path, *, overwrite: bool) -> None:
    """Write a DICOM file, or a folder of slices where the name has no suffix."""
    require("pydicom", "writing DICOM")
    volume = output.arranged(_axes(output.source))
    axis, volumes = volume.source.axes[0], 1
    if axis != "z":
        volumes = volume.source.shape[0]
        volume = replace(volume, source=_one_after_another(volume.source))
    is_folder = not path.suffix
    template = output.template if output.template is not None and _is_dicom(output.template) else None
    files = len(volume.source.shape) and volume.source.shape[0] if is_folder else 1
    if template is None:
        source, datasets = volume.source, captured_datasets(volume.source, files, volumes, is_time=axis == "t")
    else:
        with read_errors(template.name):
            datasets, source = derived_datasets(volume.source, template, files)
    source = _within(source, datasets[0])
    if is_folder:
        with replacing_folder(path, ".dcm", overwrite=overwrite) as partial:
            digits = max(4, len(str(files)))
            _write(replace(volume, source=source), [partial / f"{n + 1:0{digits}}.dcm" for n in range(files)], datasets)
    else:
        with replacing(path, overwrite=overwrite) as partial:
            _write(replace(volume, source=source), [partial], datasets)


def _axes(source: Source) -> str:
    """Order the axes as slices of rows; refuse what DICOM cannot hold."""
    shape = sizes_of(source, "tnc")
    colour = "c" in shape and shape["c"] == 3 and source.dtype == np.uint8 and source.colour is not False
    lead = "".join(letter for letter in "tn" if letter in shape)
    if len(lead) > 1 or ("c" in shape and not colour) or "y" not in shape:
        raise InvalidArgument(
            f"DICOM holds t or n, z, y, x of integers, or these and RGB of 8 bits; found axes {source.axes} of "
            f"{source.dtype}: extract one t and n, or write .ome.tif"
        )
    if source.dtype.kind not in "iu" or source.dtype.itemsize > 2:
        raise InvalidArgument(f"DICOM pixels are integers of 8 or 16 bits, found {source.dtype}: write .npy or .tif")
    if max(shape["y"], shape["x"]) > _LONGEST_SIDE:
        raise InvalidArgument(f"DICOM has at most {_LONGEST_SIDE} rows and columns, found {shape}: write .ome.tif")
    return lead + ("zyxc" if colour else "zyx")


def _one_after_another(source: Source) -> Source:
    """Give the slices of several volumes as those of one, volume by volume."""
    depth = source.shape[1]

    def read(region: tuple[slice, ...]) -> Any:
        rows, parts = region[0], []
        for at in range(rows.start // depth, -(-rows.stop // depth)):
            inside = slice(max(rows.start - at * depth, 0), min(rows.stop - at * depth, depth))
            parts.append(source.read((slice(at, at + 1), inside, *region[1:]))[0])
        return np.concatenate(parts)

    shape = (source.shape[0] * depth, *source.shape[2:])
    return replace(source, shape=shape, axes=source.axes[1:], reader=read)


def _is_dicom(path: Path) -> bool:
    """Say whether a template gives attributes, and not only a voxel size."""
    return bool(reopen_source(path).metadata["kind"] == "dicom")


def _within(source: Source, dataset: Any) -> Source:
    """Hold the values within BitsStored."""
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    limits = np.iinfo(source.dtype)
    if low <= limits.min and limits.max <= high:
        return source
    is_lossy = bool((source.metadata.get("coding") or {}).get("lossy"))

    def read(region: tuple[slice, ...]) -> Any:
        samples = source.read(region)
        if is_lossy:
            return np.clip(samples, low, high)
        if samples.size and (samples.min() < low or samples.max() > high):
            raise InvalidArgument(
                f"{source.name}: found values {samples.min()} to {samples.max()}, expected {low} to {high} as "
                f"{bits} bits hold them: the template is of another image"
            )
        return samples

    return replace(source, reader=read)


def _write(volume: Output, paths: Sequence[Path], datasets: Sequence[Any]) -> None:
    """Write the headers, then the pixels block by block."""
    shape = volume.source.shape
    frame_bytes = math.prod(shape[1:]) * volume.source.dtype.itemsize
    length = frame_bytes * (shape[0] // len(paths))
    if length > _LARGEST:
        raise InvalidArgument(f"a DICOM file holds at most 4 GiB of pixels, found {length} bytes: write a folder")
    offsets = [_begin(path, dataset, length) for path, dataset in zip(paths, datasets, strict=True)]
    if len(paths) == 1:
        with paths[0].open("r+b") as file:
            volume.fill(file, offsets[0])
        return
    for region, samples in volume.parts():
        for number, plane in enumerate(samples, start=region[0].start):
            with paths[number].open("r+b") as file:
                write_block(file, offsets[number], shape[1:], region[1:], plane)


def _begin(path: Path, dataset: Any, length: int) -> int:
    """Write all but the pixels, whose place is the end of the file; say where that is."""
    try:
        dataset.save_as(path, enforce_file_format=True)
    except OSError:
        raise
    except Exception as error:  # pydicom documents no closed list of what attributes of a damaged template raise
        raise StoreError(f"cannot write {path.name}: an attribute of the template is damaged: {error}") from error
    with path.open("ab") as file:
        even = length + length % 2
        file.write(_PIXEL_DATA + even.to_bytes(4, "little"))
        offset = file.tell()
        if length % 2:
            file.seek(offset + length)
            file.truncate(offset + even)
    return offset
