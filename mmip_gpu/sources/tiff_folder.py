"""Sources in folders of TIFF files, one slice each.

Values in: the path of a folder. Values out: a Source with an axis z before those of a slice. Implements no section of
FORMAT.md. Guarantees that slices follow the numbers in their names, that all are alike, and that a slice is open only
while it is read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources.lost import LOST, with_lost
from mmip_gpu.sources.source import Array, Region, Source, file_stamp, identify
from mmip_gpu.sources.tiff import TIFF_SUFFIXES, open_tiff

__all__ = ["holds_tiff", "open_tiff_folder"]

_OPEN_SLICES = 4


def holds_tiff(folder: Path) -> bool:
    """Whether all files of a folder are TIFF by their names, those that begin with a dot apart."""
    names = [entry.name.lower() for entry in folder.iterdir() if not entry.name.startswith(".")]
    return bool(names) and all(name.endswith(TIFF_SUFFIXES) for name in names)


def open_tiff_folder(folder: Path) -> Source:
    """Open a folder of TIFF slices as a volume."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    paths = sorted(entries, key=lambda path: _numbers(path.name))
    first = open_tiff(paths[0])
    if "z" in first.axes or not {"y", "x"} <= set(first.axes):
        raise InvalidArgument(f"{folder.name}: expected slices, found axes {first.axes}: open one of its files")
    lost: list[str] = []
    for path in paths:
        found = open_tiff(path)
        kinds = [(s.shape, s.dtype, s.axes, s.metadata["photometric"], s.metadata["spacing"]) for s in (first, found)]
        if kinds[0] != kinds[1]:
            raise InvalidArgument(
                f"{folder.name}: its slices differ: {paths[0].name} is {first.shape} {first.dtype}, {path.name} "
                f"{found.shape} {found.dtype} (or of another pixel size): put one volume in a folder"
            )
        lost += found.metadata.get(LOST) or ()
    at = next(i for i, letter in enumerate(first.axes) if letter in "yx")
    opened = lru_cache(_OPEN_SLICES)(lambda number: open_tiff(paths[number]))

    def read(region: Region) -> Array:
        inner = region[:at] + region[at + 1 :]
        numbers = range(region[at].start, region[at].stop)
        if not numbers:
            return np.empty([part.stop - part.start for part in region], first.dtype)
        return np.stack([opened(number).read(inner) for number in numbers], axis=at)

    shape = (*first.shape[:at], len(paths), *first.shape[at:])
    spacing = first.metadata["spacing"]
    metadata = dict(first.metadata) | {"file": folder.name, "spacing": None if spacing is None else [None, *spacing]}
    return replace(
        first,
        shape=shape,
        axes=f"{first.axes[:at]}z{first.axes[at:]}",
        metadata=with_lost(metadata, *lost),
        name=folder.name,
        fingerprint=identify("tiff", shape, first.dtype, file_stamp(paths)),
        reader=read,
    )


def _numbers(name: str) -> list[tuple[int, str]]:
    """Order names by the numbers in them: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name.lower())]
