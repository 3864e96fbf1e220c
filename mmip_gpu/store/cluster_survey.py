"""Surveys of a whole array on the workers of a cluster, before its first chunk is coded.

Values: a ClusterRunner in; a Survey out, which gives what the workers made of their pieces. Guarantees that no samples
travel to the client: workers open the source themselves, and of a Dask array compute the blocks; and tasks as few
under way as those of chunks.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from mmip_gpu.axes import PlaneLayout
from mmip_gpu.errors import StoreError
from mmip_gpu.sources import Source
from mmip_gpu.sources.arrays import on_host

from .cluster import ClusterRunner, Outcome, block_of, items_together
from .grid import Region, boxes, piece_lengths
from .portable import opened, packed
from .survey import Look, Survey

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["surveyed_on"]

_SAMPLES_OF_A_TASK = 2**28  # looking is fast, and what is found of more pieces is no larger


def surveyed_on(run: ClusterRunner) -> Survey:
    """Survey on the workers of a cluster."""

    def survey(look: Look, source: Source) -> Iterator[Any]:
        failures: list[tuple[Any, str]] = []
        submit = _PieceTasks(run.client, look, source)
        with contextlib.closing(run.results(submit, submit.items, failures)) as results:
            for _, _, outcomes in results:
                for _, found, problem in outcomes:
                    if problem is not None:
                        raise StoreError(f"{source.name}: cannot be looked through on the cluster: {problem}")
                    yield found

    return survey


class _PieceTasks:
    """Sends pieces of a source to workers: as regions, of a Dask array as keys of its blocks."""

    def __init__(self, client: Client, look: Look, source: Source) -> None:
        self._client, self._data = client, packed((look, source))
        self._name = f"mmip-look-{uuid.uuid4().hex}"
        self._graph: dict[Any, Any] = {}
        self.items: Iterable[Any]
        if hasattr(source.origin, "__dask_graph__"):
            blocks = source.origin.to_delayed().reshape(-1)
            self._graph = dict(blocks[0].dask) if blocks.size else {}
            self.items, self.items_of_a_task = (block.key for block in blocks), 1
        else:
            lengths = piece_lengths(PlaneLayout.of(source.shape, source.axes))
            count = prod(-(-n // length) for n, length in zip(source.shape, lengths, strict=True))
            self.items = boxes(source.shape, lengths)
            self.items_of_a_task = items_together(client, count, prod(lengths), _SAMPLES_OF_A_TASK)

    def __call__(self, group: Sequence[Any]) -> Future:
        name: Any = f"{self._name}-{uuid.uuid4().hex}"
        if not self._graph:
            return self._client.submit(_look, self._data, list(group), key=name, pure=False)
        from dask import delayed

        block = block_of(self._graph, group[0])
        lazy = delayed(_look, pure=False)(self._data, [], block, dask_key_name=name)
        found: Future = self._client.compute(lazy, optimize_graph=False)
        return found


def _look(data: bytes, regions: Sequence[Region], *blocks: Any) -> tuple[str, float, list[Outcome]]:
    """What a worker makes of regions of the source, or of blocks that came with the task."""
    look, source = opened(data)
    parts = [on_host(block) for block in blocks] or map(source.read, regions)
    return "", 0.0, [(None, look(parts), None)]
