"""Sub-streams of one kind, decoded by launches over many tiles at once: a layer of chunks, or of their DC images.

Values: structured arrays on the host; arrays of the executor's memory. The scratch of a launch is what
`tiles.scratch_bytes` says. Decoder side of FORMAT.md sections 3 to 8; the kernels do the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import CRC_GROUPS, GROUP_SUBSTREAMS, MAGNITUDE_BYTES, PALETTE_BYTES
from mmip_gpu.device.decode.payload_heads import CodeStore, StageHead
from mmip_gpu.device.layouts.structs import KERNEL_LANES, struct_dtype
from mmip_gpu.device.run.executors import Array, Executor
from mmip_gpu.device.tables.tiles import CodingOrders, place_tiles

__all__ = ["Layer", "LayerItem", "group_tiles", "groups_of_samples"]


@dataclass
class LayerItem:
    """A chunk's part of a layer: its record, its tiles, and by stage the head and the address of the payload.

    Corrections are stage 0.
    """

    record: NDArray[Any]
    tiles: NDArray[Any]
    substreams: NDArray[np.int64]
    heads: dict[int, StageHead]
    addresses: dict[int, int]
    frames: NDArray[np.int64]


@dataclass
class Layer:
    """Tiles of many chunks in one array; see `LayerItem`."""

    executor: Executor
    store: CodeStore
    orders: CodingOrders
    check_crc: bool
    parts: list[LayerItem] = field(default_factory=list)

    def seal(self) -> None:
        """Join the parts; none may be added afterwards."""
        self.items = _joined([part.record for part in self.parts])
        self.tiles = _joined([part.tiles for part in self.parts])
        self.frames = np.concatenate([part.frames for part in self.parts])
        self.substreams = np.concatenate([part.substreams for part in self.parts])
        stages = np.where(self.items["class_count"] > 0, self.items["stages"], 2)  # of a stage on its own, one list
        self.stages = stages[self.tiles["item"]].astype(np.int64)
        self._codes: dict[int, Array] = {}
        self._bytes: dict[int, NDArray[Any]] = {}
        self._groups: dict[int, NDArray[Any]] = {}
        for stage in sorted({s for part in self.parts for s in part.heads}):
            self._join(stage)
        self._items_held = self.executor.upload(self.items)
        self._orders_held = [self.executor.upload(part) for part in self.orders.arrays()]

    def _join(self, stage: int) -> None:
        codes = np.zeros(len(self.parts), struct_dtype("StageCodes"))
        record = np.zeros(len(self.tiles), struct_dtype("SubstreamBytes"))
        groups = np.zeros(len(self.tiles), struct_dtype("CrcGroup"))
        heads = {index: part.heads[stage] for index, part in enumerate(self.parts) if stage in part.heads}
        for index, head in heads.items():
            codes[index] = head.codes.record
        place = np.full(len(self.parts), -1)
        place[list(heads)] = np.arange(len(heads))
        chosen = np.flatnonzero(place[self.tiles["item"]] >= 0)
        item, substream = self.tiles["item"][chosen], self.substreams[chosen]
        of_head = place[item]
        at = np.array([self.parts[index].addresses[stage] for index in heads], np.uint64)[of_head]
        offsets, first = _flat([head.offsets for head in heads.values()])
        crcs, first_crc = _flat([head.group_crcs for head in heads.values()])
        last = np.array([len(head.offsets) - 1 for head in heads.values()])
        start = offsets[first[of_head] + substream]
        record["data"][chosen], record["bytes"][chosen] = start + at, offsets[first[of_head] + substream + 1] - start
        number = substream // GROUP_SUBSTREAMS
        start = offsets[first[of_head] + number * GROUP_SUBSTREAMS]
        end = offsets[first[of_head] + np.minimum((number + 1) * GROUP_SUBSTREAMS, last[of_head])]
        groups["data"][chosen], groups["bytes"][chosen] = start + at, end - start
        groups["crc"][chosen], groups["tiles"][chosen] = crcs[first_crc[of_head] + number], 1
        groups["stage"][chosen] = stage or self.items["stages"][item] + 1
        self._codes[stage] = self.executor.upload(codes)
        self._bytes[stage], self._groups[stage] = record, groups

    def run(self, wave: slice, image_states: Array | None, first_image: int) -> Array:
        """Decode the tiles of a wave; returns their states."""
        work = _Work(self, wave, image_states, first_image)
        stages = self.stages[wave]
        whole = int(stages.max())
        work.check(1, self.tiles["image"][wave] < 0)
        if self.items["padded"].any():
            work.launch("unpack_masks", 1)
        work.launch("unpack_first", 1)
        for stage in range(2, whole + 1):
            of_first = bool(self.items["continues"][0])
            if not of_first:
                work.check(stage, stages >= stage)
            work.launch("unpack_tokens", stage, source=1 if of_first else stage)
        work.synthesize()
        return work.states

    def run_corrections(self, wave: slice) -> Array:
        """Add the corrections of the tiles of a wave; returns their states."""
        work = _Work(self, wave, None, 0)
        work.check(0, np.ones(len(self.tiles[wave]), bool))
        work.launch("unpack_corrections", 0)
        work.launch("correct_samples", 0, groups=len(self.tiles[wave]))
        return work.states

    def run_columns(self, wave: slice, stage: int) -> Array:
        """Write the columns of the stage that the tiles of a wave have on its own; returns their states."""
        work = _Work(self, wave, None, 0)
        work.check(stage, np.ones(len(self.tiles[wave]), bool))
        if stage == 1:
            if self.items["padded"].any():
                work.launch("unpack_masks", stage)
            work.launch("unpack_first", stage)
        if stage > 1 or self.items["continues"].any():
            work.launch("unpack_tokens", max(stage, 2), source=stage)
        work.launch("write_columns", stage, groups=len(self.tiles[wave]))
        return work.states

    def wave_bytes(self, stage: int, wave: slice) -> NDArray[Any]:
        """Where the sub-streams of a stage stand."""
        return self._bytes[stage][wave]

    def wave_groups(self, stage: int, wave: slice, wanted: NDArray[np.bool_]) -> NDArray[Any]:
        """Groups with a crc of the wanted tiles, one record each."""
        every = self._groups[stage][wave]
        places = np.flatnonzero(wanted & (every["tiles"] > 0))
        if not len(places):
            return every[:0]
        starts = np.flatnonzero(np.r_[True, (np.diff(every["data"][places]) != 0) | (np.diff(places) != 1)])
        groups = every[places[starts]].copy()
        groups["first_tile"] = places[starts]
        groups["tiles"] = np.diff(np.r_[starts, len(places)])
        return groups

    def codes(self, stage: int) -> Array:
        """Codes of a stage, a record an item."""
        return self._codes[stage]

    @property
    def common(self) -> dict[str, int]:
        """Addresses that all launches share."""
        address = self.executor.address
        return {
            "items": address(self._items_held),
            "orders": address(self._orders_held[0]),
            "merges": address(self._orders_held[1]),
            "places": address(self.store.places),
            "left_offsets": address(self.store.left_offsets),
        }


def _joined(records: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays of one structured dtype, one after the other; NumPy's own way compares all fields for every array."""
    return np.concatenate([part.view(np.uint8) for part in records]).view(records[0].dtype)


