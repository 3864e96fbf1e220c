"""Parts of stage chunks decoded on a device: chunk bytes and columns stay there.

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
from mmip_gpu.device.decode.batch import SCRATCH_BYTES, token_room
from mmip_gpu.device.decode.jobs import Decoded
from mmip_gpu.device.decode.payload_heads import CodeStore, HeadKind, StageHead, read_lone_heads
from mmip_gpu.device.decode.substreams import Layer, LayerItem
from mmip_gpu.device.lanes import Lane, budget, cut_batches, through_lanes
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.cuda_executor import CudaExecutor
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.tables.tiles import Box, CodingOrders, cut_into_waves, frame_bytes, scratch_bytes, tile_records
from mmip_gpu.errors import MmipError, TruncatedData
from mmip_gpu.stage_arrays.coding import TileBox, placed
from mmip_gpu.stage_arrays.options import StageOptions
from mmip_gpu.stage_arrays.prefix import PREFIX_BOUND

__all__ = ["StagePart", "decode_stages"]

_BYTES_PER_NUMBER = 8  # of device memory, about, beside the scratch that waves limit


@dataclass(frozen=True)
class StagePart:
    """The bytes of a chunk (uint8, one axis), the shape of its array, and the region of that which is wanted."""

    data: Any
    shape: tuple[int, ...]
    region: tuple[slice, ...]


def decode_stages(
    options: StageOptions, parts: Sequence[StagePart], executor: Executor | None = None
) -> list[Array | MmipError]:
    """The wanted region of each chunk, or what is wrong with it; `executor` is that of the current CUDA device.

    Raises
    ------
    BackendUnavailable
        Without CuPy, a driver or a device.

    Examples
    --------
    >>> from mmip_gpu.device import HostExecutor
    >>> from mmip_gpu.stage_arrays.coding import encode_stage
    >>> options, columns = StageOptions(2, 1, (0, 3, 3), (0, 9, 63)), np.ones((1, 1, 8, 8, 10), np.int32)
    >>> data = np.frombuffer(encode_stage(options, columns), np.uint8)
    >>> part = StagePart(data, columns.shape, np.s_[0:1, 0:1, 2:5, 0:8, 0:3])
    >>> decode_stages(options, [part], HostExecutor())[0].shape
    (1, 1, 3, 8, 3)
    """
    executor = CudaExecutor() if executor is None else executor

    def size(part: StagePart) -> int:
        return _BYTES_PER_NUMBER * math.prod(part.shape)

    def work(lane: Lane, batch: Sequence[StagePart]) -> list[Array | MmipError]:
        return _Decoder(options, batch, lane.executor).run()

    return list(through_lanes(executor, cut_batches(parts, size, budget(executor)), work, 1))


@dataclass
class _Chunk:
    """A part whose prefix is sound, and that is not wholly outside the grid."""

    payload: Array
    extent: tuple[int, ...]
    box: TileBox


class _Decoder:
    def __init__(self, options: StageOptions, parts: Sequence[StagePart], executor: Executor) -> None:
        self._options, self._parts, self._executor = options, parts, executor
        self._store, self._orders = CodeStore(executor), CodingOrders()
        self._stage = 0 if options.corrects else options.stage

    def run(self) -> list[Array | MmipError]:
        """Decode all parts; the errors of some leave the others as they are."""
        options, executor = self._options, self._executor
        decoded = Decoded(executor, len(self._parts))
        chunks = self._opened(decoded)
        substreams = [math.prod(chunk.box.counts) for chunk in chunks.values()]
        kinds = [HeadKind(self._stage, count, options.dc_image) for count in substreams]
        wanted = [(kind, chunk.payload) for kind, chunk in zip(kinds, chunks.values(), strict=True)]
        heads = read_lone_heads(executor, self._store, wanted, thread_count(None)) if wanted else []
        layer = Layer(executor, self._store, self._orders, check_crc=True)
        outputs: dict[int, Array] = {}
        for (index, chunk), head in zip(chunks.items(), heads, strict=True):
            if isinstance(head, MmipError):
                decoded.refuse(index, head)
                continue
            outputs[index] = executor.zeros(chunk.box.shape(options, chunk.extent), np.int32)
            layer.parts.append(self._item(chunk, head, outputs[index], len(layer.parts)))
        if outputs:
            self._decode(layer, decoded, list(outputs))
        for index, output in outputs.items():
            decoded.arrays[index] = placed(
                options, output, chunks[index].box, self._parts[index].region, executor.empty
            )
        return [
            array if error is None else error for array, error in zip(decoded.arrays, decoded.errors(), strict=True)
        ]

    def _opened(self, decoded: Decoded) -> dict[int, _Chunk]:
        """Chunks by their index; of those outside the grid and of damaged ones `decoded` is told."""
        options, executor = self._options, self._executor
        held = [executor.adopt(part.data) for part in self._parts]
        starts = executor.download_all([array[:PREFIX_BOUND] for array in held])
        chunks = {}
        for index, (part, array, start) in enumerate(zip(self._parts, held, starts, strict=True)):
            try:
                extent, at = options.read_extent(start, part.shape)
                box = TileBox.of(options, extent, part.region)
                if box is None:
                    decoded.arrays[index] = placed(options, None, None, part.region, executor.empty)
                elif at == array.size:
                    raise TruncatedData("stage chunk: it ends after its prefix")
                else:
                    chunks[index] = _Chunk(array[at:], extent, box)
            except MmipError as error:
                decoded.refuse(index, error)
        return chunks

    def _item(self, chunk: _Chunk, head: StageHead, output: Array, index: int) -> LayerItem:
        """The tiles of a chunk's box, and how the kernels decode them into the output."""
        options, executor = self._options, self._executor
        depth, cuts, steps = options.cell_depth, options.coded_cuts, options.coded_steps
        volume = options.coded_volume(chunk.extent)
        box = Box(volume, depth, options.coded_log2, tuple(chunk.box.bounds))
        tiles, substreams = tile_records(box, len(steps[0]), self._orders)
        tiles["item"] = index
        item = np.zeros(1, struct_dtype("DecodeItem"))
        item["shape"], item["origin"], item["size"] = volume, chunk.box.first[1:], output.shape[1:4]
        item["samples"], item["type"] = executor.address(output), SAMPLE_TYPES[np.dtype(np.int32)]
        item["tables"] = self._store.block_tables(depth, cuts)
        stages = 2 if options.dc_image else min(options.stage, len(options.cuts))
        item["depth"], item["scale"], item["stages"] = depth, 1, stages
        item["class_count"], item["components"] = len(steps) if options.stage == 1 else 0, len(steps[0])
        item["padded"], item["continues"] = options.padding, options.dc_image
        item["cuts"][0, : len(cuts)] = cuts
        for k, row in enumerate(steps):
            item["steps"][0, k, : len(row)] = row
        if options.corrects:  # added to zeros they are themselves
            limits = np.iinfo(np.int32)
            item["corrected"], item["minimum"], item["maximum"] = 1, limits.min, limits.max
        elif options.stage > 1 or options.dc_image:
            ends = cuts[options.stage - 2 : options.stage] if options.stage > 1 else cuts
            tiles["room"] = token_room(tiles, substreams, depth, ends, [head])
        frames = frame_bytes(tiles, np.full(len(tiles), depth, np.int64), options.corrects)
        used = frames * (options.corrects or options.padding)
        addresses = {self._stage: executor.address(chunk.payload)}
        return LayerItem(item, tiles, substreams, {self._stage: head}, addresses, used)

    def _decode(self, layer: Layer, decoded: Decoded, indices: Sequence[int]) -> None:
        """All tiles of a layer, wave after wave; `indices` are those of its items."""
        layer.seal()
        numbers: NDArray[np.int64] = np.array(indices, np.int64)
        for wave in cut_into_waves(scratch_bytes(layer.tiles, layer.stages, layer.frames), SCRATCH_BYTES):
            if self._options.corrects:
                states = layer.run_corrections(wave)
            else:
                states = layer.run_columns(wave, self._options.stage)
            decoded.watch(states, numbers[layer.tiles["item"][wave]], layer.substreams[wave])
