"""A part of a chunk, read by byte ranges: its header, the heads of its stages, and the sub-streams of the part.

Values: a selection of a chunk in; the byte ranges to fetch, one round after the other, and the part out.
Implements what FORMAT.md sections 1, 3 and 6 let a reader skip. Guarantees what decoding all of the chunk and selecting
from it gives; fetches nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

import mmip_gpu as mmip
from mmip_gpu.codecs import Wanted, codec_of
from mmip_gpu.container.byte_ranges import START, WHOLE, Reading, Sparse
from mmip_gpu.container.header import Header
from mmip_gpu.container.zarr_selection import Selected
from numcodecs_plugin.chunks import check_header, inside

__all__ = ["read_part"]


def read_part(
    selected: Selected,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    decode: Callable[[Any], Any],
    whole: tuple[int, ...] | None = None,
) -> Reading:
    """What `decode` makes of a container of which all that the part needs was fetched; None where there is no chunk.

    Raises
    ------
    CorruptData, TruncatedData, UnsupportedVersion
    """
    (start,) = yield [(0, START)]
    if start is None:
        return None
    header: Header[Any]
    header, at = Header.parse(start)
    check_header(header, shape, dtype, whole)
    codec, wanted = codec_of(header), Wanted(region=inside(header, selected.region))
    starts = list(accumulate(header.payload_sizes, initial=at))
    size = starts[-1]
    if codec.is_copy or size <= WHOLE or size > mmip.max_encoded_size(shape, dtype):
        (data,) = [start] if len(memoryview(start)) < START else (yield [None])
        return None if data is None else decode(data)
    held = Sparse(size)
    held.put((0, START), start)

    def read_held(stage: int, first: int, end: int | None) -> memoryview | None:
        return held.part(starts[stage - 1] + first, starts[stage] if end is None else starts[stage - 1] + end)

    is_last = False
    while not is_last:
        spans, is_last = codec.extent(header, read_held, wanted)
        yield from held.fetch((starts[stage - 1] + first, starts[stage - 1] + end) for stage, first, end in spans)
    return decode(held.data)