def _flat(arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(arrays one after the other, where each begins)."""
    sizes = np.array([len(array) for array in arrays], np.int64)
    return np.concatenate(arrays), np.cumsum(sizes) - sizes


class _Work:
    """The arrays of one wave, and launches over them."""

    def __init__(self, layer: Layer, wave: slice, image_states: Array | None, first_image: int) -> None:
        self._layer, self._wave = layer, wave
        executor = layer.executor
        tiles = layer.tiles[wave].copy()
        tiles["image"] = np.where(tiles["image"] >= 0, tiles["image"] - first_image, -1)
        used = place_tiles(tiles, layer.stages[wave], layer.frames[wave])
        self._grouped = group_tiles(tiles, layer.items)
        self.states = executor.zeros(len(tiles) * struct_dtype("DecodeState").itemsize // 8, np.int64)
        cells, masked = used["base"], bool(layer.items["padded"].any())
        self._arrays = {
            "tiles": executor.upload(tiles),
            "dc": executor.empty(cells, np.int32),
            "classes": executor.empty(cells, np.uint8),
            "modes": executor.empty(cells, np.uint8),
            "mask": executor.empty(8 * cells if masked else 0, np.uint64),
            "spans": executor.empty(used["spans"] * struct_dtype("TokenSpan").itemsize // 8, np.uint64),
            "tokens": executor.empty(used["tokens"] * struct_dtype("Token").itemsize // 8, np.uint64),
            "density": executor.empty(cells, np.uint32),
            "magnitudes": executor.zeros(MAGNITUDE_BYTES * len(tiles), np.uint8),
            "palettes": executor.empty(PALETTE_BYTES * len(tiles), np.uint8),
            "values": executor.empty(cells, np.int64),
            "errors": executor.empty(cells, np.uint32),
            "frames": executor.zeros(used["frame"], np.uint8),
        }
        self._image_states = image_states
        self._count = len(tiles)

    def launch(self, kernel: str, stage: int, *, source: int | None = None, groups: int | None = None) -> None:
        """One of the kernels whose lanes (or groups) are tiles; `source` is the stage that holds the sub-streams."""
        layer, executor = self._layer, self._layer.executor
        at = stage if source is None else source
        substreams = executor.upload(layer.wave_bytes(at, self._wave))
        self._run(
            kernel,
            groups=-(-self._count // KERNEL_LANES[kernel]) if groups is None else groups,
            stage=stage,
            substreams=executor.address(substreams),
            codes=executor.address(layer.codes(at)),
        )

    def check(self, stage: int, wanted: NDArray[np.bool_]) -> None:
        """Compare the crcs of the groups of a stage."""
        layer, executor = self._layer, self._layer.executor
        if not layer.check_crc:
            return
        groups = layer.wave_groups(stage, self._wave, wanted)
        if len(groups):
            held = executor.upload(groups)
            executor.launch(
                "check_groups",
                groups=-(-len(groups) // CRC_GROUPS),
                count=len(groups),
                items=executor.address(held),
                states=executor.address(self.states),
            )

    def synthesize(self) -> None:
        """Samples of all tiles, by a kernel for each depth at full and at reduced scale."""
        for kernel, tiles in self._grouped.items():
            held = self._layer.executor.upload(tiles)
            self._run(kernel, groups=len(tiles), group_tiles=self._layer.executor.address(held))

    def _run(self, kernel: str, **values: int) -> None:
        executor = self._layer.executor
        given = {name: executor.address(array) for name, array in self._arrays.items()}
        fields = dict.fromkeys(("stage", "substreams", "codes", "group_tiles", "image_states"), 0)
        if self._image_states is not None:
            fields["image_states"] = executor.address(self._image_states)
        fields |= given | self._layer.common | {"states": executor.address(self.states), "count": self._count} | values
        executor.launch(kernel, **fields)


def group_tiles(tiles: NDArray[Any], items: NDArray[Any]) -> dict[str, NDArray[np.int32]]:
    """For each synthesis kernel, the tile of each of its groups; sets the first group of each tile."""
    depth, scale = items["depth"][tiles["item"]], items["scale"][tiles["item"]]
    size = tiles["size"].astype(np.int64)
    deep = (-(-size // 2)).prod(axis=1)
    flat = size[:, 0] * -(-size[:, 1] // 8) * -(-size[:, 2] // 8)
    found = {}
    for name, wanted, counts in (("flat", depth == 1, flat), ("deep", depth == 8, deep)):
        for kind, scaled in (("synthesize", scale == 1), ("reduce", scale > 1)):
            chosen = np.flatnonzero(wanted & scaled)
            ends = np.cumsum(counts[chosen])
            tiles["first_group"][chosen] = ends - counts[chosen]
            if len(chosen):
                found[f"{kind}_{name}"] = np.repeat(chosen.astype(np.int32), counts[chosen])
    return found


def groups_of_samples(counts: NDArray[np.int64], each: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(first group of every array, array of every group) where a group takes `each` samples of one array.

    Examples
    --------
    >>> groups_of_samples(np.array([5, 0, 3]), 4)[1].tolist()
    [0, 0, 2]
    """
    groups = -(-counts // each)
    return np.cumsum(groups) - groups, np.repeat(np.arange(len(counts), dtype=np.int32), groups)
