"""A part of a chunk, read by byte ranges: its header, the heads of its stages, and the sub-streams of the part.

Values: a selection of a chunk in; the byte ranges to fetch, one round after the other, and the decoded part out.
Implements what FORMAT.md sections 1, 3 and 6 let a reader skip. Guarantees what decoding all of the chunk and selecting
from it gives; fetches nothing itself.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu.codec import decode_chunk
from mmip_gpu.container import Header
from mmip_gpu.groups import Span, groups_of_region, read_groups

from .chunks import check_header, decode_host
from .ranges import START, WHOLE, Reading, Sparse, or_whole
from .selected import Selected

__all__ = ["read_part"]

_HEAD, _HEAD_PER_SUBSTREAM = 2048, 3  # typical size of a head: codes, then index and crcs


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
    by_ranges = _read_ranges(selected, shape, dtype) if ranges and region is not None else None
    return or_whole(by_ranges, lambda data: decode_host(data, shape, dtype, region)[selected.inside])


def _read_ranges(selected: Selected, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Reading:
    """`read_part` of less than the whole chunk."""
    (start,) = yield [(0, START)]
    if start is None:
        return None
    header, at = Header.parse(start)
    check_header(header, shape, dtype)
    ends = list(accumulate(header.payload_sizes, initial=at))
    if header.transform is None or ends[-1] <= WHOLE or ends[-1] > mmip.max_encoded_size(shape, dtype):
        (data,) = [start] if len(memoryview(start)) < START else (yield [None])
        return None if data is None else decode_host(data, shape, dtype, selected.region)[selected.inside]
    held = Sparse(ends[-1])
    held.put((0, START), start)
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
