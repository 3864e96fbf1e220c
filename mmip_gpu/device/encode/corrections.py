"""Corrections of a batch where its samples are: from original and decoded planes to the last payload of every chunk.

Values: a batch of chunks that all have corrections, and their planes in the executor's memory, in; payload bytes out,
and the decoded planes corrected in place. Encoder side of FORMAT.md sections 2 (last step), 6 and 8.3. Guarantees the
payloads of `transform.corrections.encode_corrections`. Scratch: 4 to 5 bytes a sample, 2 KB a tile, 48 KB a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import (
    CORRECTION_ALPHABET,
    CORRECTION_CLASSES,
    DC_WEIGHTS,
    choose_codes,
    join_payloads,
)
from mmip_gpu.device.layouts.structs import KERNEL_LANES, SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.tiles import frame_bytes, groups_of
from mmip_gpu.volume.floats import sample_range

__all__ = ["encode_corrections"]

_SYMBOLS = CORRECTION_CLASSES * CORRECTION_ALPHABET


@contract(
    reads="originals_dev and decoded_dev, C-ordered planes",
    writes="decoded_dev, corrected; payloads of the host",
    kernels=[
        *("find_corrections", "count_corrections", "count_correction_bits", "place_streams"),
        *("write_corrections", "group_crcs"),
    ],
    waits=True,
)
def encode_corrections(batch: Batch, originals: Sequence[DeviceArray], decoded: Sequence[DeviceArray]) -> list[bytes]:
    """Payloads that bring `decoded` within the plans' errors of `originals`; `decoded` is corrected in place."""
    return _Encoder(batch, originals, decoded).run()


