"""Sources in TIFF: plain, BigTIFF, OME-TIFF and ImageJ files, read with tifffile.

Values in: a path, with the number of an image and of a pyramid level. Values out: a Source of the stored
samples whose axes are those that the file names. Implements no section of FORMAT.md.
Guarantees that opening reads directories only and reading decodes the tiles or strips of the region; a palette
becomes RGB, an alpha channel must be opaque and is left out. Segments are read in ``tiff_pages``, voxel sizes
and channels in ``tiff_description``.
"""

from __future__ import annotations

import logging
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.sources.lost import with_lost
from mmip_gpu.sources.source import (
    Array,
    Region,
    Source,
    describe,
    file_stamp,
    identify,
    require,
    supported_dtype,
    without_alpha,
)
from mmip_gpu.sources.tiff_description import description
from mmip_gpu.sources.tiff_pages import open_pages

TIFF_SUFFIXES: Final = (".tif", ".tiff", ".btf", ".tf8")

_PART = re.compile(r"(?P<path>.+):(?P<options>(?:series|level)=\d{1,6}(?:,(?:series|level)=\d{1,6})?)")
_COLOURS: Final = ("RGB", "YCBCR")
_GREYS: Final = ("MINISBLACK", "MINISWHITE")
_KNOWN: Final = (*_COLOURS, *_GREYS, "PALETTE", "MASK", "DEPTH_MAP", "SEMANTIC_MASK")
_LOST_TAGS: Final = {34675: "colour profile", 33550: "place on a map"}
_LOSSY: Final = ("JPEG", "OJPEG", "JPEG_LOSSY", "APERIO_JP2000_YCBC", "APERIO_JP2000_RGB", "WEBP", "JPEGXR_NDPI")


def split_series(text: str) -> tuple[str, dict[str, int]]:
    """Split "a.tif:series=1,level=2" into the path and the numbers; other texts have none.

    Examples
    --------
    >>> split_series("slide.tif:level=2"), split_series("slide.tif")
    (('slide.tif', {'level': 2}), ('slide.tif', {}))
    """
    found = _PART.fullmatch(text)
    if not found or not found["path"].lower().endswith(TIFF_SUFFIXES):
        return text, {}
    pairs = (option.split("=") for option in found["options"].split(","))
    return found["path"], {name: int(number) for name, number in pairs}


def open_tiff(path: Path, *, series: int = 0, level: int = 0) -> Source:
    """Open one image of a TIFF file, by default the first at full size."""
    tifffile = require("tifffile", f"reading the TIFF file {path.name}")
    file = tifffile.TiffFile(path)
    try:
        with _whole_directories(path.name):
            return _open(file, path, series, level)
    except BaseException:
        file.close()
        raise


