"""Groups of sub-streams: which of them a region needs, and where they stand in the payload of a stage.

Values: a header, a region, the head of a payload in; numbers of groups, spans of bytes and crcs out.
Implements FORMAT.md sections 3 (tiles) and 6 (head, index, groups) for readers of parts of payloads. Guarantees that
what is decoded of a region is within its groups; reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mmip_gpu._core import GROUP_SUBSTREAMS, PayloadHead
from mmip_gpu.container.byte_ranges import Span
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.container.payload import check_payload
from mmip_gpu.volume.tiled_region import numbers_in_box

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Groups", "groups_of_payload", "is_whole_box", "read_groups"]


@dataclass(frozen=True)
class Groups:
    """The groups of a payload: where each stands, and its crc."""

    spans: Sequence[Span]
    crcs: Sequence[int]

    def within(self, box: Sequence[int], counts: Sequence[int]) -> Sequence[Span]:
        """Spans of those with the sub-streams of a box of planes and tiles (from, to on each axis) of `counts`.

        Examples
        --------
        >>> Groups([(0, 80), (80, 130), (130, 140)], [0, 0, 0]).within([0, 1, 0, 1, 1, 2, 0, 4], (1, 1, 3, 4))
        [(80, 130)]
        """
        if is_whole_box(box, counts):
            return self.spans
        return [self.spans[int(group)] for group in np.unique(numbers_in_box(box, counts) // GROUP_SUBSTREAMS)]


def is_whole_box(box: Sequence[int], counts: Sequence[int]) -> bool:
    """Whether a box of planes and tiles (from, to on each axis) is all of them."""
    return list(box) == [edge for count in counts for edge in (0, count)]


def read_groups(header: TransformHeader, stage: int, size: int, head: Buffer) -> Groups:
    """Groups of a payload of `size` bytes with this head.

    Raises
    ------
    TruncatedData, CorruptData
        For a head that is not the one that the header names.
    """
    fields = header.fields
    check_payload(header, stage, size, head, check_crc=True)
    kind = 0 if stage > len(fields.cuts) else stage
    return groups_of_payload(head, size, fields.substreams(header.layout), kind, fields.dc_image is not None)


def groups_of_payload(head: Buffer, size: int | None, substreams: int, kind: int, dc_image: bool) -> Groups:
    """Groups of a payload by its head alone; of any size where that is not known.

    `kind` is the stage, 0 for corrections. Errors are those of `read_groups`.
    """
    found = PayloadHead(np.frombuffer(head, np.uint8), size, substreams, kind, dc_image, True)
    edges = [int(n) for n in (*found.offsets[:-1:GROUP_SUBSTREAMS], found.offsets[-1])]
    return Groups(list(pairwise(edges)), [int(crc) for crc in found.group_crcs])
