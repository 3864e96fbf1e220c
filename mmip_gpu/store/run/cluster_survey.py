"""Surveys of a whole array on the workers of a cluster, before its first chunk is coded.

Values: a ClusterRunner in; a Survey out, which gives what the workers made of their blocks. Guarantees that no samples
travel to the client: workers open the source themselves, and compute the blocks of a Dask array. As few tasks are under
way as when chunks are coded.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, product
from math import prod
from typing import TYPE_CHECKING, Any

from mmip_gpu.errors import StoreError
from mmip_gpu.sources import Source
from mmip_gpu.sources.arrays import on_host
from mmip_gpu.store.group.grid import block_lengths, boxes
from mmip_gpu.store.job.survey import Block, Summary, Survey, surveyed_here
from mmip_gpu.store.job.tasks import Runner
from mmip_gpu.store.run.cluster_runner import NOWHERE, ClusterRunner, Outcome, in_groups, items_together
from mmip_gpu.store.run.dask_blocks import block_of
from mmip_gpu.store.run.pickling import pickled, unpickled
from mmip_gpu.volume.axes import PlaneLayout

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["survey_of"]

_SAMPLES_OF_A_TASK = 2**28  # looking is fast, and what is found of more pieces is no larger


def survey_of(run: Runner) -> Survey:
    """Survey where a runner runs its tasks: on the workers of a cluster, otherwise on this thread."""
    if not isinstance(run, ClusterRunner):
        return surveyed_here

    def survey(summarize: Summary, source: Source) -> Iterator[Any]:
        failures: list[tuple[Any, str]] = []
        submit = _SurveyTasks(run.client, summarize, source)
        with contextlib.closing(run.results(submit, submit.items, failures)) as results:
            for worker, _, outcomes in results:
                for _, found, problem in outcomes:
                    if problem is not None:
                        where = "the cluster" if worker == NOWHERE else f"the worker {worker}"
                        raise StoreError(f"{source.name}: cannot be looked through on {where}: {problem}")
                    yield found

    return survey


class _SurveyTasks:
    """Sends pieces of a source to workers: as regions, of a Dask array as keys of its blocks."""

    def __init__(self, client: Client, summarize: Summary, source: Source) -> None:
        self._client, self._data = client, pickled((summarize, source))
        self._name = f"mmip-look-{uuid.uuid4().hex}"
        self._graph: dict[Any, Any] = {}
        self.items: Iterable[Any]
        if hasattr(source.origin, "__dask_graph__"):
            blocks = source.origin.to_delayed()
            self._graph = dict(blocks.flat[0].dask) if blocks.size else {}
            starts = product(*((0, *accumulate(lengths))[:-1] for lengths in source.origin.chunks))
            self.items = ((start, block.key) for start, block in zip(starts, blocks.flat, strict=True))
            self._together = 1
        else:
            lengths = block_lengths(PlaneLayout.of(source.shape, source.axes))
            count = prod(-(-n // length) for n, length in zip(source.shape, lengths, strict=True))
            self.items = boxes(source.shape, lengths)
            self._together = items_together(client, count, prod(lengths), _SAMPLES_OF_A_TASK)

    def groups(self, items: Iterable[Any]) -> Iterator[Sequence[Any]]:
        """Pieces of a task each: a block of a Dask array, or a number that keeps tasks long enough."""
        return in_groups(items, self._together)

    def __call__(self, group: Sequence[Any]) -> Future:
        name: Any = f"{self._name}-{uuid.uuid4().hex}"
        if not self._graph:
            return self._client.submit(_summarize_on_worker, self._data, list(group), key=name, pure=False)
        from dask import delayed

        ((start, key),) = group
        run = delayed(_summarize_on_worker, pure=False)
        lazy = run(self._data, [start], block_of(self._graph, key), dask_key_name=name)
        found: Future = self._client.compute(lazy, optimize_graph=False)
        return found


def _summarize_on_worker(data: bytes, where: Sequence[Any], *blocks: Any) -> tuple[str, float, list[Outcome]]:
    """What a worker makes of regions of the source, or of blocks that came with the task, by where they begin."""
    from distributed import get_worker

    summarize, source = unpickled(data)
    read_blocks: Iterable[Block] = ((tuple(s.start for s in region), source.read(region)) for region in where)
    if blocks:
        read_blocks = zip(where, map(on_host, blocks), strict=True)
    found, problem = None, None
    try:
        found = summarize(read_blocks)
    except Exception as error:  # the job names the worker
        problem = f"{type(error).__name__}: {error}"
    return get_worker().address, 0.0, [(None, found, problem)]
