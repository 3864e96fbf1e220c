"""Headers of DICOM images: how the samples of a file lie, and whether they can be read.

Values in: a file. Values out: its header as pydicom gives it, without pixels. Implements no section of FORMAT.md.
Guarantees that frames, rows and columns are held against the size of the file before pixels are read.
"""

from __future__ import annotations

import math
import mmap
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, LimitExceeded, MissingResource, StoreError
from mmip_gpu.sources.dicom_geometry import HEADER_TAGS
from mmip_gpu.sources.source import read_errors, require, supported_dtype

PALETTE: Final = "PALETTE COLOR"
_COLOURS: Final = ("Red", "Green", "Blue")
PALETTE_TAGS: Final = tuple(
    f"{prefix}{colour}PaletteColorLookupTable{part}"
    for colour in _COLOURS
    for prefix, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
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
    "ImageType",
    "SeriesInstanceUID",
    "SeriesNumber",
    "NumberOfFrames",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "RealWorldValueMappingSequence",
    "RescaleType",
    "Units",
    "DoseUnits",
    "TotalPixelMatrixColumns",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    *PALETTE_TAGS,
)
OVERLAY_ROWS: Final = tuple((group, 0x0010) for group in range(0x6000, 0x6020, 2))
_RGB_LIKE: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_BOXES: Final = b"\0\0\0\x0cjP  "  # begins the boxes around a stream of JPEG 2000; 12 bytes
_MOST_FRAMES: Final = 1 << 20
_ITEM_BYTES: Final = 8  # head of the fragment that every compressed frame has
_MOST_GROWTH: Final = 4096  # of a compressed frame that is larger than this many bytes:
_LARGE_FRAME: Final = 1 << 26
_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_MOST_INFLATED: Final = 1 << 32
_META: Final = slice(140, 144)  # length of the file meta information, in bytes that follow


@dataclass(frozen=True)
class Layout:
    """How the samples of every frame of a series lie, in the words of the standard."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: int

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of one decoded frame, of indices where there is a palette."""
        return (self.rows, self.columns, *([self.samples] if self.samples > 1 else []))

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame as it is given."""
        return (self.rows, self.columns, 3) if self.photometric == PALETTE else self.stored_shape


def read_header(pydicom: Any, file: Path) -> Any:
    """Read what is needed of one file's header."""
    _check_inflated(file)
    with read_errors(file.name):
        tags = [*_LAYOUT_TAGS, *_OTHER_TAGS, *HEADER_TAGS, *OVERLAY_ROWS]
        return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)


def frame_count(header: Any) -> int:
    """Frames that a header announces."""
    return int(header.get("NumberOfFrames") or 1)


def syntax_of(header: Any) -> Any:
    """Transfer syntax of a file, None where it gives none."""
    return header.file_meta.get("TransferSyntaxUID")


def sample_type(layout: Layout, name: str) -> np.dtype[Any]:
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


def check_pixels(header: Any, file: Path, layout: Layout) -> None:
    """Check that pixel data can be decoded here, and that the file can hold what it announces."""
    if "TotalPixelMatrixColumns" in header and frame_count(header) > 1:
        raise InvalidArgument(f"{file.name} is a tiled slide: its frames are no volume; export it as one plane first")
    syntax = syntax_of(header)
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
    _check_length(header, file, layout)


def check_boxes(file: Path) -> None:
    """Refuse a file of JPEG 2000 with a box that has no length, which pydicom would follow for ever."""
    stat = file.stat()
    if stat.st_size:
        _check_boxes(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1 << 12)
def _check_boxes(file: Path, _size: int, _changed: int) -> None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_BOXES)
        while at >= 0:
            box = at + 12
            while box + 8 <= len(data) and data[box + 4 : box + 8] != b"jp2c":
                length = int.from_bytes(data[box : box + 4], "big")
                if length < 8:
                    raise StoreError(f"{file.name} holds JPEG 2000 with a box of {length} bytes: copy it again")
                box += length
            at = data.find(_BOXES, at + 1)


def _check_length(header: Any, file: Path, layout: Layout) -> None:
    """Refuse a file that cannot hold its frames."""
    frames, found, syntax = frame_count(header), file.stat().st_size, syntax_of(header)
    if min(frames, layout.rows, layout.columns) < 1:
        raise StoreError(f"{file.name}: found {frames} frames of {layout.rows} x {layout.columns}, expected 1 or more")
    if frames > _MOST_FRAMES:
        raise LimitExceeded(f"{file.name} announces {frames} frames, expected {_MOST_FRAMES} or fewer: split it first")
    frame_bytes = math.prod(layout.stored_shape) * layout.bits_allocated // 8
    if not syntax.is_encapsulated:
        needed = frames * frame_bytes
        needed = needed * 2 // 3 if layout.photometric == "YBR_FULL_422" else needed
        room = _MOST_INFLATED if syntax.is_deflated else found
        if room < needed:
            raise StoreError(
                f"{file.name} is truncated: expected more than {needed} bytes, found {found}; copy it again"
            )
    elif frames * _ITEM_BYTES > found:
        raise StoreError(
            f"{file.name} announces {frames} compressed frames, found {found} bytes, too few for them: copy it again"
        )
    elif frame_bytes > max(_LARGE_FRAME, found * _MOST_GROWTH):
        raise LimitExceeded(
            f"{file.name} announces frames of {frame_bytes} bytes, found a file of {found}: decompress it first"
        )


def _check_inflated(file: Path) -> None:
    """Refuse a deflated file that would fill the memory; pydicom inflates it whole to read its header."""
    with file.open("rb") as packed:
        head = packed.read(4096)
        if _DEFLATED not in head:
            return
        packed.seek(_META.stop + int.from_bytes(head[_META], "little"))
        stream, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        with read_errors(file.name):
            while data := stream.unconsumed_tail or packed.read(1 << 16):
                size += len(stream.decompress(data, 1 << 24))
                if size > _MOST_INFLATED:
                    raise LimitExceeded(f"{file.name} inflates to more than {_MOST_INFLATED} bytes: inflate it first")


def layout_of(header: Any) -> Layout:
    """Read how the samples of a file lie."""
    allocated = int(header.BitsAllocated)
    return Layout(
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=int(header.get("SamplesPerPixel") or 1),
        photometric=str(header.get("PhotometricInterpretation", "unknown")),
        bits_allocated=allocated,
        bits_stored=int(header.get("BitsStored") or allocated),
        signed=int(header.get("PixelRepresentation") or 0),
    )
