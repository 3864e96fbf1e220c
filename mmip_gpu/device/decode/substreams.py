"""The sub-streams of many chunks, or of their DC images, in one batch: what launches over their tiles read.

Values: records, tiles and payload heads of each chunk in; arrays of all tiles, on the host and in the executor's
memory, out. Decoder side of FORMAT.md section 3. decode/wave.py decodes the tiles, a wave of them at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import GROUP_SUBSTREAMS
from mmip_gpu.device.decode.payload_heads import DecodingTables, PayloadHead
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.tiles import CodingOrders, cells_of, scratch_bytes

__all__ = ["ChunkSubstreams", "SubstreamBatch", "is_restored"]


@dataclass
class ChunkSubstreams:
    """The sub-streams of a chunk: its record, its tiles, and by stage the head and the address of the payload.

    Corrections are stage 0. `frames` has the scratch words of each tile for a mask or for corrections.
    """

    record: NDArray[Any]
    tiles: NDArray[Any]
    substreams: NDArray[np.int64]
    heads: dict[int, PayloadHead]
    addresses: dict[int, int]
    frames: NDArray[np.int64]


@dataclass
class SubstreamBatch:
    """Sub-streams of many chunks. Chunks are added to `chunks`, and `join` makes one array of all their tiles."""

    executor: Executor
    decoding_tables: DecodingTables
    orders: CodingOrders
    check_crc: bool
    chunks: list[ChunkSubstreams] = field(default_factory=list)

    def join(self) -> None:
        """Join the chunks. None may be added afterwards."""
        self.items = _joined([chunk.record for chunk in self.chunks])
        self.tiles = _joined([chunk.tiles for chunk in self.chunks])
        self.frames = np.concatenate([chunk.frames for chunk in self.chunks])
        self.substreams = np.concatenate([chunk.substreams for chunk in self.chunks])
        stages = np.where(self.items["class_count"] > 0, self.items["stages"], 2)  # of a stage on its own, one list
        self.stages = stages[self.tiles["item"]].astype(np.int64)
        self.restored = 64 * cells_of(self.tiles) * is_restored(self.items)[self.tiles["item"]]
        self._codes: dict[int, DeviceArray] = {}
        self._bytes: dict[int, NDArray[Any]] = {}
        self._groups: dict[int, NDArray[Any]] = {}
        for stage in sorted({s for chunk in self.chunks for s in chunk.heads}):
            self._join_stage(stage)
        self._items_dev = self.executor.upload(self.items)
        self._orders_dev = [self.executor.upload(order) for order in self.orders.arrays()]

    def _join_stage(self, stage: int) -> None:
        codes = np.zeros(len(self.chunks), struct_dtype("StageCodes"))
        record = np.zeros(len(self.tiles), struct_dtype("SubstreamBytes"))
        groups = np.zeros(len(self.tiles), struct_dtype("CrcGroup"))
        heads = {index: chunk.heads[stage] for index, chunk in enumerate(self.chunks) if stage in chunk.heads}
        for index, head in heads.items():
            codes[index] = head.codes.record
        number = np.full(len(self.chunks), -1)
        number[list(heads)] = np.arange(len(heads))
        chosen = np.flatnonzero(number[self.tiles["item"]] >= 0)
        item, substream = self.tiles["item"][chosen], self.substreams[chosen]
        of_head = number[item]
        at = np.array([self.chunks[index].addresses[stage] for index in heads], np.uint64)[of_head]
        offsets, first = _flat([head.offsets for head in heads.values()])
        crcs, first_crc = _flat([head.group_crcs for head in heads.values()])
        last = np.array([len(head.offsets) - 1 for head in heads.values()])
        start = offsets[first[of_head] + substream]
        record["data"][chosen], record["bytes"][chosen] = start + at, offsets[first[of_head] + substream + 1] - start
        group = substream // GROUP_SUBSTREAMS
        start = offsets[first[of_head] + group * GROUP_SUBSTREAMS]
        end = offsets[first[of_head] + np.minimum((group + 1) * GROUP_SUBSTREAMS, last[of_head])]
        groups["data"][chosen], groups["bytes"][chosen] = start + at, end - start
        groups["crc"][chosen], groups["tiles"][chosen] = crcs[first_crc[of_head] + group], 1
        groups["stage"][chosen] = stage or self.items["stages"][item] + 1
        self._codes[stage] = self.executor.upload(codes)
        self._bytes[stage], self._groups[stage] = record, groups

    def scratch_bytes(self) -> NDArray[np.int64]:
        """Bytes that each tile takes while a launch decodes it."""
        return scratch_bytes(self.tiles, self.stages, self.frames, self.restored)

    def wave_bytes(self, stage: int, wave: slice) -> NDArray[Any]:
        """The records that say where the sub-streams of a stage stand, for the tiles of a wave."""
        return self._bytes[stage][wave]

    def wave_groups(self, stage: int, wave: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        """One record for each group with a crc, of the wanted tiles of a wave."""
        every = self._groups[stage][wave]
        tiles = np.flatnonzero(wanted & (every["tiles"] > 0))
        if not len(tiles):
            return every[:0]
        starts = np.flatnonzero(np.r_[True, (np.diff(every["data"][tiles]) != 0) | (np.diff(tiles) != 1)])
        groups = every[tiles[starts]].copy()
        groups["first_tile"] = tiles[starts]
        groups["tiles"] = np.diff(np.r_[starts, len(tiles)])
        return groups

    def codes(self, stage: int) -> DeviceArray:
        """Codes of a stage, a record for each chunk."""
        return self._codes[stage]

    @property
    def common(self) -> dict[str, int]:
        """Addresses that all launches have in common."""
        address = self.executor.address
        return {
            "items": address(self._items_dev),
            "orders": address(self._orders_dev[0]),
            "merges": address(self._orders_dev[1]),
            "places": address(self.decoding_tables.places),
            "left_offsets": address(self.decoding_tables.left_offsets),
        }


def is_restored(items: NDArray[Any]) -> NDArray[np.bool_]:
    """Of each record of a chunk whether samples are made of it that R2 is needed for (FORMAT.md section 4.5)."""
    found: NDArray[np.bool_] = (items["predicted"] > 0) & (items["stages"] > 1) & (items["scale"] < 8)
    return found & (items["class_count"] > 0)


def _joined(records: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays of one structured dtype, one after the other; NumPy's own way compares all fields for every array."""
    return np.concatenate([record.view(np.uint8) for record in records]).view(records[0].dtype)


def _flat(arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(arrays one after the other, where each begins)."""
    sizes = np.array([len(array) for array in arrays], np.int64)
    return np.concatenate(arrays), np.cumsum(sizes) - sizes