class _Encoder:
    def __init__(self, batch: Batch, originals: Sequence[DeviceArray], decoded: Sequence[DeviceArray]) -> None:
        self._executor = executor = batch.executor
        self._items = _item_records(batch, originals, decoded)
        tiles, frame_values = _tile_records(batch)
        self._payloads = _payload_records(batch)
        lanes = tiles.size * KERNEL_LANES["count_corrections"]
        self._tiles, self._threads = tiles.size, batch.threads
        self._arrays: dict[str, DeviceArray] = {
            "tiles": executor.upload(tiles),
            "frames": executor.zeros(frame_values, np.int32),
            "states": executor.empty(lanes * struct_dtype("CorrectionState").itemsize, np.uint8),
            "all_runs": executor.empty(tiles.size, np.uint8),
            "counts": executor.zeros(self._items.size * _SYMBOLS, np.uint32),
            "lane_bits": executor.empty(lanes, np.uint32),
            "sizes": executor.empty(tiles.size, np.uint32),
            "offsets": executor.empty(tiles.size, np.int64),
            "totals": executor.empty(self._items.size, np.int64),
        }
        self._upload_records()

    def run(self) -> list[bytes]:
        """Take all steps in order."""
        executor, arrays = self._executor, self._arrays
        self._launch("find_corrections")
        self._launch("count_corrections")
        heads = self._choose_codes(executor.download(arrays["counts"]))
        self._launch("count_correction_bits")
        self._launch_payloads("place_streams", self._items.size, "sizes", "offsets", "totals")
        totals = executor.download(arrays["totals"])
        self._payloads["body"] = self._items["body"] = np.cumsum(totals) - totals
        self._upload_records()
        arrays["output"] = executor.zeros(int(totals.sum()) // 4 + 1, np.uint32)
        self._launch("write_corrections")
        groups = groups_of(self._payloads)
        arrays["crcs"] = executor.empty(int(groups.sum()), np.uint32)
        crc_arrays = ("sizes", "offsets", "output", "crcs")
        self._launch_payloads("group_crcs", int(groups.sum()), *crc_arrays, payload_count=self._items.size)
        sizes, crcs, output = executor.download_all([arrays["sizes"], arrays["crcs"], arrays["output"]])
        columns = [self._payloads[name] for name in ("first_stream", "streams", "first_group")]
        places = np.stack([*columns, groups, self._payloads["body"], totals], axis=1).reshape(-1)
        return join_payloads(heads, places, sizes, crcs, output.view(np.uint8), self._threads)

    def _upload_records(self) -> None:
        self._arrays["items"] = self._executor.upload(self._items)
        self._arrays["payloads"] = self._executor.upload(self._payloads)

    def _choose_codes(self, counts: NDArray[np.uint32]) -> list[bytes]:
        """Choose and upload the codes of every payload; returns the bits of the heads."""
        none, firsts = np.zeros(self._items.size, np.uint8), self._items["symbols"].astype(np.int64)
        weights = np.zeros(none.size * DC_WEIGHTS, np.int8)
        heads, words, _ = choose_codes(none, none, weights, firsts, counts, self._threads)
        self._arrays["words"] = self._executor.upload(words)
        return heads

    def _launch(self, kernel: str) -> None:
        names = ("items", "tiles", "frames", "states", "all_runs", "counts", "lane_bits", "sizes", "offsets")
        fields = {name: self._executor.address(self._arrays[name]) for name in names}
        for name in ("words", "output"):  # not there before they are known
            fields[name] = self._executor.address(self._arrays[name]) if name in self._arrays else 0
        self._executor.launch(kernel, groups=self._tiles, **fields)

    def _launch_payloads(self, kernel: str, groups: int, *names: str, **more: int) -> None:
        """Launch a kernel of substream_offsets.h, which takes payloads of any stage."""
        fields = {name: self._executor.address(self._arrays[name]) for name in ("payloads", *names)}
        absent = dict.fromkeys(("tile_count", "tiles", "chunks", "blocks"), 0)
        self._executor.launch(kernel, groups=groups, **fields, **absent, **more)


def _item_records(batch: Batch, originals: Sequence[DeviceArray], decoded: Sequence[DeviceArray]) -> NDArray[Any]:
    items, address = np.zeros(len(originals), struct_dtype("CorrectedItem")), batch.executor.address
    for index, (item, shape) in enumerate(zip(items, batch.shapes, strict=True)):
        dtype = originals[index].dtype
        assert shape.plan.correction is not None
        item["original"], item["decoded"] = address(originals[index]), address(decoded[index])
        item["shape"], item["symbols"] = shape.layout.volume, index * _SYMBOLS
        item["type"], item["error"] = SAMPLE_TYPES[dtype], shape.plan.correction
        item["minimum"], item["maximum"] = sample_range(dtype)
    return items


def _tile_records(batch: Batch) -> tuple[NDArray[Any], int]:
    """(tiles in the order of their sub-streams, values of all frames)."""
    tiles = np.zeros(batch.tiles.size, struct_dtype("CorrectedTile"))
    depths = np.array([shape.plan.depth for shape in batch.shapes], np.int64)[batch.tiles["chunk"]]
    volumes = np.array([shape.layout.volume for shape in batch.shapes], np.int64)[batch.tiles["chunk"]]
    cell = np.stack([depths, np.full_like(depths, 8), np.full_like(depths, 8)], axis=1)
    tiles["plane"], tiles["item"] = batch.tiles["plane"], batch.tiles["chunk"]
    tiles["first"] = batch.tiles["cell"] * cell
    tiles["size"] = np.minimum(batch.tiles["size"] * cell, volumes - tiles["first"])
    values = frame_bytes(batch.tiles, depths, corrections=True) // 4
    tiles["frame"] = np.cumsum(values) - values
    return tiles, int(values.sum())


def _payload_records(batch: Batch) -> NDArray[Any]:
    payloads = np.zeros(len(batch.shapes), struct_dtype("PayloadItem"))
    payloads["streams"] = np.bincount(batch.tiles["chunk"], minlength=len(batch.shapes))
    groups = groups_of(payloads)
    payloads["first_stream"] = np.cumsum(payloads["streams"]) - payloads["streams"]
    payloads["first_group"] = np.cumsum(groups) - groups
    return payloads