@contextmanager
def _whole_directories(name: str) -> Iterator[None]:
    """Raise where tifffile reports a chain of pages that leads out of the file, which it would read in part."""
    reports: list[str] = []

    def take(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.thread == threading.get_ident() and "tifffile.TiffPages" in message:
            reports.append(message)
            return False
        return True

    logger = logging.getLogger("tifffile")
    logger.addFilter(take)
    try:
        yield
    finally:
        logger.removeFilter(take)
    if reports:
        raise StoreError(f"{name} is damaged or truncated: {reports[0]}")


def _open(file: Any, path: Path, series: int, level: int) -> Source:
    whole = _item(file.series, series, f"{path.name}: series")
    image = _item(whole.levels, level, f"{path.name}: level")
    page = image.keyframe
    if page.dtype is None or image.dtype is None:
        raise InvalidArgument(f"{path.name}: samples of {page.bitspersample} bits and mixed or unknown type")
    _check_decoder(page, path.name)
    photometric = _photometric(page, path.name)
    shape, letters = tuple(int(size) for size in image.shape), str(image.axes)
    has_alpha = _has_alpha(page, photometric, letters, shape)
    palette = (
        None if file.is_imagej or photometric != "PALETTE" else _palette(page)
    )  # ImageJ's colours the display of measured values
    axes = _axes(letters, path.name) + ("c" if palette is not None else "")
    colour = palette is not None or ("S" in letters and photometric in _COLOURS)
    read = _Reader(file, open_pages(image, path.name), axes.find("c") if has_alpha else -1, palette, path.name)
    stored = supported_dtype(image.dtype, path.name)
    dtype = stored if palette is None else palette.dtype
    if has_alpha:
        shape, axes = _without_last_channel(shape, axes)
    if palette is not None:
        shape = (*shape, 3)
    metadata = describe(
        "tiff",
        path,
        **description(file, series, whole, image, axes, shape),
        photometric="RGB" if colour else photometric if photometric not in _COLOURS else None,
        series=series if len(file.series) > 1 else None,
        series_count=len(file.series) if len(file.series) > 1 else None,
        level=level if len(whole.levels) > 1 else None,
        level_count=len(whole.levels) if len(whole.levels) > 1 else None,
        lossy=True if _name_of(page.compression) in _LOSSY else None,
    )
    metadata = with_lost(metadata, *[text for tag, text in _LOST_TAGS.items() if page.tags.get(tag)])
    if page.tags.valueof("Orientation", default=1) not in (0, 1):
        metadata = with_lost(metadata, "mark of orientation (rows and columns are as they are stored)")
    stamp = f"{series}.{level}:{file_stamp(read.pages.files)}"
    fingerprint = identify("tiff", shape, dtype, stamp)
    return Source(shape, dtype, axes, metadata, path.name, fingerprint, read, colour if "c" in axes else None)


class _Reader:
    """Reads regions; takes away alpha, looks up a palette, and closes the file when nobody reads any more."""

    def __init__(self, file: Any, pages: Any, alpha: int, palette: Array | None, name: str) -> None:
        self.pages = pages
        self._alpha, self._palette, self._name = alpha, palette, name
        weakref.finalize(self, file.close)

    def __call__(self, region: Region) -> Array:
        if self._palette is not None:
            pixels: Array = self._palette[self.pages.read(region[:-1])]
            return np.asarray(pixels[(..., region[-1])])
        if self._alpha < 0:
            return np.asarray(self.pages.read(region))
        size = self.pages.shape[self._alpha]
        inner = list(region)
        chosen = inner.pop(self._alpha) if len(inner) == len(self.pages.shape) else slice(0, 1)
        inner.insert(self._alpha, slice(0, size))
        samples = without_alpha(np.moveaxis(self.pages.read(tuple(inner)), self._alpha, -1), self._name)
        if len(region) < len(self.pages.shape):
            return samples[..., 0]
        return np.moveaxis(samples[..., chosen], -1, self._alpha)


def _item(found: Sequence[Any], number: int, what: str) -> Any:
    if not found:
        raise StoreError(f"{what}: the file holds no image that can be read")
    if not 0 <= number < len(found):
        raise InvalidArgument(f"{what}={number}: expected 0 to {len(found) - 1}")
    return found[number]


def _check_decoder(page: Any, name: str) -> None:
    """Check that the pixels can be decoded here."""
    from tifffile import TIFF

    for table, kind, none in ((TIFF.DECOMPRESSORS, page.compression, 1), (TIFF.UNPREDICTORS, page.predictor, 1)):
        if kind == none:
            continue
        try:
            table[kind]
        except KeyError as error:
            if "imagecodecs" not in str(error):
                raise InvalidArgument(f"{name}: no decoder for {kind!r}: convert the file first") from error
            raise MissingResource(
                f"{name} is compressed as {getattr(kind, 'name', kind)}, which needs the package imagecodecs: "
                "pip install 'mmip-gpu[images]'"
            ) from error


def _name_of(kind: Any) -> str:
    """Name a value that tifffile gives as an enumeration, or as a number where the file has no tag."""
    return str(getattr(kind, "name", kind))


def _photometric(page: Any, name: str) -> str:
    """Say what samples mean; without the tag one is grey, three are red, green and blue, as libtiff has it."""
    if "PhotometricInterpretation" not in page.tags:
        return _COLOURS[0] if page.samplesperpixel >= 3 else _GREYS[0]
    found = _name_of(page.photometric)
    if found not in _KNOWN:
        raise InvalidArgument(
            f"{name}: found {found} samples, which are neither intensities nor RGB: convert the file to grey or RGB"
        )
    return found


def _axes(letters: str, name: str) -> str:
    """Name the axes of a file in our letters.

    Axes that the file does not name (I, Q) are taken for z, then t, as those of an array are, but for Q beside
    named ones; that and other axes that we have no letter for are n.
    """
    plain = {"X": "x", "Y": "y", "Z": "z", "T": "t", "S": "c", "C": "n" if "S" in letters else "c"}
    axes = [plain.get(letter, "") for letter in letters]
    for at in reversed(range(len(axes))):
        if not axes[at]:
            is_unnamed = letters[at] == "I" or (letters[at] == "Q" and not set("ZT") & set(letters))
            candidates = "ztn" if is_unnamed else "nt"
            axes[at] = next((letter for letter in candidates if letter not in axes), "?")
    text = "".join(axes)
    if "?" in text or len(set(text)) < len(text) or "".join(a for a in text if a in "zyx") not in ("yx", "zyx"):
        raise InvalidArgument(f"{name}: cannot code the axes {letters}: split the file or save it as .npy first")
    return text


def _has_alpha(page: Any, photometric: str, letters: str, shape: tuple[int, ...]) -> bool:
    """Say whether the last of the samples of a pixel is its opacity."""
    if "S" not in letters:
        return False
    extra, size = [int(kind) for kind in page.extrasamples], shape[letters.index("S")]
    if photometric in _COLOURS and size not in (3, 4):
        raise InvalidArgument(f"{page.parent.filename}: found {size} samples per pixel as RGB, expected 3, or 4")
    return (photometric in _COLOURS and size == 4) or (size == 2 and extra[-1:] in ([1], [2]))


def _without_last_channel(shape: tuple[int, ...], axes: str) -> tuple[tuple[int, ...], str]:
    at = axes.index("c")
    if shape[at] == 2:
        return (*shape[:at], *shape[at + 1 :]), axes.replace("c", "")
    return (*shape[:at], shape[at] - 1, *shape[at + 1 :]), axes


def _palette(page: Any) -> Array | None:
    """Give the colours of a palette, in 8 bits where that loses nothing, else 16."""
    if page.colormap is None:
        return None
    colours = np.asarray(page.colormap, np.uint16).T
    high = (colours >> 8).astype(np.uint8)
    fits = bool(np.all(colours == high * np.uint16(257)) or np.all(colours & 0xFF == 0))
    return np.ascontiguousarray(high if fits else colours)
