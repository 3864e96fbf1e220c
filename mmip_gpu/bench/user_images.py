"""Images of a user's folder: whatever `open_source` reads, and PGM and PPM files; regions and labels lie beside them.

Values: a folder or a file in; `BenchImage`s out, or why a file cannot be used. NAME.mask.* is a region of interest of
NAME.*, NAME.labels.* its ground truth, NAME.window.txt its display window: two numbers. Guarantees that nothing is left
out silently: of an image that is too large the middle is taken, and its name says so; channels that are no colours, and
images of a stack, become images.
"""

from __future__ import annotations

import glob
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.bench.display_window import window_of
from mmip_gpu.bench.images import BenchImage, UnusableImage, file_safe
from mmip_gpu.bench.shared_images import MOST_SLICES, sha256_of
from mmip_gpu.errors import InvalidArgument, MmipError, StoreError
from mmip_gpu.sources import Source, open_source

__all__ = ["SUMS", "user_images"]

SUMS = "SHA256SUMS"
_BESIDE = ("mask", "labels")
_MOST_SIDE = 4096
_NETPBM = re.compile(rb"P([56])\s(?:\s*#.*\n)*\s*(\d+)\s+(?:#.*\n\s*)*(\d+)\s+(?:#.*\n\s*)*(\d+)\s")


def user_images(place: Path, **facts: Any) -> Iterator[BenchImage | UnusableImage]:
    """Yield the images of a folder, in the order of their names, or of a file.

    Parameters
    ----------
    place : pathlib.Path
        A folder of files, a folder that is one image (DICOM, Zarr), or a file. SHA256SUMS in the folder is held.
    **facts
        What is known of all of them: `dataset`, `licence`, `group`, `stand_in`, `bits`, `jpeg_origin`.
    """
    dataset = facts.get("dataset", "user")
    paths = _image_paths(place)
    if not paths:
        yield UnusableImage(file_safe(place.name), dataset, f"{place} is an empty folder: expected images")
    sums = _sums(place / SUMS)
    stems = Counter(map(_stem, paths))
    for path in paths:
        name = file_safe(_stem(path) if stems[_stem(path)] == 1 else path.name)
        try:
            _check_sum(path, sums)
            yield from list(_images(path, name, facts))
        except (MmipError, OSError, ValueError, MemoryError) as error:
            yield UnusableImage(name, dataset, f"{type(error).__name__}: {error}")


def _stem(path: Path) -> str:
    """Name of a file without what says its format."""
    return path.name.removesuffix(".gz").removesuffix(Path(path.name.removesuffix(".gz")).suffix)


def _image_paths(place: Path) -> list[Path]:
    """The files of a folder without what lies beside them; the folder itself where it is one image."""
    if place.is_file() or any((place / name).exists() for name in ("zarr.json", ".zarray", ".zattrs", ".zgroup")):
        return [place]
    paths = sorted(path for path in place.iterdir() if not path.name.startswith(".") and path.name != SUMS)
    if paths and all(path.suffix.lower() in (".dcm", ".ima") for path in paths):
        return [place]
    return [path for path in paths if not any(f".{kind}." in path.name for kind in (*_BESIDE, "window"))]


