"""DICOM files of a path: which of them are images, and which are one series.

Values in: a path. Values out: files and their headers. Implements no section of FORMAT.md.
Guarantees that what is no image (a directory file, a report) is skipped in a folder, and that several series are listed
and never mixed.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.sources.dicom_headers import Layout, layout_of, read_header
from mmip_gpu.sources.source import require

_SUFFIXES: Final = (".dcm", ".dicom", ".ima")
_MARK_OFFSET: Final = 128
_PART: Final = re.compile(r"(?P<path>.+):(?P<parts>(?:series=[\d.]+|volume=\d+)(?:,(?:series=[\d.]+|volume=\d+))*)")


@dataclass(frozen=True)
class Series:
    """Files of one series with their headers, and what was passed over beside them."""

    files: list[Path]
    headers: list[Any]
    ignored: int
    skipped: list[str]


def split_part(text: str) -> tuple[str, dict[str, str]]:
    """Split "FOLDER:series=1,volume=0" into the path and what to choose of it; other texts have nothing.

    Examples
    --------
    >>> split_part("study:series=2,volume=0"), split_part("study")
    (('study', {'series': '2', 'volume': '0'}), ('study', {}))
    """
    found = _PART.fullmatch(text)
    if not found:
        return text, {}
    return found["path"], dict(part.split("=") for part in found["parts"].split(","))


def has_dicom_mark(path: Path) -> bool:
    """Say whether a file carries the mark of DICOM part 10."""
    with path.open("rb") as file:
        file.seek(_MARK_OFFSET)
        return file.read(4) == b"DICM"


def read_series(path: Path, series: str | None = None) -> Series:
    """Read the headers of one file, or of one series in a folder and those inside it.

    `series` is the number of a series in the list that a refusal gives, or its UID.
    """
    pydicom = require("pydicom", f"reading DICOM from {path.name}")
    if path.is_file():
        header = read_header(pydicom, path)
        if not _is_image(header):
            raise InvalidArgument(
                f"{path.name} holds no image (modality {header.get('Modality', 'not given')}): give an image, or "
                "the folder of its series"
            )
        return Series([path], [header], 0, [])
    files, others = _dicom_files(path)
    found = {file: read_header(pydicom, file) for file in files}
    images = {file: header for file, header in found.items() if _is_image(header)}
    if not images:
        raise InvalidArgument(f"{path.name} holds {len(found)} DICOM files, none of them with an image")
    chosen = _chosen_series(images, series, path.name)
    localizers = [file for file in chosen if _is_localizer(images[file])]
    if 0 < len(localizers) < len(chosen):
        chosen = [file for file in chosen if file not in localizers]
    passed = sum(_is_localizer(header) for file, header in images.items() if file not in chosen) if not series else 0
    skipped = [f"{passed} localizer images beside the series"] if passed else []
    return Series(chosen, [images[file] for file in chosen], others + len(found) - len(images), skipped)


def common_layout(series: Series) -> Layout:
    """Check that all files of a series have one layout."""
    layouts = Counter(map(layout_of, series.headers))
    if len(layouts) > 1:
        kinds = ", ".join(f"{count} files of {layout}" for layout, count in layouts.most_common(4))
        folder = series.files[0].parent.name
        raise InvalidArgument(f"{folder} mixes slices of {len(layouts)} kinds: {kinds}; separate them")
    return next(iter(layouts))


def _is_image(header: Any) -> bool:
    return "Rows" in header and "BitsAllocated" in header


def _is_localizer(header: Any) -> bool:
    return "LOCALIZER" in [str(value).upper() for value in header.get("ImageType") or ()]


def _dicom_files(path: Path) -> tuple[list[Path], int]:
    """List the DICOM files of a folder and those inside it, and count the other files."""
    entries: list[Path] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        entries += [Path(folder) / name for name in sorted(names) if not name.startswith(".")]
    inside = [file for file in entries if file.is_file() and file.name.upper() != "DICOMDIR"]
    files = [file for file in inside if file.suffix.lower() in _SUFFIXES or has_dicom_mark(file)]
    if not files:
        raise StoreError(
            f"no DICOM file in the folder {path} and those inside it: found {len(inside)} other files; "
            "give the folder that holds the files of a series"
        )
    return files, len(inside) - len(files)


def _chosen_series(images: Mapping[Path, Any], wanted: str | None, name: str) -> list[Path]:
    """Choose the files of a series: the only one, localizers apart, or the one that is wanted."""
    series: dict[str, list[Path]] = {}
    for file, header in images.items():
        series.setdefault(str(header.get("SeriesInstanceUID", "no UID")), []).append(file)
    uids = sorted(series, key=lambda uid: (int(images[series[uid][0]].get("SeriesNumber") or 0), uid))
    if wanted is None:
        full = [uid for uid in uids if not all(_is_localizer(images[file]) for file in series[uid])] or uids
        if len(full) == 1:
            return series[full[0]]
    elif wanted in series:
        return series[wanted]
    elif wanted.isdecimal() and int(wanted) < len(uids):
        return series[uids[int(wanted)]]
    listed = [f"{n}: {_told(images, series[uid], uid)}" for n, uid in enumerate(uids[:8])]
    more = ", .." if len(uids) > 8 else ""
    found = "" if wanted is None else f", none of them {wanted}"
    raise InvalidArgument(
        f"{name} holds {len(uids)} series{found}: {', '.join(listed)}{more}; choose one by --series 0 "
        f"('{name}:series=0'), or put each into its own folder"
    )


def _told(images: Mapping[Path, Any], files: Sequence[Path], uid: str) -> str:
    return f"{len(files)} files of {uid} ({images[files[0]].get('Modality', '?')})"
