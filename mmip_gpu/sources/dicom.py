"""Sources in DICOM: one file, or a folder that holds one series, read with pydicom.

Values in: a path. Values out: a Source of stored values, "yx" or "zyx", with "c" last for colour files.
Implements no section of FORMAT.md.
Guarantees that rescaling and padding are kept as metadata and never applied; colour stored as YBR is given as
RGB, as pydicom converts it. Opening reads headers only; reading decodes the frames of the region. Order and
spacing of slices are those of ``dicom_geometry``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.sources.dicom_geometry import (
    HEADER_TAGS,
    Frame,
    file_frames,
    order_frames,
    patient_affine,
    voxel_spacing,
)
from mmip_gpu.sources.source import (
    Array,
    Region,
    Source,
    describe,
    file_stamp,
    finite,
    identify,
    read_errors,
    require,
    supported_dtype,
)

_SUFFIXES: Final = (".dcm", ".dicom", ".ima")
_MARK_OFFSET: Final = 128
_LAYOUT_TAGS: Final = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)
_OTHER_TAGS: Final = (
    "Modality",
    "SeriesInstanceUID",
    "NumberOfFrames",
    "PixelPaddingValue",
    "TotalPixelMatrixColumns",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
_LOSSY_SYNTAXES: Final = frozenset(
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91, 93, 111, 112, 203)
)  # JPEG, JPEG-LS, JPEG 2000, JPEG XL, HTJ2K where they are not lossless by definition
_RGB_LIKE: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True)
class _Layout:
    """How the samples of every frame of a series lie, in the words of the standard."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: int

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one decoded frame."""
        return (self.rows, self.columns, *([self.samples] if self.samples > 1 else []))


def has_dicom_mark(path: Path) -> bool:
    """Say whether a file carries the mark of DICOM part 10."""
    with path.open("rb") as file:
        file.seek(_MARK_OFFSET)
        return file.read(4) == b"DICM"


def open_dicom(path: Path) -> Source:
    """Open a DICOM file, or a folder with the files of one series."""
    pydicom = require("pydicom", f"reading DICOM from {path.name}")
    files, ignored = series_files(path)
    headers = [_header(pydicom, file) for file in files]
    layout = _common_layout(headers, files)
    dtype = _dtype(layout, path.name)
    pairs = list(zip(headers, files, strict=True))
    for header, file in pairs:
        _check_syntax(header, file)
        _check_length(header, file, layout)
    unordered = [frame for header, file in pairs for frame in file_frames(header, file)]
    frames, distances = order_frames(unordered, path.name)
    is_volume = len(frames) > 1
    deflated = {file for header, file in pairs if _syntax(header).is_deflated}

    def read(region: Region) -> Array:
        chosen = frames[region[0]] if is_volume else frames
        stack = _read_frames(chosen, region[1:] if is_volume else region, dtype, deflated)
        return stack if is_volume else stack[0]

    shape = (len(frames), *layout.frame_shape) if is_volume else layout.frame_shape
    axes = ("z" if is_volume else "") + "yx" + ("c" if layout.samples > 1 else "")
    metadata = _describe(path, headers, layout, frames, dtype)
    voxels = voxel_spacing(frames, distances)
    metadata |= voxels | (patient_affine(frames, distances) if voxels["spacing_uniform"] else {})
    metadata |= loss_record(headers) | ({"files_ignored": ignored} if ignored else {})
    return Source(shape, dtype, axes, metadata, path.name, identify("dicom", shape, dtype, file_stamp(files)), read)


def series_files(path: Path) -> tuple[list[Path], int]:
    """List the DICOM files of a path, and count the other files beside them."""
    if path.is_file():
        return [path], 0
    inside = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    candidates = [entry for entry in inside if entry.is_file() and entry.name.upper() != "DICOMDIR"]
    files = [file for file in candidates if file.suffix.lower() in _SUFFIXES or has_dicom_mark(file)]
    if not files:
        folders = sum(entry.is_dir() for entry in inside)
        raise StoreError(
            f"no DICOM file in the folder {path}: found {len(candidates)} other files and {folders} folders; "
            "give the folder that holds the files of one series"
        )
    return files, len(candidates) - len(files)


def _header(pydicom: Any, file: Path) -> Any:
    """Read what is needed of one file's header, and check that it is an image."""
    with read_errors(file.name):
        tags = [*_LAYOUT_TAGS, *_OTHER_TAGS, *HEADER_TAGS]
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
    if "Rows" not in header or "BitsAllocated" not in header:
        raise InvalidArgument(f"{file.name} holds no image (modality {header.get('Modality', 'not given')})")
    if "TotalPixelMatrixColumns" in header and _frame_count(header) > 1:
        raise InvalidArgument(f"{file.name} is a tiled slide: its frames are no volume; export it as one plane first")
    return header


