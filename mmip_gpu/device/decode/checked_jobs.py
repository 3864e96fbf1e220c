"""The first steps of decoding, on the host: jobs are checked, and given room in the executor's memory.

Values: jobs in; by their index the jobs that passed, with payload heads, room for planes, and where the payloads stand,
out. Decoder side of FORMAT.md sections 1, 3 and 6. A job that fails leaves its error in the DecodedBatch, and the
others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.device.decode.jobs import CheckedJob, DecodedBatch, DecodeJob, DecodeSetup
from mmip_gpu.device.decode.payload_heads import PayloadHead, StagePayload, read_payload_heads
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.tiles import Box
from mmip_gpu.errors import MmipError
from mmip_gpu.transform.extent import needed_stages
from mmip_gpu.transform.tiled_region import region_within
from mmip_gpu.volume.floats import sample_dtype
from mmip_gpu.volume.tiled_region import TiledRegion

__all__ = [
    "PlacedJob",
    "Upload",
    "allocate_planes",
    "check_payloads",
    "image_box",
    "upload_payloads",
    "upload_together",
]

Upload = Callable[[Sequence[NDArray[np.uint8]]], list[DeviceArray]]
"""From arrays of bytes on the host to copies in the executor's memory."""


@contract(reads="payloads of the host or payloads_dev", writes="heads of the needed stages, by job; refused jobs")
def check_payloads(
    setup: DecodeSetup, jobs: Sequence[DecodeJob], decoded: DecodedBatch, threads: int
) -> dict[int, list[PayloadHead]]:
    """Read the heads of the payloads that each job needs; returns those of jobs whose payloads are sound."""
    counts: dict[int, int] = {}
    payloads = []
    for index, job in enumerate(jobs):
        try:
            needed = job.payloads[: needed_stages(job.header, job.wanted)]
        except MmipError as error:
            decoded.refuse(index, error)
            continue
        payloads += [StagePayload(job.header, stage, p, job.in_device_memory) for stage, p in enumerate(needed, 1)]
        counts[index] = len(needed)
    read = iter(read_payload_heads(setup.executor, setup.tables, payloads, setup.check_crc, threads))
    sound = {}
    for index, count in counts.items():
        heads, errors = [], []
        for head in islice(read, count):
            if isinstance(head, MmipError):
                errors.append(head)
            else:
                heads.append(head)
        if errors:
            decoded.refuse(index, errors[0])
        else:
            sound[index] = heads
    return sound


@contract(reads="jobs and heads", writes="room for planes_dev and image_dev; empty arrays of `decoded`; refused jobs")
def allocate_planes(
    setup: DecodeSetup,
    jobs: Sequence[DecodeJob],
    heads: dict[int, list[PayloadHead]],
    decoded: DecodedBatch,
    max_bytes: int,
) -> dict[int, CheckedJob]:
    """Give each job room for what it decodes to. A job whose region holds no sample is done."""
    checked = {}
    for index, of_job in heads.items():
        job = jobs[index]
        try:
            region = region_within(job.header, job.wanted, max_bytes)
        except MmipError as error:
            decoded.refuse(index, error)
            continue
        if region.samples:
            checked[index] = _allocated(setup, job, of_job, region)
        else:
            decoded.arrays[index] = setup.executor.empty(region.layout.shape, job.header.dtype)
    return checked


def _allocated(setup: DecodeSetup, job: DecodeJob, heads: list[PayloadHead], region: TiledRegion) -> CheckedJob:
    header, fields, empty = job.header, job.header.fields, setup.executor.empty
    box = Box(header.layout.volume, fields.depth, fields.tile_log2, tuple(region.box))
    planes = region.box[1] - region.box[0]
    dtype = np.dtype(np.int32) if header.colour else sample_dtype(np.dtype(header.dtype))
    checked = CheckedJob(job, heads, region, box, empty((planes, *box.window(job.wanted.scale)[1]), dtype))
    if fields.dc_image is not None:
        checked.image_dev = empty((planes, *image_box(box).window(1)[1]), np.int32)
    return checked


def image_box(box: Box) -> Box:
    """The same tiles in the geometry of the DC image (FORMAT.md section 8.4)."""
    z, y, x = box.tile_log2
    return Box(box.grid, 1, (z, y - 3, x - 3), box.bounds)


class PlacedJob(Protocol):
    """A job that passed the checks: `addresses` are those of the payloads whose `heads` were read."""

    job: DecodeJob
    addresses: list[int]

    @property
    def heads(self) -> Sequence[Any]:
        """Heads of the payloads that are needed."""
        ...


@contract(reads="payloads of the host", writes="payloads_dev, and the addresses of all payloads")
def upload_payloads(executor: Executor, chunks: Sequence[PlacedJob], upload: Upload) -> list[DeviceArray]:
    """Send the payloads of the host together, and set the addresses of all; returns what must stay alive."""
    used = [chunk.job.payloads[: len(chunk.heads)] for chunk in chunks]
    on_host = [
        np.frombuffer(payload, np.uint8)
        for chunk, payloads in zip(chunks, used, strict=True)
        if not chunk.job.in_device_memory
        for payload in payloads
    ]
    uploaded_dev = upload([*on_host, np.zeros(16, np.uint8)]) if on_host else []
    each = iter(uploaded_dev)
    for chunk, payloads in zip(chunks, used, strict=True):
        payloads_dev = payloads if chunk.job.in_device_memory else islice(each, len(payloads))
        chunk.addresses = [executor.address(payload_dev) for payload_dev in payloads_dev]
    return uploaded_dev


def upload_together(executor: Executor, arrays: Sequence[NDArray[np.uint8]]) -> list[DeviceArray]:
    """Copy arrays of bytes into one array of the executor; returns its slices."""
    joined_dev = executor.upload(np.concatenate(arrays))
    ends = np.cumsum([len(array) for array in arrays])
    return [joined_dev[end - len(array) : end] for array, end in zip(arrays, ends, strict=True)]
