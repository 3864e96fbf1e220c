"""Regions of stage chunks decoded on a device: chunk bytes and columns stay there.

Values: chunks as arrays of bytes on the device in; int32 arrays of the device out, or the error of a damaged chunk.
Implements FORMAT.md section 10 (stage arrays) on the kernels of mmip_gpu.device, which take many chunks at once.
Guarantees what `decode_stage` gives of the same bytes. The host reads prefixes and heads. A batch takes a part of the
memory that is free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.arguments import thread_count
from mmip_gpu.device.decode.batch import SCRATCH_BYTES
from mmip_gpu.device.decode.jobs import DecodedBatch, DecodeSetup
from mmip_gpu.device.decode.payload_heads import DecodingTables, HeadFormat, PayloadHead, read_headerless_payload_heads
from mmip_gpu.device.decode.planes import token_room
from mmip_gpu.device.decode.substreams import ChunkSubstreams, SubstreamBatch
from mmip_gpu.device.decode.wave import correct_wave, decode_wave_columns
from mmip_gpu.device.lanes import Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.tiles import Box, CodingOrders, cut_into_waves, frame_bytes, tile_records
from mmip_gpu.errors import CorruptData, MmipError, TruncatedData
from mmip_gpu.stage_arrays.coding import TileBox, region_of_box
from mmip_gpu.stage_arrays.options import StageOptions
from mmip_gpu.stage_arrays.prefix import PREFIX_BOUND

__all__ = ["StageRegion", "decode_stages"]

_BYTES_PER_NUMBER = 8  # of device memory, about, beside the scratch that waves limit


@dataclass(frozen=True)
class StageRegion:
    """The bytes of a chunk (uint8, one axis), the shape of its array, and the region of it that is wanted.

    The bytes lie on the device, in an array of any library.
    """

    data: Any
    shape: tuple[int, ...]
    region: tuple[slice, ...]


def decode_stages(
    options: StageOptions, regions: Sequence[StageRegion], executor: Executor | None = None
) -> list[DeviceArray | MmipError]:
    """Decode the wanted region of each chunk; returns it, or what is wrong with the chunk.

    The default `executor` is that of the current CUDA device.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver or a device.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> from mmip_gpu.stage_arrays.coding import encode_stage
    >>> options, columns = StageOptions(2, 1, (0, 3, 3), (0, 9, 63)), np.ones((1, 1, 8, 8, 10), np.int32)
    >>> data = np.frombuffer(encode_stage(options, columns), np.uint8)
    >>> region = StageRegion(data, columns.shape, np.s_[0:1, 0:1, 2:5, 0:8, 0:3])
    >>> decode_stages(options, [region], HostExecutor())[0].shape
    (1, 1, 3, 8, 3)
    """
    executor = CudaExecutor() if executor is None else executor

    def size(region: StageRegion) -> int:
        return _BYTES_PER_NUMBER * math.prod(region.shape)

    def work(lane: Lane, batch: Sequence[StageRegion]) -> list[DeviceArray | MmipError]:
        return _decode_batch(options, batch, lane.executor)

    return list(through_lanes(executor, cut_batches(regions, size, budget(executor)), work, 1))


@dataclass
class _OpenedChunk:
    """A chunk whose prefix is sound, and of which some lies inside the grid; `columns_dev` are those of its box."""

    payload_dev: DeviceArray
    extent: tuple[int, ...]
    box: TileBox
    head: PayloadHead | None = None
    columns_dev: DeviceArray | None = None


def _decode_batch(
    options: StageOptions, regions: Sequence[StageRegion], executor: Executor
) -> list[DeviceArray | MmipError]:
    """Decode all regions, step by step. The errors of some leave the others as they are."""
    decoded = DecodedBatch(executor, len(regions))
    setup = DecodeSetup(executor, DecodingTables(executor), SCRATCH_BYTES, check_crc=True)
    chunks = _open_chunks(options, setup, regions, decoded)
    chunks = _read_heads(options, setup, regions, chunks, decoded)
    if chunks:
        _decode_columns(options, setup, chunks, decoded)
    for index, chunk in chunks.items():
        region = regions[index].region
        decoded.arrays[index] = region_of_box(options, chunk.columns_dev, chunk.box, region, executor.empty)
    return [a if error is None else error for a, error in zip(decoded.arrays, decoded.errors(), strict=True)]


@contract(reads="chunks_dev", writes="payloads_dev, boxes; arrays of what lies outside the grid", waits=True)
def _open_chunks(
    options: StageOptions, setup: DecodeSetup, regions: Sequence[StageRegion], decoded: DecodedBatch
) -> dict[int, _OpenedChunk]:
    """Chunks by their index. `decoded` has the arrays of regions outside the grid, and errors of damaged chunks."""
    executor = setup.executor
    chunks_dev = [executor.adopt(region.data) for region in regions]
    starts = executor.download_all([chunk_dev[:PREFIX_BOUND] for chunk_dev in chunks_dev])
    chunks = {}
    for index, (wanted, chunk_dev, start) in enumerate(zip(regions, chunks_dev, starts, strict=True)):
        try:
            extent, at = options.read_extent(start, wanted.shape)
            box = TileBox.of(options, extent, wanted.region)
            if box is None:
                decoded.arrays[index] = region_of_box(options, None, None, wanted.region, executor.empty)
            elif at == chunk_dev.size:
                raise TruncatedData("stage chunk: it ends after its prefix")
            else:
                chunks[index] = _OpenedChunk(chunk_dev[at:], extent, box)
        except MmipError as error:
            decoded.refuse(index, error)
    return chunks


@contract(reads="payloads_dev", writes="heads; room for columns_dev")
def _read_heads(
    options: StageOptions,
    setup: DecodeSetup,
    regions: Sequence[StageRegion],
    chunks: dict[int, _OpenedChunk],
    decoded: DecodedBatch,
) -> dict[int, _OpenedChunk]:
    """Chunks whose heads are sound, with room for the columns of their boxes."""
    if not chunks:
        return {}
    substreams = [math.prod(chunk.box.counts) for chunk in chunks.values()]
    formats = [HeadFormat(_stage_of_kernels(options), count, options.dc_image) for count in substreams]
    payloads_dev = [chunk.payload_dev for chunk in chunks.values()]
    heads = read_headerless_payload_heads(setup.executor, setup.tables, formats, payloads_dev, thread_count(None))
    sound = {}
    for (index, chunk), head in zip(chunks.items(), heads, strict=True):
        if isinstance(head, MmipError):
            decoded.refuse(index, head)
            continue
        if head.prediction and options.cell_depth != 1:
            decoded.refuse(index, CorruptData("stage 2: predictions of 3D blocks"))
            continue
        chunk.head, chunk.columns_dev = head, setup.executor.zeros(chunk.box.shape(options, chunk.extent), np.int32)
        sound[index] = chunk
    return sound


def _stage_of_kernels(options: StageOptions) -> int:
    return 0 if options.corrects else options.stage


@contract(reads="payloads_dev, by their addresses", writes="columns_dev; what `decoded` watches")
def _decode_columns(
    options: StageOptions, setup: DecodeSetup, chunks: dict[int, _OpenedChunk], decoded: DecodedBatch
) -> None:
    """Decode the tiles of all boxes, wave after wave."""
    batch = SubstreamBatch(setup.executor, setup.tables, CodingOrders(), setup.check_crc)
    for chunk in chunks.values():
        batch.chunks.append(_chunk_substreams(options, setup, chunk, len(batch.chunks), batch.orders))
    batch.join()
    numbers: NDArray[np.int64] = np.array(list(chunks), np.int64)
    for wave in cut_into_waves(batch.scratch_bytes(), setup.scratch_bytes):
        states_dev = correct_wave(batch, wave) if options.corrects else decode_wave_columns(batch, wave, options.stage)
        decoded.watch(states_dev, numbers[batch.tiles["item"][wave]], batch.substreams[wave])


def _chunk_substreams(
    options: StageOptions, setup: DecodeSetup, chunk: _OpenedChunk, index: int, orders: CodingOrders
) -> ChunkSubstreams:
    """The tiles of a chunk's box, and how the kernels decode them into its columns."""
    assert chunk.head is not None
    depth, cuts, steps = options.cell_depth, options.coded_cuts, options.coded_steps
    box = Box(options.coded_volume(chunk.extent), depth, options.coded_log2, tuple(chunk.box.bounds))
    tiles, substreams = tile_records(box, len(steps[0]), orders)
    tiles["item"] = index
    if not options.corrects and (options.stage > 1 or options.dc_image):
        ends = cuts[options.stage - 2 : options.stage] if options.stage > 1 else cuts
        tiles["room"] = token_room(tiles, substreams, depth, ends, [chunk.head])
    frames = frame_bytes(tiles, np.full(len(tiles), depth, np.int64), options.corrects)
    used = frames * (options.corrects or options.padding)
    stage, address = _stage_of_kernels(options), setup.executor.address(chunk.payload_dev)
    record = _record(options, setup, chunk, box)
    return ChunkSubstreams(record, tiles, substreams, {stage: chunk.head}, {stage: address}, used)


