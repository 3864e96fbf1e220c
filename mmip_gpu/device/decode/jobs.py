"""What a decoder takes and what it gives: jobs, jobs that passed the checks, and a batch with errors of damaged items.

Values: headers and payloads in; arrays of the executor out, statuses in its memory until they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import STATUS_TRUNCATED, status_text
from mmip_gpu.container.codec import Wanted
from mmip_gpu.container.header import Header
from mmip_gpu.device.decode.payload_heads import DecodingTables, PayloadHead
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.tiles import Box
from mmip_gpu.errors import CorruptData, MmipError, TruncatedData
from mmip_gpu.volume.tiled_region import TiledRegion

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CheckedJob", "DecodeJob", "DecodeSetup", "DecodedBatch"]


@dataclass(frozen=True)
class DecodeJob:
    """A chunk and what is wanted of it.

    `payloads` holds those of stage 1, 2, .., as many as are needed or more. They are bytes of the host, or arrays of
    bytes in the executor's memory, which `in_device_memory` says.
    """

    header: Header[Any]
    payloads: Sequence[Buffer | DeviceArray]
    wanted: Wanted = field(default_factory=Wanted)
    in_device_memory: bool = False


@dataclass(frozen=True)
class DecodeSetup:
    """What the steps of a batch share; launches take at most `scratch_bytes` beside payloads and results."""

    executor: Executor
    tables: DecodingTables
    scratch_bytes: int
    check_crc: bool


@dataclass
class CheckedJob:
    """A job that passed the checks of the host, and where it is decoded to.

    `planes_dev` has the planes of its box, `image_dev` the DC image of its box, both in the executor's memory.
    `addresses` says where its payloads stand there.
    """

    job: DecodeJob
    heads: list[PayloadHead]
    region: TiledRegion
    box: Box
    planes_dev: DeviceArray
    image_dev: DeviceArray | None = None
    addresses: list[int] = field(default_factory=list)

    @property
    def coefficient_stages(self) -> int:
        """How many stages are decoded, without the corrections."""
        return min(len(self.heads), len(self.job.header.fields.cuts))

    @property
    def components(self) -> int:
        """How many planes are transformed together."""
        return 3 if self.job.header.colour else 1


class DecodedBatch:
    """Arrays in the executor's memory, one for each job; those of jobs without an error are valid."""

    def __init__(self, executor: Executor, jobs: int) -> None:
        self.arrays: list[DeviceArray | None] = [None] * jobs
        self._executor = executor
        self._errors: dict[int, MmipError] = {}
        self._states: list[tuple[DeviceArray, NDArray[np.int64], NDArray[np.int64]]] = []

    def refuse(self, index: int, error: MmipError) -> None:
        """Note the error of a job for which nothing was launched."""
        self._errors[index] = error

    def watch(self, states_dev: DeviceArray, jobs: NDArray[np.int64], substreams: NDArray[np.int64]) -> None:
        """Note the states of tiles, which launches may not have written yet, with the job and sub-stream of each."""
        self._states.append((states_dev, jobs, substreams))

    @contract(reads="states_dev of all waves", writes="errors", waits=True)
    def errors(self) -> list[MmipError | None]:
        """Wait for the launches; returns the error of each job, None for a sound one."""
        for states_dev, jobs, substreams in self._states:
            states = self._executor.download(states_dev).view(struct_dtype("DecodeState"))
            for at in np.flatnonzero(states["status"]):
                self._errors.setdefault(int(jobs[at]), _error_of(states[at], int(substreams[at])))
        self._states.clear()
        return [self._errors.get(i) for i in range(len(self.arrays))]

    def results(self) -> list[DeviceArray]:
        """Wait for the launches; returns the arrays.

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
