"""Sources in DICOM: one file, or a folder that holds a series, read with pydicom.

Values in: a path. Values out: a Source of stored values, "yx" or "zyx", with "c" last for colour files, and with "t"
or "n" first where a series holds several volumes. Implements no section of FORMAT.md.
Guarantees that rescaling and padding are kept as metadata and never applied; colour stored as YBR or by a palette is
given as RGB, as pydicom converts it. Opening reads headers only; reading decodes the frames of the region. Files are
chosen in ``dicom_series``, places are those of ``dicom_geometry``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.dicom_geometry import Frame, axis_of_volumes, file_frames, ordered_volumes, slice_places, uneven
from mmip_gpu.sources.dicom_headers import (
    OVERLAY_ROWS,
    PALETTE,
    PALETTE_TAGS,
    Layout,
    check_boxes,
    check_pixels,
    frame_count,
    sample_type,
    syntax_of,
)
from mmip_gpu.sources.dicom_loss import loss_record
from mmip_gpu.sources.dicom_series import Series, common_layout, read_series
from mmip_gpu.sources.lost import with_lost
from mmip_gpu.sources.size_limit import check_size
from mmip_gpu.sources.source import Array, Region, Source, describe, file_stamp, identify, read_errors, require

__all__ = ["DicomVolumes", "find_volumes", "open_dicom", "palette_table"]


@dataclass(frozen=True)
class DicomVolumes:
    """The volumes of a series that are read together, and the files that hold them."""

    series: Series
    layout: Layout
    volumes: list[list[Frame]]

    @property
    def frames(self) -> list[Frame]:
        """All slices, volume by volume."""
        return [frame for volume in self.volumes for frame in volume]


def find_volumes(path: Path, series: str | None = None, volume: str | None = None) -> DicomVolumes:
    """Read the headers of a path, and put the slices of a series in order.

    Raises
    ------
    InvalidArgument
        Where there are several series, or several volumes that differ in their places, and none of them is chosen.
    """
    found = read_series(path, series)
    layout = common_layout(found)
    pairs = list(zip(found.headers, found.files, strict=True))
    for header, file in pairs:
        check_pixels(header, file, layout)
    frames = sum(frame_count(header) for header in found.headers)
    check_size(path.name, (frames, *layout.frame_shape), max(layout.bits_allocated // 8, 1))
    volumes = ordered_volumes([frame for header, file in pairs for frame in file_frames(header, file)], path.name)
    if volume is not None:
        if int(volume) >= len(volumes):
            raise InvalidArgument(f"{path.name} has no volume {volume}: it holds {len(volumes)}, counted from 0")
        volumes = [volumes[int(volume)]]
    places = {tuple(frame.position for frame in slices) for slices in volumes}
    if len(places) > 1 or len({len(slices) for slices in volumes}) > 1:
        listed = ", ".join(f"{n}: {len(slices)} slices" for n, slices in enumerate(volumes[:8]))
        raise InvalidArgument(
            f"{path.name} holds {len(volumes)} volumes of different place or orientation (a localizer?): {listed}; "
            f"choose one by --volume 0 ('{path.name}:volume=0')"
        )
    return DicomVolumes(found, layout, volumes)


def open_dicom(path: Path, *, series: str | None = None, volume: str | None = None) -> Source:
    """Open a DICOM file, or a folder with the files of one series."""
    found = find_volumes(path, series, volume)
    layout, volumes = found.layout, found.volumes
    stored = sample_type(layout, path.name)
    is_palette = layout.photometric == PALETTE
    dtype = np.dtype(np.uint8) if is_palette else stored
    frames, slices = found.frames, len(volumes[0])
    lead = {axis_of_volumes(volumes): len(volumes)} if len(volumes) > 1 else {}
    lead |= {"z": slices} if slices > 1 or lead else {}
    pairs = zip(found.series.headers, found.series.files, strict=True)
    boxed = {file for header, file in pairs if "JPEG 2000" in syntax_of(header).name}
    table = palette_table(found.series, stored, path.name) if is_palette else None

    def read(region: Region) -> Array:
        outer, inner = region[: len(lead)], region[len(lead) :]
        rows = np.arange(len(frames)).reshape(tuple(lead.values()))[outer]
        chosen = [frames[row] for row in rows.ravel()]
        for file in boxed.intersection(frame.path for frame in chosen):
            check_boxes(file)
        if table is None:
            stack = _read_frames(chosen, inner, dtype)
        else:
            stack = table[_read_frames(chosen, inner[:2], stored).astype(np.int64) - int(np.iinfo(stored).min)]
            stack = stack[..., inner[2]]
        return stack.reshape(*rows.shape, *stack.shape[1:])

    shape = (*lead.values(), *layout.frame_shape)
    axes = "".join(lead) + "yx" + ("c" if len(layout.frame_shape) == 3 else "")
    metadata = _describe(path, found, dtype)
    mark = file_stamp(found.series.files) + (f":{series}:{volume}" if series or volume else "")
    colour = True if "c" in axes else None
    return Source(shape, dtype, axes, metadata, path.name, identify("dicom", shape, dtype, mark), read, colour)


def _read_frames(frames: Sequence[Frame], in_plane: Region, dtype: np.dtype[Any]) -> Array:
    """Decode frames, file by file, and keep the part that was asked for."""
    pydicom = require("pydicom", "DICOM")
    stack = np.empty((len(frames), *(part.stop - part.start for part in in_plane)), dtype)
    row = 0
    for path, group in groupby(frames, key=lambda frame: frame.path):
        indices = [frame.index for frame in group]
        rows = stack[row : row + len(indices)]
        with read_errors(path.name):
            try:
                _decode(path, indices, in_plane, rows)
            except Exception:  # deflated files, and such as pydicom reads as a data set only
                _decode(pydicom.dcmread(path), indices, in_plane, rows)
        row += len(indices)
    return stack


def _decode(holder: Any, indices: Sequence[int], in_plane: Region, rows: Array) -> None:
    """Decode frames of one file, or of its data set."""
    found = 0
    for pixels in require("pydicom.pixels", "DICOM").iter_pixels(holder, indices=indices):
        rows[found] = pixels[in_plane]
        found += 1
    if found != len(indices):
        raise StoreError(f"expected {len(indices)} DICOM frames, found {found}")


def palette_table(series: Series, stored: np.dtype[Any], name: str) -> Array:
    """Give the colour of every stored value, in 8 bits."""
    tables = {tuple(str(header.get(keyword)) for keyword in PALETTE_TAGS) for header in series.headers}
    if len(tables) > 1:
        raise InvalidArgument(f"{name} holds {len(tables)} different palettes: open its files one by one")
    if stored.itemsize > 2:
        raise InvalidArgument(f"{name}: found indices of a palette in {stored}, expected 8 or 16 bits")
    limits = np.iinfo(stored)
    with read_errors(name):
        values = np.arange(limits.min, limits.max + 1, dtype=stored)
        colours: Array = require("pydicom.pixels", "DICOM").apply_color_lut(values, series.headers[0])
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


def _describe(path: Path, found: DicomVolumes, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Collect the metadata of the volumes, and what of them has no place in metadata."""
    headers, frames, layout = found.series.headers, found.frames, found.layout
    first = headers[0]
    is_grey = len(layout.frame_shape) == 2
    scales: dict[str, Any] = {}
    for key, values in (("slope", [f.slope for f in frames]), ("intercept", [f.intercept for f in frames])):
        same = len(set(values)) == 1
        scales |= {key: values[0]} if same else {key: None, f"{key}_per_slice": values}
    padding = {header.get("PixelPaddingValue") for header in headers}
    unit = next((str(first.get(key)) for key in ("RescaleType", "Units", "DoseUnits") if first.get(key)), None)
    uid = first.get("SeriesInstanceUID")
    base = describe(
        "dicom",
        path,
        modality=str(first.get("Modality") or "") or None,
        padding_value=_as_stored(padding.pop(), dtype) if len(padding) == 1 and is_grey else None,
        bits_stored=layout.bits_stored if layout.photometric != PALETTE else 8,
        photometric=layout.photometric if is_grey else "RGB",
        value_unit=unit if unit != "US" else None,
        series=hashlib.sha256(str(uid).encode()).hexdigest()[:16] if uid else None,
    )
    placed = slice_places(found.volumes[0])
    base |= (scales if is_grey else {}) | placed | loss_record(zip(headers, found.series.files, strict=True))
    base |= {"files_ignored": found.series.ignored} if found.series.ignored else {}
    return with_lost(
        base, *uneven(placed, found.volumes[0]), *found.series.skipped, *_unkept(headers, is_grey, padding)
    )


