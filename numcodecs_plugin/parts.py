"""A part of a chunk, read by byte ranges: its header, the heads of its stages, and the sub-streams of the part.

Values: a selection of a chunk in; the byte ranges to fetch, one round after the other, and the decoded part out.
Implements what FORMAT.md sections 1, 3 and 6 let a reader skip. Guarantees what decoding all of the chunk and selecting
from it gives; fetches nothing itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.codec import decode_chunk
from mmip_gpu.container import Header
from mmip_gpu.errors import CorruptData, TruncatedData
from mmip_gpu.groups import Span, groups_of_region, read_groups

from .chunks import check_header, decode_host

if TYPE_CHECKING:
    from typing_extensions import Buffer

Fetched: TypeAlias = "Buffer | None"
Reading: TypeAlias = "Generator[list[Span | None], list[Fetched], NDArray[Any] | None]"
"""Yields what to fetch (None: all bytes), is sent the bytes of each (None: no chunk), returns the part."""

__all__ = ["Fetched", "Reading", "Selected", "Span", "advance", "read_part"]

_START = 4096  # of a container, in the first round: any header, and all of a small chunk
_WHOLE = 1 << 16  # containers up to here are read at once
_GAP = 1 << 13  # bytes between two spans that are rather read than asked for twice
_HEAD, _HEAD_PER_SUBSTREAM = 2048, 3  # typical size of a head: codes, then index and crcs


@dataclass(frozen=True)
class Selected:
    """What Zarr selects from a chunk, as a region and what to select from that.

    Examples
    --------
    >>> Selected.of((slice(10, 20, 3), 5), (64, 64))
    Selected(region=(slice(10, 20, None), slice(5, 6, None)), inside=(slice(0, 10, 3), 0))
    """

    region: tuple[slice, ...]
    inside: tuple[Any, ...]

    @classmethod
    def of(cls, selection: Any, shape: tuple[int, ...]) -> Selected:
        """The smallest region around the selection of a chunk of this shape."""
        chosen = selection if isinstance(selection, tuple) else (selection,)
        if len(chosen) != len(shape) or any(item is Ellipsis or item is None for item in chosen):
            return cls(tuple(slice(0, n) for n in shape), chosen)
        bounds = [_bounds(item, n) for item, n in zip(chosen, shape, strict=True)]
        inside = tuple(_shifted(item, low, n) for item, (low, _), n in zip(chosen, bounds, shape, strict=True))
        return cls(tuple(slice(low, high) for low, high in bounds), inside)

    def is_all(self, shape: tuple[int, ...]) -> bool:
        """Whether the region is the whole chunk."""
        return all(part == slice(0, n) for part, n in zip(self.region, shape, strict=True))


def read_part(selected: Selected, shape: tuple[int, ...], dtype: np.dtype[Any], *, ranges: bool = True) -> Reading:
    """Decode what was selected from a chunk; None where there is no chunk.

    Parameters
    ----------
    ranges : bool
        Whether to ask for ranges of the chunk's bytes, not for all of them.

    Raises
    ------
    CorruptData, TruncatedData, UnsupportedVersion
    """
    region = None if selected.is_all(shape) else selected.region
    if ranges and region is not None:
        try:
            return (yield from _read_ranges(selected, shape, dtype))
        except CorruptData:  # perhaps of a chunk that was replaced between two rounds: once more, in one
            pass
    (data,) = yield [None]
    return None if data is None else decode_host(data, shape, dtype, region)[selected.inside]


def advance(reading: Reading, fetched: list[Fetched] | None = None) -> tuple[list[Span | None], NDArray[Any] | None]:
    """What to fetch next, or nothing and the part; `fetched` is what was asked for last."""
    try:
        return (next(reading) if fetched is None else reading.send(fetched)), None
    except StopIteration as done:
        return [], done.value


def _read_ranges(selected: Selected, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Reading:
    """`read_part` of less than the whole chunk."""
    (start,) = yield [(0, _START)]
    if start is None:
        return None
    header, at = Header.parse(start)
    check_header(header, shape, dtype)
    ends = list(accumulate(header.payload_sizes, initial=at))
    if header.transform is None or ends[-1] <= _WHOLE or ends[-1] > mmip.max_encoded_size(shape, dtype):
        (data,) = [start] if len(memoryview(start)) < _START else (yield [None])
        return None if data is None else decode_host(data, shape, dtype, selected.region)[selected.inside]
    held = _Sparse(ends[-1])
    held.put((0, _START), start)
    stages = list(pairwise(ends))
    guess = _HEAD + _HEAD_PER_SUBSTREAM * header.substreams
    yield from held.fetch((first, min(first + guess, end)) for first, end in stages)
    sizes = [min(max(int.from_bytes(held.data[first : first + 4], "little"), 4), end - first) for first, end in stages]
    yield from held.fetch((first, first + size) for (first, _), size in zip(stages, sizes, strict=True))
    groups = groups_of_region(header, 1, selected.region)
    spans: list[Span] = []
    for stage, ((first, end), size) in enumerate(zip(stages, sizes, strict=True), 1):
        every, _ = read_groups(header, stage, end - first, memoryview(held.data)[first : first + size])
        spans += [(first + a, first + b) for a, b in (every if groups is None else [every[group] for group in groups])]
    yield from held.fetch(spans)
    view = memoryview(held.data)
    array: NDArray[Any] = decode_chunk(
        header, lambda stage: view[slice(*stages[stage - 1])], region=selected.region, max_bytes=header.raw_bytes
    ).astype(dtype, copy=False)[selected.inside]
    return array


@dataclass
class _Sparse:
    """The bytes of a container as far as they were fetched; the others are zero."""

    size: int
    data: bytearray = field(init=False)
    _held: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = bytearray(self.size)

    def put(self, span: Span, fetched: Fetched) -> None:
        """Keep what was fetched of a span."""
        found = memoryview(fetched or b"").cast("B")
        end = span[0] + len(found)
        if end < min(span[1], self.size):
            raise TruncatedData(f"mmip: expected a chunk of {self.size} bytes, found {end}")
        self.data[span[0] : end] = found[: max(self.size - span[0], 0)]
        self._held.append((span[0], end))

    def fetch(self, spans: Iterable[Span]) -> Generator[list[Span | None], list[Fetched], None]:
        """Ask for those of the spans that are not held, near ones together."""
        wanted: list[Span] = []
        for first, end in sorted(spans):
            if any(a <= first and end <= b for a, b in self._held):
                continue
            if wanted and first <= wanted[-1][1] + _GAP:
                wanted[-1] = wanted[-1][0], max(end, wanted[-1][1])
            else:
                wanted.append((first, end))
        if wanted:
            for span, found in zip(wanted, (yield [*wanted]), strict=True):
                self.put(span, found)


def _bounds(item: Any, n: int) -> Span:
    """First index that an item selects from an axis, and one past the last."""
    if isinstance(item, slice):
        indices = range(*item.indices(n))
        return (indices[0], indices[-1] + 1) if indices else (0, 0)
    chosen = np.asarray(item)
    chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    return (int(chosen.min()), int(chosen.max()) + 1) if chosen.size else (0, 0)


def _shifted(item: Any, low: int, n: int) -> Any:
    """The same item, counted from `low`."""
    if isinstance(item, slice):
        indices = range(*item.indices(n))
        return slice(0, indices.stop - low, indices.step) if indices else slice(0, 0)
    if isinstance(item, int):
        return item - low
    chosen = np.asarray(item)
    return (np.flatnonzero(chosen) if chosen.dtype == bool else chosen) - low
