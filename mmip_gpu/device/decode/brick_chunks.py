"""The first steps of decoding chunks of kind 2, on the host: heads are read, and chunks are given room.

Values: jobs in; by their index those that passed, with what their heads say and room for samples, out. Decoder side of
FORMAT.md sections 1, 6 and 6.1. A job that fails leaves its error in the DecodedBatch, and the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import PredictiveHead
from mmip_gpu.container.single_payload import check_head, check_stages
from mmip_gpu.device.decode.jobs import DecodedBatch, DecodeJob
from mmip_gpu.device.decode.payload_heads import payload_starts
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.bricks import BrickBox
from mmip_gpu.errors import MmipError
from mmip_gpu.predictive.fast import FastHeader, brick_region
from mmip_gpu.volume.floats import sample_dtype, sample_range
from mmip_gpu.volume.tiled_region import TiledRegion

__all__ = ["PlacedChunk", "allocate_samples", "chunk_records", "read_heads", "region_of_bricks"]


@dataclass
class PlacedChunk:
    """A job that passed the checks of the host; `planes_dev` has room for the planes of its box."""

    job: DecodeJob
    head: PredictiveHead
    region: TiledRegion
    box: BrickBox
    planes_dev: DeviceArray
    addresses: list[int] = field(default_factory=list)

    @property
    def heads(self) -> Sequence[PredictiveHead]:
        """The head of its one payload."""
        return [self.head]


@contract(reads="payloads of the host or payloads_dev", writes="heads, by job; refused jobs", waits=True)
def read_heads(
    executor: Executor, jobs: Sequence[DecodeJob], decoded: DecodedBatch, check_crc: bool
) -> dict[int, PredictiveHead]:
    """Read the heads of the jobs' payloads; the host waits for those on a device."""
    starts = payload_starts(executor, [(job.payloads[0], job.in_device_memory) for job in jobs])
    heads = {}
    for index, (job, (head, size)) in enumerate(zip(jobs, starts, strict=True)):
        header: FastHeader = job.header
        fields, layout = header.fields, header.layout
        form = fields.colour_form, fields.bits, fields.offset, fields.tile_log2, fields.brick_log2
        try:
            check_stages(job.wanted)
            check_head(fields.payload, size, head.data, fields.substreams(layout), check_crc)
            heads[index] = PredictiveHead(head, size, check_crc, layout.planes, layout.volume, header.colour, form)
        except MmipError as error:
            decoded.refuse(index, error)
    return heads


@contract(reads="jobs and heads", writes="room for planes_dev; empty arrays of `decoded`; refused jobs")
def allocate_samples(
    executor: Executor,
    jobs: Sequence[DecodeJob],
    heads: dict[int, PredictiveHead],
    decoded: DecodedBatch,
    max_bytes: int,
) -> dict[int, PlacedChunk]:
    """Give each job room for what it decodes to. A job whose region holds no sample is done."""
    placed = {}
    for index, head in heads.items():
        job = jobs[index]
        header: FastHeader = job.header
        try:
            region = region_of_bricks(job).limited(max_bytes)
        except MmipError as error:
            decoded.refuse(index, error)
            continue
        if region.samples:
            box = BrickBox.of(header, region.box)
            shape = (region.box[1] - region.box[0], *box.size)
            placed[index] = PlacedChunk(job, head, region, box, executor.empty(shape, _stored(header)))
        else:
            decoded.arrays[index] = executor.empty(region.layout.shape, header.dtype)
    return placed


def region_of_bricks(job: DecodeJob) -> TiledRegion:
    """What a job wants of its chunk, at full size."""
    return brick_region(job.header, job.wanted)


def _stored(header: FastHeader) -> np.dtype[Any]:
    return sample_dtype(np.dtype(header.dtype))


def chunk_records(executor: Executor, chunks: Sequence[PlacedChunk]) -> tuple[NDArray[Any], list[DeviceArray]]:
    """(BrickChunk of every chunk, the arrays that these point at)."""
    records = np.zeros(len(chunks), struct_dtype("BrickChunk"))
    parts: list[list[NDArray[Any]]] = [[], [], [], []]
    for record, chunk in zip(records, chunks, strict=True):
        header: FastHeader = chunk.job.header
        head, fields, cross = chunk.head, header.fields, chunk.head.cross.reshape(-1, 3)
        values = head.values
        record["origin"], record["size"] = chunk.box.origin, chunk.box.size
        record["samples"], record["type"] = executor.address(chunk.planes_dev), SAMPLE_TYPES[_stored(header)]
        record["components"], record["channels"] = chunk.box.components, chunk.box.channels
        record["colour_form"], record["bits"] = fields.colour_form, fields.bits
        record["step"], record["offset"] = 2 * fields.near + 1, fields.offset
        record["minimum"], record["maximum"] = sample_range(np.dtype(header.dtype))
        record["tile_log2"] = fields.tile_log2
        record["cross"][: len(cross)], record["context"][: len(cross)] = cross[:, :2], cross[:, 2]
        record["bricks"] = head.set_of_brick.size // chunk.box.components
        record["value_count"] = values.size // (chunk.box.channels if chunk.box.components < chunk.box.channels else 1)
        tables: tuple[NDArray[Any], ...] = (head.entries, head.sets, head.set_of_brick, values)
        for part, array in zip(parts, tables, strict=True):
            part.append(array)
    held = [executor.upload(np.concatenate(part)) for part in parts]
    for name, arrays, array_dev in zip(("entries", "sets", "set_of_brick", "values"), parts, held, strict=True):
        ends = np.cumsum([array.nbytes for array in arrays])
        starts = ends - [array.nbytes for array in arrays] + executor.address(array_dev)
        records[name] = np.where([array.size > 0 for array in arrays], starts, 0)
    return records, held
