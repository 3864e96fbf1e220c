"""The blocks of Dask arrays that chunks need: they are sent by their keys, and computed as rarely as can be.

Values: a Dask array, as source or mask of a job, and chunk coordinates in; groups of chunks, each with the keys that
its task needs, out. Implements no section of FORMAT.md. Guarantees graphs of what a task needs and no more. The chunks
that a block holds come from computing it once, unless they are too many for a task.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any

from mmip_gpu.store.group.grid import Coordinates
from mmip_gpu.store.job.task_samples import SourceBoxes

__all__ = ["DaskBoxes", "block_of", "groups_by_block"]

_HEAVY = 2.0  # times that the samples of an array may be computed without a warning


class DaskBoxes:
    """The boxes of a Dask array that chunks are coded from: in blocks of its own, or cut out of several."""

    def __init__(self, boxes: SourceBoxes) -> None:
        self._boxes, self._array = boxes, boxes.source.origin
        self._borders = [(0, *accumulate(lengths)) for lengths in self._array.chunks]
        self._own = _Keys(self._array)

    def block_index(self, at: Coordinates) -> tuple[int, ...] | None:
        """Index of the block that holds all that a chunk needs; None where that lies in several."""
        first, last = self._block_range(at)
        return first if first == last else None

    def cost(self, at: Coordinates) -> int:
        """Samples of all blocks that a chunk needs something of."""
        touched = zip(self._borders, *self._block_range(at), strict=True)
        return prod(borders[last + 1] - borders[first] for borders, first, last in touched)

    def lazy(self, at: Coordinates) -> tuple[tuple[int, ...], Any]:
        """Where what a chunk is coded from begins, and its samples: of the block that holds it, or cut out."""
        held = self.block_index(at)
        if held is not None:
            start = tuple(borders[i] for borders, i in zip(self._borders, held, strict=True))
            return start, self._own.block(held)
        return tuple(part.start for part in self._boxes.region(at)), self._cut.block(self._boxes.index(at))

    def warn_if_heavy(self, samples: int) -> None:
        """Warn where about so many samples are computed for those that the array has."""
        times = samples / max(self._array.size, 1)
        if times > _HEAVY:
            warnings.warn(
                f"the blocks of the Dask array, {self._array.chunksize}, do not hold the chunks of the store, "
                f"{self._boxes.lengths}: its samples may be computed {times:.1f} times; rechunk it to multiples of "
                "the chunks, or pass chunks= that divide its blocks",
                RuntimeWarning,
                stacklevel=2,
            )

    def _block_range(self, at: Coordinates) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Indices of the first and the last block of what a chunk is coded from."""
        parts = list(zip(self._borders, self._boxes.region(at), strict=True))
        return (
            tuple(bisect_right(borders, part.start) - 1 for borders, part in parts),
            tuple(bisect_right(borders, part.stop - 1) - 1 for borders, part in parts),
        )

    @cached_property
    def _cut(self) -> _Keys:
        lengths = zip(self._boxes.lengths, self._array.shape, strict=True)
        return _Keys(self._array.rechunk(tuple(max(min(length, n), 1) for length, n in lengths)))


class _Keys:
    """The keys of a Dask array and its graph."""

    def __init__(self, array: Any) -> None:
        self._blocks = array.to_delayed()
        self._graph = dict(self._blocks.flat[0].dask) if self._blocks.size else {}

    def block(self, index: tuple[int, ...]) -> Any:
        return block_of(self._graph, self._blocks[index].key)


def block_of(graph: dict[Any, Any], key: Any) -> Any:
    """A block of a Dask array with what its key needs of the graph, and no more."""
    from dask.delayed import Delayed
    from dask.optimization import cull

    return Delayed(key, cull(graph, [key])[0])


def groups_by_block(
    arrays: Mapping[str, DaskBoxes], items: Iterable[Coordinates], most: int
) -> Iterator[list[Coordinates]]:
    """Put chunks together that the same blocks hold, `most` of them at most; others come one by one."""
    groups: dict[Any, list[Coordinates]] = {}
    for at in items:
        block_indices = tuple(boxes.block_index(at) for boxes in arrays.values())
        groups.setdefault(at if None in block_indices else (block_indices,), []).append(at)
    parts = [group[i : i + most] for group in groups.values() for i in range(0, len(group), most)]
    for boxes in arrays.values():
        boxes.warn_if_heavy(sum(boxes.cost(part[0]) for part in parts))
    yield from parts
