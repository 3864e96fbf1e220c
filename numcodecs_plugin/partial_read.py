"""A part of a chunk, read by byte ranges: its header, the heads of its stages, and the sub-streams of the part.

Values: a selection of a chunk in; the byte ranges to fetch, one round after the other, and the part out.
Implements what FORMAT.md sections 1, 3 and 6 let a reader skip. Guarantees what decoding all of the chunk and selecting
from it gives; fetches nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

import mmip_gpu as mmip
from mmip_gpu.container.byte_ranges import START, WHOLE, Reading, Span, Sparse
from mmip_gpu.container.header import Header
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.transform.groups import groups_of_region, read_groups
from numcodecs_plugin.chunks import check_header

__all__ = ["read_part"]

_HEAD, _HEAD_PER_SUBSTREAM = 2048, 3  # typical size of a head: codes, then index and crcs


def read_part(
    selected: Selected, shape: tuple[int, ...], dtype: np.dtype[Any], decode: Callable[[Any], Any]
) -> Reading:
    """What `decode` makes of a container of which all that the part needs was fetched; None where there is no chunk.

    Raises
    ------
    CorruptData, TruncatedData, UnsupportedVersion
    """
    (start,) = yield [(0, START)]
    if start is None:
        return None
    header, at = Header.parse(start)
    check_header(header, shape, dtype)
    ends = list(accumulate(header.payload_sizes, initial=at))
    if header.transform is None or ends[-1] <= WHOLE or ends[-1] > mmip.max_encoded_size(shape, dtype):
        (data,) = [start] if len(memoryview(start)) < START else (yield [None])
        return None if data is None else decode(data)
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
    return decode(held.data)
