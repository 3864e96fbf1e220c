"""What all sinks share: blocks of bounded size, their place in a file, and files that appear only when whole.

Values in: a Source and the lengths that are best read together. Values out: bytes at their offsets in a file.
Implements no section of FORMAT.md.
Guarantees that every sample is read once, memory for one block, and that a path holds what it held before, or all
that was to be written, never a part of it. Knows no file format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

import numpy as np

from mmip_gpu.errors import InvalidArgument, MmipError, StoreError
from mmip_gpu.sources import Source

BLOCK_BYTES: Final = 1 << 26
INVERTED: Final = ("MINISWHITE", "MONOCHROME1")  # photometric, of pictures whose low samples are bright

_UNHELD: Final = {
    "slope": "slope and intercept",
    "affine": "affine",
    "photometric": "that low samples are bright",
    "time_step": "time step",
    "channels": "names of channels",
    "origin": "place of the first voxel",
    "coordinates": "coordinates",
}

Region = tuple[slice, ...]
Track = Callable[[Sequence[Region]], "Iterator[Region]"]


@dataclass(frozen=True)
class Output:
    """One volume to write.

    Parameters
    ----------
    source : Source
        Where the samples and what is known about them come from.
    chunks : mapping of str to int
        Samples per axis, by letter, that are best read together; 1 where absent.
    track : callable
        Goes through the blocks, and may show how far it is.
    template : pathlib.Path, optional
        A file or DICOM series whose header the new file takes over.
    """

    source: Source
    chunks: Mapping[str, int]
    track: Callable[[Sequence[Region]], Any]
    template: Path | None = None

    def arranged(self, axes: str) -> Output:
        """Give the same volume with other axes: those that come or go have length 1."""
        return replace(self, source=_arranged(self.source, axes))

    def parts(self) -> Iterator[tuple[Region, Any]]:
        """Read all blocks in turn: their regions and samples, little-endian."""
        source = self.source
        lengths = [self.chunks.get(letter, 1) for letter in source.axes]
        for region in self.track(blocks(source.shape, source.dtype.itemsize, lengths)):
            samples = source.read(region)
            yield region, samples.astype(samples.dtype.newbyteorder("<"), copy=False)

    def fill(self, file: BinaryIO, offset: int) -> None:
        """Write all samples in C order, beginning at an offset."""
        for region, samples in self.parts():
            write_block(file, offset, self.source.shape, region, samples)


def blocks(shape: Sequence[int], itemsize: int, chunks: Sequence[int]) -> list[Region]:
    """Cut an array into blocks of whole chunks, 64 MiB at most unless one chunk is larger.

    Examples
    --------
    >>> len(blocks((64, 1 << 15, 1 << 15), 2, (64, 256, 256)))
    2048
    >>> blocks((3, 4), 1, (1, 1))
    [(slice(0, 3, None), slice(0, 4, None))]
    """
    lengths = [min(chunk, size) for chunk, size in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        block_bytes = math.prod(lengths) * itemsize
        lengths[axis] = min(lengths[axis] * max(BLOCK_BYTES // max(block_bytes, 1), 1), shape[axis])
        if lengths[axis] < shape[axis]:
            break
    counts = [-(-size // max(length, 1)) for size, length in zip(shape, lengths, strict=True)]
    return [
        tuple(slice(i * n, min((i + 1) * n, size)) for i, n, size in zip(at, lengths, shape, strict=True))
        for at in np.ndindex(*counts)
    ]


def sizes_of(source: Source, optional: str) -> dict[str, int]:
    """Give the length of every axis by letter, without those of `optional` letters that have length 1."""
    pairs = zip(source.axes, source.shape, strict=True)
    return {letter: size for letter, size in pairs if size != 1 or letter not in optional}


def unheld(source: Source, *keys: str) -> list[str]:
    """Name what a source states of these keys, for a format that has no place for them."""
    stated = {key: source.metadata.get(key) for key in keys}
    if stated.get("photometric") not in INVERTED:
        stated.pop("photometric", None)
    if (stated.get("slope", 1.0), source.metadata.get("intercept") or 0.0) == (1.0, 0.0):
        stated.pop("slope", None)
    return [_UNHELD[key] for key, value in stated.items() if value]


def write_block(file: BinaryIO, offset: int, shape: Sequence[int], region: Region, samples: Any) -> None:
    """Write a block where it belongs in an array of this shape that begins at an offset."""
    if not samples.size:
        return
    whole = [part.stop - part.start == size for part, size in zip(region, shape, strict=True)]
    axis = len(shape)
    while axis and (axis == len(shape) or whole[axis]):
        axis -= 1
    strides = [math.prod(shape[k + 1 :]) * samples.itemsize for k in range(len(shape))]
    first = offset + sum(part.start * stride for part, stride in zip(region, strides, strict=True))
    block = np.ascontiguousarray(samples)
    for at in np.ndindex(*block.shape[:axis]):
        file.seek(first + sum(i * stride for i, stride in zip(at, strides, strict=False)))
        file.write(block[at].data)


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Give the name of a file to write, which takes the place of `path` once it is whole.

    Raises
    ------
    StoreError
        Where a file is there and must not be overwritten, or the system refuses to write.
    """
    with _writing(path):
        _check_free(path, overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.part")
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, suffix: str, *, overwrite: bool) -> Iterator[Path]:
    """Give the name of a new folder, which takes the place of `path`; only files of `suffix` are ever replaced."""
    with _writing(path):
        _check_free(path, overwrite)
        if path.exists():
            others = (
                [entry.name for entry in path.iterdir() if entry.suffix != suffix] if path.is_dir() else [path.name]
            )
            if others:
                raise StoreError(f"{path} holds something else ({others[0]}): remove it, or write to another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as aside:
            partial, old = Path(aside) / "new", Path(aside) / "old"
            partial.mkdir()
            yield partial
            if path.exists():
                path.rename(old)
            try:
                partial.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system says about files into StoreError."""
    try:
        yield
    except MmipError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def _check_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise StoreError(f"{path} exists: pass overwrite=True, or write to another name")


def _arranged(source: Source, axes: str) -> Source:
    """Give the same samples with the axes in another order; axes that come or go have length 1."""
    if axes == source.axes:
        return source
    lengths = dict(zip(source.axes, source.shape, strict=True))
    gone = [letter for letter in source.axes if letter not in axes]
    if any(lengths[letter] != 1 for letter in gone):
        raise InvalidArgument(f"{source.name}: no place for the axes {gone} of {source.axes}")
    left = tuple(source.axes.index(letter) for letter in gone)
    present = [letter for letter in axes if letter in source.axes]
    kept = [letter for letter in source.axes if letter in axes]
    order = [kept.index(letter) for letter in present]
    inserted = tuple(at for at, letter in enumerate(axes) if letter not in source.axes)

    def read(region: Region) -> Any:
        parts = dict(zip(axes, region, strict=True))
        samples = source.read(tuple(parts.get(letter, slice(0, 1)) for letter in source.axes))
        return np.expand_dims(samples.squeeze(left).transpose(order), inserted)

    shape = tuple(lengths.get(letter, 1) for letter in axes)
    return replace(source, shape=shape, axes=axes, reader=read)
