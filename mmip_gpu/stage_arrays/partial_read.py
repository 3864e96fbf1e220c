"""A region of a stage chunk, read by byte ranges: its prefix, its head, and the groups of sub-streams of the region.

Values: a selection of a chunk in; the byte ranges to fetch, one round after the other, and the region out.
Implements what FORMAT.md sections 6 and 10 let a reader skip: the head says how long the payload is. Guarantees what
decoding all of the chunk and selecting from it gives; fetches nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mmip_gpu.container.byte_ranges import START, WHOLE, Reading, Sparse
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.stage_arrays.coding import TileBox
from mmip_gpu.stage_arrays.options import StageOptions
from mmip_gpu.transform.groups import groups_of_payload, is_whole_box

__all__ = ["read_stage_region"]

_MOST_BYTES = 16  # of a chunk for each number in it, far more than one takes: larger sizes are not believed


def read_stage_region(
    options: StageOptions, selected: Selected, shape: Sequence[int], decode: Callable[[Any], Any]
) -> Reading:
    """Fetch what a region needs of a chunk; returns what `decode` makes of it, None where there is no chunk.

    Raises
    ------
    CorruptData, TruncatedData
    """
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
        groups = groups_of_payload(known[at:head], None, math.prod(box.counts), kind, options.dc_image)
        size = at + groups.spans[-1][1]
        if size > most:
            (data,) = yield [None]
            return None if data is None else decode(data)
        held = Sparse(size)
        held.put((0, len(known)), known)
        if size <= WHOLE or is_whole_box(box.bounds, box.counts):
            yield from held.fetch([(len(known), size)] if size > len(known) else [])
        else:
            yield from held.fetch((at + first, at + end) for first, end in groups.within(box.bounds, box.counts))
        return decode(held.data)
    return decode(known)