def _frame_count(header: Any) -> int:
    return int(header.get("NumberOfFrames") or 1)


def _common_layout(headers: Sequence[Any], files: Sequence[Path]) -> _Layout:
    """Check that all files are of one series with one layout."""
    folder = files[0].parent.name
    series = Counter(f"{h.get('SeriesInstanceUID', 'no UID')} ({h.get('Modality', '?')})" for h in headers)
    if len(series) > 1:
        raise InvalidArgument(f"{folder} holds {len(series)} series: {_counts(series)}; put each into its own folder")
    layouts = Counter(_layout(header) for header in headers)
    if len(layouts) > 1:
        raise InvalidArgument(f"{folder} mixes slices of {len(layouts)} kinds: {_counts(layouts)}; separate them")
    if len(files) > 1 and any(_frame_count(header) > 1 for header in headers):
        multi = sum(_frame_count(header) > 1 for header in headers)
        raise InvalidArgument(f"{folder} holds {len(files)} files, {multi} of them with several frames: open one file")
    return next(iter(layouts))


def _layout(header: Any) -> _Layout:
    allocated = int(header.BitsAllocated)
    return _Layout(
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=int(header.get("SamplesPerPixel") or 1),
        photometric=str(header.get("PhotometricInterpretation", "unknown")),
        bits_allocated=allocated,
        bits_stored=int(header.get("BitsStored") or allocated),
        signed=int(header.get("PixelRepresentation") or 0),
    )


def _counts(found: Counter[Any]) -> str:
    """List what was found, most frequent first, at most four."""
    listed = [f"{count} files of {what}" for what, count in found.most_common(4)]
    return ", ".join(listed) + (", ..." if len(found) > 4 else "")


def _dtype(layout: _Layout, name: str) -> np.dtype[Any]:
    """Give the type of the stored values, or say why they cannot be coded."""
    if layout.samples not in (1, 3) or (layout.samples == 3 and layout.photometric not in _RGB_LIKE):
        raise InvalidArgument(
            f"{name}: found {layout.samples} samples per pixel as {layout.photometric}, expected 1, or 3 as "
            f"one of {', '.join(_RGB_LIKE)}"
        )
    sign = "" if layout.signed else "u"
    types = {1: "bool"} | {bits: f"{sign}int{bits}" for bits in (8, 16, 32, 64)}
    if layout.bits_allocated not in types:
        raise InvalidArgument(f"{name}: found {layout.bits_allocated} bits allocated per sample, expected 8 or 16")
    return supported_dtype(types[layout.bits_allocated], name)


def _syntax(header: Any) -> Any:
    return header.file_meta.get("TransferSyntaxUID")


def _check_syntax(header: Any, file: Path) -> None:
    """Check that the pixel data can be decoded here."""
    syntax = _syntax(header)
    if syntax is None:
        raise StoreError(f"{file.name} does not give its transfer syntax: the file is damaged or not DICOM part 10")
    try:
        decoder = require("pydicom.pixels", "DICOM").get_decoder(syntax)
    except NotImplementedError as error:
        raise InvalidArgument(f"{file.name}: pydicom cannot decode {syntax.name}: decompress the file first") from error
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise MissingResource(
            f"{file.name} is compressed as {syntax.name} and no decoder for it is installed ({missing}): "
            "pip install 'pylibjpeg[all]', or decompress the file, for example by gdcmconv --raw"
        )


