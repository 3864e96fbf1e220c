"""Surveys of a whole array before its first chunk is coded: its histogram, the classes of a mask.

Values: a Source, also one of a mask, in; integers out. A survey reads about 4 million samples at a time, here or
wherever a Survey takes the blocks. Encoder side; implements no section of FORMAT.md. Guarantees results that do not
depend on the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.sources import Source
from mmip_gpu.store.group.grid import block_lengths, boxes
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import CLASS_MAX, RoiRule

__all__ = ["Block", "Summary", "Survey", "counted", "mask_survey", "otsu_rule", "surveyed_here"]


Block: TypeAlias = tuple[tuple[int, ...], NDArray[Any]]
"""Where a piece of an array begins, and its samples."""

Summary: TypeAlias = Callable[[Iterable[Block]], Any]
"""Sums up some pieces of an array: what it gives is small, pickles, and is summed up in any order."""

_AT_HAND = ("array", "npy")  # kinds of sources whose samples lie in memory, or in a file as they would there
_BLOCK_SAMPLES, _CELL = 2**22, 8  # blocks end where cells of an overview do

Survey: TypeAlias = Callable[[Summary, Source], Iterable[Any]]
"""Calls a Look for all pieces of a source, a few or one at a time: here, or on the workers of a cluster."""


def surveyed_here(summarize: Summary, source: Source) -> Iterator[Any]:
    """Survey on this thread."""
    at_hand = source.metadata.get("kind") in _AT_HAND
    lengths = _whole_lines(source) if at_hand else block_lengths(_layout(source))
    for region in boxes(source.shape, lengths):
        yield summarize([(tuple(s.start for s in region), source.read(region))])


def _whole_lines(source: Source) -> list[int]:
    """Lengths of about 4 million samples that follow each other in an array in C order, which is then not copied."""
    lengths: list[int] = []
    room = _BLOCK_SAMPLES
    for letter, n in zip(reversed(source.axes), reversed(source.shape), strict=True):
        least = _CELL if letter in "yx" else 1
        lengths.insert(0, max(n, 1) if n <= room else max(room // least, 1) * least)
        room //= max(n, 1)
    return lengths


def counted(survey: Survey, advance: Callable[[], Any]) -> Survey:
    """Survey that calls `advance` after each piece."""

    def survey_and_count(summarize: Summary, source: Source) -> Iterator[Any]:
        for found in survey(summarize, source):
            yield found
            advance()

    return survey_and_count


def otsu_rule(source: Source, survey: Survey = surveyed_here) -> RoiRule:
    """Find the rule ``threshold:`` that marks what ``otsu`` marks in the whole array.

    Raises
    ------
    InvalidArgument
        For float32 samples, whose histogram has no natural bins.
    MissingResource
        Without scikit-image.
    """
    if source.dtype.kind == "f":
        raise InvalidArgument("roi 'otsu': a store of float32 needs a rule with numbers, such as threshold:VALUE")
    try:
        from skimage import filters
    except ImportError:
        raise MissingResource("roi 'otsu': expected scikit-image of mmip-gpu[bench], found none") from None
    info = np.iinfo(source.dtype)
    counts = np.zeros(int(info.max) - int(info.min) + 1, np.int64)
    for values, times in survey(_histogram, source):
        counts[values.astype(np.int64) - int(info.min)] += times
    present = np.flatnonzero(counts)
    if present.size < 2:  # nothing lies above the threshold of a constant array
        return RoiRule("threshold", int(info.max) + 1)
    first, last = int(present[0]), int(present[-1])
    centres = np.arange(first, last + 1) + int(info.min)
    threshold: Any = filters.threshold_otsu
    return RoiRule("threshold", math.floor(threshold(hist=(counts[first : last + 1], centres))) + 1)


def mask_survey(mask: Source, survey: Survey = surveyed_here) -> tuple[int, str]:
    """(highest class, checksum of all values) of a mask.

    Raises
    ------
    InvalidArgument
        For values other than classes.
    """
    lowest, highest, total = 0, 0, 0
    for low, high, part in survey(_classes, mask):
        lowest, highest, total = min(lowest, low), max(highest, high), (total + part) % 2**64
    if lowest < 0 or highest > CLASS_MAX:
        raise InvalidArgument(f"roi: expected classes 0..{CLASS_MAX}, found {lowest}..{highest}")
    return highest, f"{total:016x}"


def _histogram(blocks: Iterable[Block]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(values, how often each is found) of pieces of integers."""
    counts, low, dtype = np.zeros(0, np.int64), 0, np.dtype(np.int64)
    for _, part in blocks:
        dtype = part.dtype.newbyteorder("=")
        info = np.iinfo(dtype)
        low, size = int(info.min), int(info.max) - int(info.min) + 1
        found = np.bincount(part.reshape(-1).astype(np.int64) - low, minlength=size)
        counts = counts + found if counts.size else found
    values = np.flatnonzero(counts)
    return (values + low).astype(dtype), counts[values]


def _classes(blocks: Iterable[Block]) -> tuple[int, int, int]:
    """(minimum, maximum, checksum) of pieces of a mask: the sum of all voxels, each times a number for its place."""
    lowest, highest, total = 0, 0, 0
    for start, part in blocks:
        if not part.size:
            continue
        lowest, highest = min(lowest, int(part.min())), max(highest, int(part.max()))
        sums: NDArray[Any] = part.astype(np.uint8, copy=False)
        for axis in reversed(range(part.ndim)):
            weights = _weights(axis, start[axis], part.shape[axis])
            sums = np.einsum("...i,i->...", sums, weights, dtype=np.uint64, casting="unsafe")
        total = (total + int(sums)) % 2**64
    return lowest, highest, total


def _weights(axis: int, start: int, count: int) -> NDArray[np.uint64]:
    """Numbers of 64 bits without a pattern, one for each index of an axis (SplitMix64)."""
    found = np.arange(start + 1, start + count + 1, dtype=np.uint64) + np.uint64(axis << 56)
    found *= np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def _layout(source: Source) -> PlaneLayout:
    return PlaneLayout.of(source.shape, source.axes)