def _unkept(headers: Sequence[Any], is_grey: bool, paddings: set[Any]) -> list[str]:
    """Name what headers state of the samples for which metadata have no key, by the number of files."""
    texts = {
        "overlays": OVERLAY_ROWS,
        "modality lookup tables": ("ModalityLUTSequence",),
        "real world value mappings": ("RealWorldValueMappingSequence",),
        "ranges of padding values": ("PixelPaddingRangeLimit",),
        "supplemental palettes": ("RedPaletteColorLookupTableDescriptor",) if is_grey else (),
    }
    counts = {text: sum(any(tag in header for tag in tags) for header in headers) for text, tags in texts.items()}
    told = [f"{text} of {count} files" for text, count in counts.items() if count]
    return told + (["padding values, which differ by file"] if len(paddings) > 1 else [])


def _as_stored(padding: Any, dtype: np.dtype[Any]) -> int | None:
    """Give the padding value in `dtype`; some files write a negative one as unsigned."""
    try:
        value = int(padding)
    except (TypeError, ValueError):
        return None
    if dtype.kind not in "iu":
        return None
    limits = np.iinfo(dtype)
    if dtype.kind == "i" and limits.max < value < 1 << limits.bits:
        value -= 1 << limits.bits
    return value if limits.min <= value <= limits.max else None
