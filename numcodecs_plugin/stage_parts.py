"""A part of a stage chunk, read by byte ranges: its prefix, its head, and the groups of sub-streams of the part.

Values: a selection of a chunk in; the byte ranges to fetch, one round after the other, and the decoded part out.
Implements what FORMAT.md sections 6 and 10 let a reader skip: the head says how long the payload is. Guarantees what
decoding all of the chunk and selecting from it gives; fetches nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.groups import groups_of_box, spans_of_groups

from .ranges import START, WHOLE, Reading, Sparse, or_whole
from .selected import Selected
from .stage_chunks import TileBox, decode_stage
from .stage_options import StageOptions

__all__ = ["read_stage_part"]

_MOST_BYTES = 16  # of a chunk for each number in it, far more than one takes: larger sizes are not believed


def read_stage_part(options: StageOptions, selected: Selected, shape: Sequence[int], *, ranges: bool = True) -> Reading:
    """Decode what was selected from a chunk; None where there is no chunk.

    Parameters
    ----------
    ranges : bool
        Whether to ask for ranges of the chunk's bytes, not for all of them.

    Raises
    ------
    CorruptData, TruncatedData
    """

    def decode(data: Any) -> NDArray[np.int32]:
        part: NDArray[np.int32] = decode_stage(options, data, shape, selected.region)[selected.inside]
        return part

    by_ranges = _read_ranges(options, selected, shape, decode) if ranges and not selected.is_all(tuple(shape)) else None
    return or_whole(by_ranges, decode)


def _read_ranges(
    options: StageOptions, selected: Selected, shape: Sequence[int], decode: Callable[[Any], NDArray[np.int32]]
) -> Reading:
    """`read_stage_part` of less than the whole chunk."""
    (start,) = yield [(0, START)]
    if start is None:
        return None
    known = bytes(start)
    extent, at = options.read_extent(known, shape)
    box = TileBox.of(options, extent, selected.region)
    if box is not None and len(known) == START:
        most = _MOST_BYTES * math.prod(shape) + WHOLE
        head = min(at + int.from_bytes(known[at : at + 4], "little"), most)
        if head > START:
            (rest,) = yield [(START, head)]
            known += bytes(rest or b"")
        kind = 0 if options.corrects else options.stage
        spans, _ = spans_of_groups(known[at:head], None, math.prod(box.counts), kind, options.dc_image)
        groups, size = groups_of_box(box.bounds, box.counts), at + spans[-1][1]
        if size > most:
            (data,) = yield [None]
            return None if data is None else decode(data)
        held = Sparse(size)
        held.put((0, len(known)), known)
        if groups is None or size <= WHOLE:
            yield from held.fetch([(len(known), size)] if size > len(known) else [])
        else:
            yield from held.fetch((at + first, at + end) for first, end in (spans[group] for group in groups))
        return decode(held.data)
    return decode(known)
