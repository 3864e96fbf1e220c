"""Containers opened: the header of a container, and a reader of its payloads.

Values: bytes in; the parsed Header and a function from the number of a stage to its payload out. Implements FORMAT.md
section 1. Payloads are slices of the container's bytes: nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mmip_gpu.container.header import Header
from mmip_gpu.errors import CorruptData, InvalidArgument, TruncatedData

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_container", "stage_reader"]


def open_container(data: Buffer) -> tuple[Header, Callable[[int], memoryview]]:
    """Header of a container and a function that gives the payload of a stage."""
    try:
        view = memoryview(data).cast("B")
    except TypeError as e:
        raise InvalidArgument(f"expected the bytes of a container, found {type(data).__name__}") from e
    header, at = Header.parse(view)
    return header, stage_reader(view, header, at)


def stage_reader(view: Any, header: Header, at: int) -> Callable[[int], Any]:
    """Gives the payload of a stage as a slice of the container's bytes; `at` is where the first one begins."""
    starts = list(accumulate(header.payload_sizes, initial=at))
    if len(view) > starts[-1]:
        raise CorruptData(f"container: expected {starts[-1]} bytes, found {len(view)}")

    def read_stage(stage: int) -> Any:
        if starts[stage] > len(view):
            raise TruncatedData(f"stage {stage} ends at byte {starts[stage]}, found {len(view)} bytes")
        return view[starts[stage - 1] : starts[stage]]

    return read_stage
