"""The bricks of a batch of chunks of kind 2, and their decoding, a wave of them at a time.

Values: chunks whose payloads and planes lie in the executor's memory in; samples in their planes, and the states of
their sub-streams, out. Decoder side of FORMAT.md sections 3.1, 6, 8.6 and 8.7. Nothing waits for the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import CRC_GROUPS, GROUP_SUBSTREAMS
from mmip_gpu.device.decode.brick_chunks import PlacedChunk, chunk_records
from mmip_gpu.device.layouts.structs import KERNEL_LANES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import Executor
from mmip_gpu.device.tables.bricks import brick_records, joined_bricks, magnitude_room
from mmip_gpu.device.tables.tiles import cut_into_waves

__all__ = ["BrickBatch", "check_brick_groups", "decode_bricks"]

_COMPONENTS = 3  # of the lanes of a brick that is restored
_NUMBER_BYTES = 4


class BrickBatch:
    """Bricks and sub-streams of many chunks, in arrays on the host and in the executor's memory.

    `jobs` and `substreams` say what each stream is of; `states_dev` has how its decoding went.
    """

    def __init__(self, executor: Executor, chunks: dict[int, PlacedChunk]) -> None:
        self.executor = executor
        placed = list(chunks.values())
        known = {box: brick_records(box) for box in {chunk.box for chunk in placed}}
        records = [known[chunk.box] for chunk in placed]
        streams = np.array([len(r.substreams) for r in records])
        chunk_of = np.repeat(np.arange(len(placed)), streams)
        self.jobs = np.array(list(chunks), np.int64)[chunk_of]
        self.substreams = np.concatenate([r.substreams for r in records])
        self._bricks, self._tiles = joined_bricks(records)
        self._numbers = np.concatenate([r.numbers for r in records])
        self._room = max(magnitude_room(c.box) for c in placed)
        streams_of_kernels, self.groups = _stream_records(placed, chunk_of, self.substreams)
        self.states_dev = executor.zeros(len(self.substreams) * struct_dtype("DecodeState").itemsize // 8, np.int64)
        chunks_of_kernels, self._held = chunk_records(executor, placed)
        self._chunks_dev = executor.upload(chunks_of_kernels)
        self._streams_dev = executor.upload(streams_of_kernels)
        self._tile_bricks_dev = executor.upload(np.repeat(np.arange(len(self._tiles), dtype=np.int32), self._tiles))

    def waves(self, scratch_bytes: int) -> list[slice]:
        """Runs of bricks that are decoded together; sets where the numbers of each stand in its launch."""
        waves = cut_into_waves(_NUMBER_BYTES * (self._numbers + self._room * self._tiles), scratch_bytes)
        for wave in waves:
            self._bricks["first_number"][wave] = np.cumsum(self._numbers[wave]) - self._numbers[wave]
        self._bricks_dev = self.executor.upload(self._bricks)
        return waves

    def params(self, wave: slice) -> dict[str, int]:
        """Fields of BrickParams for a wave, but for `groups` and the scratch."""
        address, first_tile = self.executor.address, int(self._bricks["first_tile"][wave.start])
        return {
            "first_brick": wave.start,
            "brick_count": wave.stop - wave.start,
            "first_tile": first_tile,
            "tile_count": int(self._tiles[wave].sum()),
            "chunks": address(self._chunks_dev),
            "bricks": address(self._bricks_dev),
            "tile_bricks": address(self._tile_bricks_dev),
            "substreams": address(self._streams_dev),
            "states": address(self.states_dev),
            "magnitude_room": self._room,
        }

    def numbers(self, wave: slice) -> int:
        """Numbers of the bricks of a wave."""
        return int(self._numbers[wave].sum())


@contract(reads="payloads_dev", writes="states_dev of sub-streams", kernels=["check_groups"])
def check_brick_groups(batch: BrickBatch) -> None:
    """Compare the crcs of the groups of all sub-streams."""
    executor, groups = batch.executor, batch.groups
    groups_dev = executor.upload(groups)
    executor.launch(
        "check_groups",
        groups=-(-len(groups) // CRC_GROUPS),
        count=len(groups),
        items=executor.address(groups_dev),
        states=executor.address(batch.states_dev),
    )


@contract(
    reads="payloads_dev; tables of codes and predictors",
    writes="planes_dev of the wave's bricks; states_dev of sub-streams",
    kernels=["read_residuals", "add_cross", "restore_bricks", "store_bricks"],
)
def decode_bricks(batch: BrickBatch, wave: slice) -> None:
    """Read the residuals of all tiles, predict the bricks, and store their samples."""
    executor, params = batch.executor, batch.params(wave)
    numbers_dev = executor.empty(batch.numbers(wave), np.int32)
    magnitudes_dev = executor.empty(params["magnitude_room"] * params["tile_count"], np.int32)
    params |= {"numbers": executor.address(numbers_dev), "magnitudes": executor.address(magnitudes_dev)}
    bricks, tiles = params["brick_count"], params["tile_count"]
    executor.launch("read_residuals", groups=-(-tiles // KERNEL_LANES["read_residuals"]), **params)
    executor.launch("add_cross", groups=bricks, **params)
    executor.launch("restore_bricks", groups=-(-bricks * _COMPONENTS // KERNEL_LANES["restore_bricks"]), **params)
    executor.launch("store_bricks", groups=bricks, **params)


def _stream_records(
    chunks: list[PlacedChunk], chunk_of: NDArray[np.int64], substreams: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(SubstreamBytes of every stream, CrcGroup of every run of streams that share a group)."""
    offsets = [chunk.head.offsets for chunk in chunks]
    crcs = [chunk.head.group_crcs for chunk in chunks]
    sizes, groups = np.array([len(o) for o in offsets]), np.array([len(c) for c in crcs])
    at = np.array([chunk.addresses[0] for chunk in chunks], np.uint64)[chunk_of]
    first, every = (np.cumsum(sizes) - sizes)[chunk_of], np.concatenate(offsets)
    streams = np.zeros(len(substreams), struct_dtype("SubstreamBytes"))
    start = every[first + substreams]
    streams["data"], streams["bytes"] = at + start, every[first + substreams + 1] - start
    group = substreams // GROUP_SUBSTREAMS
    changes = (np.diff(group) != 0) | (np.diff(chunk_of) != 0)
    runs = np.flatnonzero(np.r_[True, changes])
    found = np.zeros(len(runs), struct_dtype("CrcGroup"))
    first, number, of_run = first[runs], group[runs], chunk_of[runs]
    start = every[first + number * GROUP_SUBSTREAMS]
    end = every[first + np.minimum((number + 1) * GROUP_SUBSTREAMS, sizes[of_run] - 1)]
    found["data"], found["bytes"] = at[runs] + start, end - start
    found["crc"] = np.concatenate(crcs)[(np.cumsum(groups) - groups)[of_run] + number]
    found["first_tile"], found["tiles"], found["stage"] = runs, np.diff(np.r_[runs, len(substreams)]), 1
    return streams, found
