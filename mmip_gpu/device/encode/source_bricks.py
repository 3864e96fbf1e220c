"""Chunks of kind 2 that are coded together: their bricks, and the arrays that the encoding kernels share.

Values: planes of samples with what was fitted to them in; records and scratch in the executor's memory out. Encoder
side of FORMAT.md section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import RESIDUAL_BITS, RESIDUAL_CODES, PredictiveFit
from mmip_gpu.device.layouts.structs import KERNEL_LANES, SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.tables.bricks import BrickBox, brick_records, joined_bricks, magnitude_room

__all__ = ["PlanesSource", "SourceBatch"]

_Number = TypeVar("_Number", bound=np.generic)
_PALETTE_NUMBERS = 4  # of a colour: R, G, B and which one it is


@dataclass(frozen=True, eq=False)
class PlanesSource:
    """Planes of samples, on the host and in the executor's memory, and how they are coded."""

    planes: NDArray[Any]
    planes_dev: DeviceArray
    colour: bool
    near: int
    effort: int


class SourceBatch:
    """Bricks of many chunks; `params` are fields of SourceParams but for `groups`.

    `streams`, `symbols` and `components` say how many each chunk has; of components, the most.
    """

    def __init__(self, executor: Executor, sources: Sequence[PlanesSource], fits: Sequence[PredictiveFit]) -> None:
        self.executor = executor
        boxes = [_box_of(source, fit) for source, fit in zip(sources, fits, strict=True)]
        records = [brick_records(box) for box in boxes]
        self.components = max(box.components for box in boxes)
        self.streams = [len(one.substreams) for one in records]
        self.symbols = [box.components * RESIDUAL_CODES for box in boxes]
        self._set_numbers = [box.components * len(one.bricks) for box, one in zip(boxes, records, strict=True)]
        self.brick_count = sum(len(one.bricks) for one in records)
        bricks, tiles = joined_bricks(records)
        numbers = np.concatenate([one.numbers for one in records])
        bricks["first_number"] = np.cumsum(numbers) - numbers
        groups = _tile_groups([int(one.tiles.sum()) for one in records])
        self.tile_groups = len(groups)
        room = max(magnitude_room(box) for box in boxes)
        stream_room = max(_stream_room(box) for box in boxes)
        self._tables = [executor.upload(np.concatenate(part)) for part in _tables(fits)]
        self.counts_dev = executor.zeros(sum(self.symbols), np.uint32)
        self._codes_dev = executor.empty(sum(self.symbols), np.uint32)
        self._sets_dev = executor.zeros(sum(self._set_numbers), np.uint8)
        self.streams_dev = executor.empty(sum(self.streams) * stream_room, np.uint8)
        self.sizes_dev = executor.empty(sum(self.streams), np.uint32)
        self._chunks = self._chunk_records(sources, fits, boxes)
        self._arrays = {
            "chunks": executor.upload(self._chunks),
            "bricks": executor.upload(bricks),
            "tile_bricks": executor.upload(np.repeat(np.arange(self.brick_count, dtype=np.int32), tiles)),
            "tile_groups": executor.upload(groups),
            "values": executor.empty(int(numbers.sum()), np.int32),
            "residuals": executor.empty(int(numbers.sum()), np.int32),
            "magnitudes": executor.empty(room * int(tiles.sum()), np.int32),
            "streams": self.streams_dev,
            "sizes": self.sizes_dev,
        }
        addresses = {name: executor.address(array) for name, array in self._arrays.items()}
        sizes = {"brick_count": self.brick_count, "magnitude_room": room, "stream_room": stream_room}
        self.params = addresses | sizes

    def _chunk_records(
        self, sources: Sequence[PlanesSource], fits: Sequence[PredictiveFit], boxes: Sequence[BrickBox]
    ) -> NDArray[Any]:
        """SourceChunk of every chunk."""
        records = np.zeros(len(sources), struct_dtype("SourceChunk"))
        for record, source, one, box in zip(records, sources, fits, boxes, strict=True):
            colour_form, bits, offset, tile_log2, _ = one.form
            cross = one.cross.reshape(-1, 3)
            record["size"], record["samples"] = box.volume, self.executor.address(source.planes_dev)
            record["type"], record["near"], record["offset"] = SAMPLE_TYPES[source.planes.dtype], source.near, offset
            record["components"], record["channels"] = box.components, box.channels
            record["colour_form"], record["bits"], record["tile_log2"] = colour_form, bits, tile_log2
            record["set_count"][: len(cross)] = one.set_counts
            record["cross"][: len(cross)], record["context"][: len(cross)] = cross[:, :2], cross[:, 2]
            record["palette_count"] = one.palette.size // _PALETTE_NUMBERS
        records["bricks"] = [n // box.components for n, box in zip(self._set_numbers, boxes, strict=True)]
        sizes = [[array.size for array in part] for part in _tables(fits)]
        sizes += [self._set_numbers, self.symbols, self.symbols]
        arrays = [*self._tables, self._sets_dev, self._codes_dev, self.counts_dev]
        names = ("sets", "ranks", "palette", "set_of_brick", "codes", "counts")
        for name, own, array in zip(names, sizes, arrays, strict=True):
            counts = np.array(own)
            starts = self.executor.address(array) + (np.cumsum(counts) - counts) * array.dtype.itemsize
            records[name] = np.where(counts > 0, starts, 0)
        return records

    def upload_codes(self, codes: Sequence[NDArray[np.uint32]]) -> None:
        """Put the codes of all chunks where their records say."""
        self._codes_dev[:] = self.executor.upload(np.concatenate(codes))

    @contract(reads="the set of every brick", writes="the same on the host", waits=True)
    def sets_of_bricks(self) -> list[NDArray[np.uint8]]:
        """The number of the set of every brick, component after component, by chunk."""
        return self.by_chunk(self.executor.download(self._sets_dev), self._set_numbers)

    def by_chunk(self, array: NDArray[_Number], counts: Sequence[int]) -> list[NDArray[_Number]]:
        """The parts of an array that belong to the chunks."""
        ends = np.cumsum(counts)
        return [array[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _box_of(source: PlanesSource, fit: PredictiveFit) -> BrickBox:
    """All bricks of a chunk."""
    _, _, _, tile_log2, brick_log2 = fit.form
    channels, volume = (3 if source.colour else 1), source.planes.shape[1:]
    bounds = [0, len(source.planes)]
    for n, log2 in zip(volume, brick_log2, strict=True):
        bounds += [0, -(-n >> log2)]
    components = len(fit.set_counts)
    return BrickBox(_three(volume), _three(tile_log2), _three(brick_log2), channels, components, tuple(bounds))


def _three(numbers: Sequence[int]) -> tuple[int, int, int]:
    z, y, x = numbers
    return z, y, x


def _tables(fits: Sequence[PredictiveFit]) -> list[list[NDArray[Any]]]:
    """Predictor sets, ranks and palettes of all chunks."""
    return [[one.sets for one in fits], [one.ranks for one in fits], [one.palette for one in fits]]


def _stream_room(box: BrickBox) -> int:
    """Bytes that a sub-stream takes at most, and what a writer touches behind it; a multiple of 8."""
    bits = RESIDUAL_BITS << sum(box.tile_log2)
    return -(-bits // 64) * 8 + 16


def _tile_groups(tiles: Sequence[int]) -> NDArray[Any]:
    """TileGroup of every group of lanes: none has tiles of two chunks."""
    lanes, first, found = KERNEL_LANES["count_residuals"], 0, []
    for chunk, count in enumerate(tiles):
        groups = np.zeros(-(-count // lanes), struct_dtype("TileGroup"))
        starts = np.arange(0, count, lanes)
        groups["first_tile"], groups["tiles"], groups["chunk"] = (
            first + starts,
            np.minimum(lanes, count - starts),
            chunk,
        )
        found.append(groups)
        first += count
    return np.concatenate(found)
