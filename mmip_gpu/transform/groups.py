"""Groups of sub-streams: which of them a region needs, and where they stand in the payload of a stage.

Values: a header, a region, the head of a payload in; numbers of groups, spans of bytes and crcs out.
Implements FORMAT.md sections 3 (tiles) and 6 (head, index, groups) for readers of parts of payloads. Guarantees that
what is decoded of a region is within its groups; reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mmip_gpu._core import GROUP_SUBSTREAMS, PayloadHead
from mmip_gpu.container.byte_ranges import Span
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.container.payload import check_payload
from mmip_gpu.transform.tiled_region import region_of
from mmip_gpu.volume.region import Region
from mmip_gpu.volume.tiled_region import numbers_in_box

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["groups_of_box", "groups_of_region", "read_groups", "spans_of_groups"]


def groups_of_region(header: TransformHeader, scale: int, region: Region | None) -> list[int] | None:
    """Groups of sub-streams that a region of the decoded array touches, ascending; None for all."""
    return groups_of_box(region_of(header, scale, region).box, header.fields.tile_counts(header.layout))


def groups_of_box(box: Sequence[int], counts: Sequence[int]) -> list[int] | None:
    """Groups with the sub-streams of a box of planes and tiles (from, to on each axis) of `counts`; None for all.

    Examples
    --------
    >>> groups_of_box([0, 1, 0, 1, 2, 3, 0, 4], (1, 1, 5, 4))
    [1]
    """
    if list(box) == [edge for count in counts for edge in (0, count)]:
        return None
    return [int(group) for group in np.unique(numbers_in_box(box, counts) // GROUP_SUBSTREAMS)]


def read_groups(header: TransformHeader, stage: int, size: int, head: Buffer) -> tuple[Sequence[Span], Sequence[int]]:
    """Spans and crcs of all groups in a payload of `size` bytes with this head.

    Raises
    ------
    TruncatedData, CorruptData
        For a head that is not the one that the header names.
    """
    fields = header.fields
    check_payload(header, stage, size, head, check_crc=True)
    kind = 0 if stage > len(fields.cuts) else stage
    return spans_of_groups(head, size, fields.substreams(header.layout), kind, fields.dc_image is not None)


def spans_of_groups(
    head: Buffer, size: int | None, substreams: int, kind: int, dc_image: bool
) -> tuple[Sequence[Span], Sequence[int]]:
    """Spans and crcs of all groups by the head of a payload alone; of any size where that is not known.

    `kind` is the stage, 0 for corrections. Errors are those of `read_groups`.
    """
    found = PayloadHead(np.frombuffer(head, np.uint8), size, substreams, kind, dc_image, True)
    offsets = found.offsets
    edges = [int(n) for n in offsets[:-1:GROUP_SUBSTREAMS]] + [int(offsets[-1])]
    return list(pairwise(edges)), [int(crc) for crc in found.group_crcs]
