"""Which bytes of its payloads a decode of kind 1 reads.

Values: a header, what is held of payloads, what is wanted, in; byte ranges out. Implements FORMAT.md sections 3 (tiles)
and 6 (head, index, groups) for readers of parts. Guarantees that decoding touches no byte outside of these ranges.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mmip_gpu.container.codec import PayloadSpan, ReadHeld, Wanted
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.container.payload import check_payload, stated_head_bytes
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.groups import read_groups
from mmip_gpu.transform.tiled_region import region_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["needed_stages", "transform_extent"]

_HEAD, _HEAD_PER_SUBSTREAM = 2048, 3  # typical size of a head: codes, then index and crcs


def needed_stages(header: TransformHeader, wanted: Wanted) -> int:
    """Stages that a decode has to read.

    Raises
    ------
    InvalidArgument
        For more stages than there are.
    """
    fields = header.fields
    count = len(fields.stage_bytes)
    if wanted.stages is not None and wanted.stages > count:
        raise InvalidArgument(f"stages={wanted.stages}: expected at most {count}, the stages of this data")
    limit = {8: 1, 4: 2, 2: len(fields.cuts)}.get(wanted.scale, count)
    return min(count if wanted.stages is None else int(wanted.stages), limit)


def transform_extent(header: TransformHeader, read_held: ReadHeld, wanted: Wanted) -> tuple[list[PayloadSpan], bool]:
    """Byte ranges that a decode reads, and whether these are all: of a payload whose head is not held, its head's.

    A decode of the whole array reads whole payloads; of those, heads that are held are checked.

    Raises
    ------
    TruncatedData, CorruptData
        For a head that is not the one that the header names.
    """
    counts = header.fields.tile_counts(header.layout)
    guess = _HEAD + _HEAD_PER_SUBSTREAM * math.prod(counts)
    heads: list[PayloadSpan] = []
    held: list[tuple[int, int, Buffer]] = []
    for stage, size in enumerate(header.payload_sizes[: needed_stages(header, wanted)], 1):
        start = read_held(stage, 0, min(4, size))
        head_bytes = min(guess if start is None else max(stated_head_bytes(start), 4), size)
        head = read_held(stage, 0, head_bytes)
        heads.append((stage, 0, head_bytes))
        if start is not None and head is not None:
            held.append((stage, size, head))
    if wanted.region is None:
        for stage, size, head in held:
            check_payload(header, stage, size, head, check_crc=True)
        return [(stage, 0, header.payload_sizes[stage - 1]) for stage, _, _ in heads], True
    if len(held) < len(heads):
        return heads, False
    every = [read_groups(header, *payload) for payload in held]
    box = region_of(header, wanted.scale, wanted.region)
    if box.samples == 0:
        return [], True
    spans = [groups.within(box.box, counts) for groups in every]
    return heads + [(stage, *span) for (stage, _, _), found in zip(heads, spans, strict=True) for span in found], True