def _record(options: StageOptions, setup: DecodeSetup, chunk: _OpenedChunk, box: Box) -> NDArray[Any]:
    """The DecodeItem of a chunk."""
    columns_dev, steps = chunk.columns_dev, options.coded_steps
    assert columns_dev is not None
    item = np.zeros(1, struct_dtype("DecodeItem"))
    item["shape"], item["origin"], item["size"] = box.shape, chunk.box.first[1:], columns_dev.shape[1:4]
    item["samples"], item["type"] = setup.executor.address(columns_dev), SAMPLE_TYPES[np.dtype(np.int32)]
    item["tables"] = setup.tables.block_tables(box.depth, options.coded_cuts)
    stages = 2 if options.dc_image else min(options.stage, len(options.cuts))
    item["depth"], item["scale"], item["stages"] = box.depth, 1, stages
    item["class_count"], item["components"] = len(steps) if options.stage == 1 else 0, len(steps[0])
    item["padded"], item["continues"] = options.padding, options.dc_image
    item["predicted"] = chunk.head is not None and chunk.head.prediction
    item["cuts"][0, : len(options.coded_cuts)] = options.coded_cuts
    for k, row in enumerate(steps):
        item["steps"][0, k, : len(row)] = row
    if options.corrects:  # added to zeros they are themselves
        limits = np.iinfo(np.int32)
        item["corrected"], item["minimum"], item["maximum"] = 1, limits.min, limits.max
    return item