def _check_length(header: Any, file: Path, layout: _Layout) -> None:
    """Refuse an uncompressed file that cannot hold its frames."""
    syntax = _syntax(header)
    if syntax.is_encapsulated or syntax.is_deflated or layout.photometric == "YBR_FULL_422":
        return
    needed = _frame_count(header) * int(np.prod(layout.frame_shape, dtype=object)) * layout.bits_allocated // 8
    found = file.stat().st_size
    if found < needed:
        raise StoreError(f"{file.name} is truncated: expected more than {needed} bytes, found {found}; copy it again")


def _read_frames(frames: Sequence[Frame], in_plane: Region, dtype: np.dtype[Any], deflated: Collection[Path]) -> Array:
    """Decode frames, file by file, and keep the part that was asked for, inflating deflated files."""
    pydicom, iter_pixels = require("pydicom", "DICOM"), require("pydicom.pixels", "DICOM").iter_pixels
    stack = np.empty((len(frames), *(part.stop - part.start for part in in_plane)), dtype)
    row = 0
    for path, group in groupby(frames, key=lambda frame: frame.path):
        with read_errors(path.name):
            holder = pydicom.dcmread(path) if path in deflated else path
            for pixels in iter_pixels(holder, indices=[frame.index for frame in group]):
                stack[row] = pixels[in_plane]
                row += 1
    if row != len(frames):
        raise StoreError(f"expected {len(frames)} DICOM frames, found {row}")
    return stack


def _describe(
    path: Path, headers: Sequence[Any], layout: _Layout, frames: Sequence[Frame], dtype: np.dtype[Any]
) -> dict[str, Any]:
    """Collect the metadata that does not come from geometry."""
    scales: dict[str, Any] = {}
    for key, values in (("slope", [f.slope for f in frames]), ("intercept", [f.intercept for f in frames])):
        same = len(set(values)) == 1
        scales |= {key: values[0]} if same else {key: None, f"{key}_per_slice": values}
    padding = {header.get("PixelPaddingValue") for header in headers}
    base = describe(
        "dicom",
        path,
        modality=str(headers[0].get("Modality") or "") or None,
        padding_value=_as_stored(padding.pop(), dtype) if len(padding) == 1 else None,
        bits_stored=layout.bits_stored,
        photometric="RGB" if layout.samples == 3 else layout.photometric,
    )
    return base | scales


def loss_record(headers: Sequence[Any]) -> dict[str, Any]:
    """Tell whether any file was compressed with loss before, and what it says of it."""
    marks = [(str(h.get("LossyImageCompression") or ""), _syntax(h) in _LOSSY_SYNTAXES) for h in headers]
    if not any(mark == "01" or (mark != "00" and is_lossy) for mark, is_lossy in marks):
        return {}
    said: Any = next((h for h in headers if "LossyImageCompressionMethod" in h), {})
    ratios = [finite(ratio) for ratio in _values(said.get("LossyImageCompressionRatio"))]
    methods = [str(method) for method in _values(said.get("LossyImageCompressionMethod"))]
    return {"lossy": True, "lossy_ratios": ratios, "lossy_methods": methods}


def _values(found: Any) -> list[Any]:
    """Return the values of an element of any multiplicity."""
    if found is None or found == "":
        return []
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else [found]


def _as_stored(padding: Any, dtype: np.dtype[Any]) -> int | None:
    """Give the padding value in `dtype`; some files write a negative one as unsigned."""
    try:
        value = int(padding)
    except (TypeError, ValueError):
        return None
    limits = np.iinfo(dtype)
    if dtype.kind == "i" and limits.max < value < 1 << limits.bits:
        value -= 1 << limits.bits
    return value if limits.min <= value <= limits.max else None