def _sums(path: Path) -> dict[str, str]:
    """SHA-256 by name of file, as sha256sum writes them; none where there is no list."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {line.split(maxsplit=1)[1].lstrip("*"): line.split()[0] for line in lines if len(line.split()) > 1}


def _check_sum(path: Path, sums: Mapping[str, str]) -> None:
    if path.name in sums and path.is_file() and (found := sha256_of(path)) != sums[path.name]:
        raise StoreError(f"{path.name}: expected the SHA-256 {sums[path.name]} of {SUMS}, found {found}")


def _images(path: Path, name: str, facts: Mapping[str, Any]) -> Iterator[BenchImage]:
    """Yield the images of one file."""
    source = _opened(path)
    region = tuple(_middle(size, letter) for size, letter in zip(source.shape, source.axes, strict=True))
    if any(part.stop - part.start < size for part, size in zip(region, source.shape, strict=True)):
        name += "-middle"
    array = source.read(region)
    beside = {kind: truth for kind in _BESIDE if (truth := _beside(path, kind, source, region)) is not None}
    facts = {"window": window_of(path, path.parent / f"{_stem(path)}.window.txt", source.metadata)} | dict(facts)
    for suffix, axes, at in _parts(source):
        without = tuple(index for index, letter in zip(at, source.axes, strict=True) if letter != "c")
        found = {kind: np.ascontiguousarray(truth[without]) for kind, truth in beside.items()}
        yield _image(name + suffix, np.ascontiguousarray(array[at]), axes, source, found, facts)


def _opened(path: Path) -> Source:
    if path.suffix.lower() in (".pgm", ".ppm"):
        array, bits = read_netpbm(path)
        source = open_source(array)
        metadata = source.metadata | {"bits_stored": bits}
        return replace(source, axes="yxc"[: array.ndim], metadata=metadata, name=path.name)
    source = open_source(path)
    if path.suffix == ".npy" and source.axes in ("zyx", "tzyx") and source.shape[-1] == 3:  # which says no axes
        return replace(source, axes=source.axes[-len(source.axes) + 1 :] + "c")
    return source


def read_netpbm(path: Path) -> tuple[NDArray[Any], int]:
    """Return the samples of a binary PGM or PPM file of 1 to 16 bits, and their bits."""
    data = path.read_bytes()
    head = _NETPBM.match(data)
    if head is None:
        raise InvalidArgument(f"{path.name}: expected a binary PGM or PPM file (P5 or P6), found {data[:12]!r}")
    columns, rows, most = int(head[2]), int(head[3]), int(head[4])
    shape = (rows, columns) if head[1] == b"5" else (rows, columns, 3)
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    found, expected = len(data) - head.end(), math.prod(shape) * dtype.itemsize
    if found < expected or not 0 < most < 65536:
        raise StoreError(f"{path.name}: expected {expected} bytes of samples up to 65535, found {found} up to {most}")
    samples = np.frombuffer(data, dtype, math.prod(shape), head.end()).reshape(shape)
    return samples.astype(dtype.newbyteorder("=")), max(most.bit_length(), 1)


def _middle(size: int, letter: str) -> slice:
    most = {"c": size, "z": MOST_SLICES, "t": MOST_SLICES}.get(letter, _MOST_SIDE)
    start = max((size - most) // 2, 0)
    return slice(start, min(start + most, size))


def _beside(path: Path, kind: str, image: Source, region: tuple[slice, ...]) -> NDArray[Any] | None:
    """Return the mask or the labels of a file, cut as it is."""
    found = sorted(path.parent.glob(f"{glob.escape(_stem(path))}.{kind}.*"))
    if not found:
        return None
    source = open_source(found[0])
    samples = source.read()
    whole = samples.max(axis=source.axes.index("c")) if "c" in source.axes else samples
    sides = [(size, part) for size, part, letter in zip(image.shape, region, image.axes, strict=True) if letter != "c"]
    shape = tuple(size for size, _ in sides)
    if whole.shape != shape:
        raise InvalidArgument(f"{found[0].name}: expected the shape of its image, {shape}, found {whole.shape}")
    return whole[tuple(part for _, part in sides)]


def _parts(source: Source) -> Iterator[tuple[str, str, tuple[int | slice, ...]]]:
    """Yield (end of the name, axes, index) of what the benchmark takes as an image of its own."""
    axes = source.axes
    is_colour = axes.endswith("c") and source.shape[-1] == 3 and source.colour is not False
    apart = [letter for letter in axes if letter == "n" or (letter == "t" and "z" in axes)]
    apart += ["c"] if "c" in axes and not is_colour else []
    kept = "".join(letter for letter in axes if letter not in apart)
    whole: list[int | slice] = [slice(None)]
    for at in product(
        *([*range(n)] if letter in apart else whole for n, letter in zip(source.shape, axes, strict=True))
    ):
        yield "".join(f"-{index:02d}" for index in at if isinstance(index, int)), kept, at


def _image(
    name: str,
    array: NDArray[Any],
    axes: str,
    source: Source,
    beside: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
) -> BenchImage:
    lossy = source.metadata.get("lossy")
    labels = beside.get("labels")
    known: dict[str, Any] = {
        "bits": source.metadata.get("bits_stored") or 8 * array.dtype.itemsize,
        "group": source.metadata.get("modality") or "",
        "jpeg_origin": "yes" if lossy else "unknown",
    }
    known |= facts
    masks = {"mask": beside["mask"] != 0} if "mask" in beside else {}
    task = None if labels is None else "nuclei" if len(np.unique(labels)) > 2 else "membranes"
    return BenchImage(name, array, axes, masks=masks, labels=labels, task=task, **known)
