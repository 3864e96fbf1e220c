"""What a decoder is given and what it gives: jobs, chunks under way, and a batch with an error for every damaged item.

Values: headers and payloads in; arrays of the executor out, statuses in its memory until they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import STATUS_TRUNCATED, status_text
from mmip_gpu.container.codec import Wanted
from mmip_gpu.container.header import TransformHeader
from mmip_gpu.device.decode.payload_heads import StageHead
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.tables.tiles import Box
from mmip_gpu.errors import CorruptData, MmipError, TruncatedData
from mmip_gpu.transform.tiled_region import TiledRegion

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Chunk", "DecodeJob", "Decoded"]


@dataclass(frozen=True)
class DecodeJob:
    """A chunk and what is wanted of it; `payloads` holds those of stage 1, 2, .., as many as are needed or more."""

    header: TransformHeader
    payloads: Sequence[Buffer | Array]
    wanted: Wanted = field(default_factory=Wanted)


@dataclass
class Chunk:
    """A job that passed the checks of the host; `image` is the DC image of its box."""

    job: DecodeJob
    part: TiledRegion
    heads: list[StageHead]
    addresses: list[int]
    box: Box
    planes: Array
    image: Array | None = None

    @property
    def coefficient_stages(self) -> int:
        """Stages to decode, without the corrections."""
        return min(len(self.heads), len(self.job.header.fields.cuts))


class Decoded:
    """What a batch became: an array for each job, of which those without an error are valid."""

    def __init__(self, executor: Executor, jobs: int) -> None:
        self.arrays: list[Array | None] = [None] * jobs
        self._executor = executor
        self._errors: dict[int, MmipError] = {}
        self._states: list[tuple[Array, NDArray[np.int64], NDArray[np.int64]]] = []

    def refuse(self, index: int, error: MmipError) -> None:
        """A job has failed before anything was launched for it."""
        self._errors[index] = error

    def watch(self, states: Array, jobs: NDArray[np.int64], substreams: NDArray[np.int64]) -> None:
        """Remember the states of tiles with the job and the sub-stream of each."""
        self._states.append((states, jobs, substreams))

    def errors(self) -> list[MmipError | None]:
        """Error of each job; waits for the launches."""
        for states, jobs, substreams in self._states:
            found = self._executor.download(states).view(struct_dtype("DecodeState"))
            for at in np.flatnonzero(found["status"]):
                self._errors.setdefault(int(jobs[at]), _error_of(found[at], int(substreams[at])))
        self._states.clear()
        return [self._errors.get(i) for i in range(len(self.arrays))]

    def results(self) -> list[Array]:
        """The arrays; waits for the launches.

        Raises
        ------
        CorruptData, TruncatedData, LimitExceeded, InvalidArgument
            The first error; in a batch with the index of its job.
        """
        for index, error in enumerate(self.errors()):
            if error is not None:
                raise type(error)(f"item {index}: {error}") if len(self.arrays) > 1 else error
        return list(self.arrays)


def _error_of(state: np.void, substream: int) -> MmipError:
    status, stage = int(state["status"]), int(state["stage"])
    kind = TruncatedData if status == STATUS_TRUNCATED else CorruptData
    return kind(f"stage {stage}, sub-stream {substream} {status_text(status)}")
