"""Entropy coding of a batch: quantized coefficients in the executor's memory to payloads.

Values: Indices (modes, classes, DCs, entries) in; payload bytes per chunk and stage out, equal to those of the core.
Implements FORMAT.md sections 6 to 8: symbols are listed and counted, the host chooses codes, then bits are counted,
placed and written. The host waits for the DCs (to fit weights), the counts, and the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .batches import Batch
from .executors import Array
from .masks import Masks

__all__ = ["Indices", "count_ac", "pack"]

_HEADER_SYMBOLS = _core.HEADER_CLASSES * _core.HEADER_ALPHABET
_LANES = 32  # tiles of a group where a lane takes one
_SYMBOLS = 256  # of a group where a lane takes one
_ESCAPE_SIZE = 15
_LONGEST_ESCAPE = 29  # raw bits after the sign of |q| < 2^26
_LONGEST_MASK_HEAD = 9  # bytes
_LONGEST_COUNT = 11  # raw bits of a run or of a number of nonzeros


@dataclass
class Indices:
    """The quantized chunks of a batch.

    Per cell: `modes` and `counts` (of the entries of the block that starts there) in coding order of its tile, `dcs`
    and `classes` in raster order of its tile. The entries of a block, `positions` and `values` in scan order, stand in
    the room of its cells. There are palette cells only where the plan's search looks for them.
    """

    modes: Array
    classes: Array
    dcs: Array
    counts: Array
    positions: Array
    values: Array


def pack(batch: Batch, indices: Indices, masks: Masks | None = None) -> list[list[bytes]]:
    """Payloads of the stages of every chunk; all chunks of the batch have a DC image, or none has.

    Of `indices`, those of blocks that are masked everywhere change.
    """
    return _Packer(batch, indices, masks).run()


def count_ac(batch: Batch, indices: Indices) -> tuple[NDArray[np.uint32], Array]:
    """(histograms of all payloads, those of stage 1 empty; densities of all cells), before a further analysis."""
    packer = _Packer(batch, indices, None)
    packer.list_tokens()
    return packer.counts(), packer.densities


class _Packer:
    def __init__(self, batch: Batch, indices: Indices, masks: Masks | None) -> None:
        self._batch, self._indices, self._executor = batch, indices, batch.executor
        executor = batch.executor
        self._arrays: dict[str, Array] = {  # None: nothing of it in this batch
            "modes": indices.modes,
            "classes": indices.classes,
            "dcs": indices.dcs,
            "counts": indices.counts,
            "positions": indices.positions,
            "values": indices.values,
            "tokens": executor.empty(batch.entries, np.uint16),
            "nonzeros": executor.empty(batch.spans, np.uint16),
            "headers": executor.empty(batch.spans, np.uint16),
            "histograms": executor.zeros((batch.copies, batch.symbols), np.uint32),
            "residuals": executor.empty(batch.cells, np.int32),
            "contexts": executor.empty(batch.cells, np.uint8),
            "palettes": executor.empty(batch.tiles.size, np.uint32) if batch.palettes else None,
            "codes": None,
        }
        self._masked = masks is not None
        if masks is not None:
            self._arrays |= vars(masks)

    def run(self) -> list[list[bytes]]:
        """All steps in order."""
        self._has_dcs = not self._batch.shapes[0].plan.dc_image
        if self._has_dcs:
            self._list_dcs()
        self.list_tokens()
        heads = self._choose_codes()
        self._place()
        return self._payloads(heads)

    def _launch(self, kernel: str, groups: int, *names: str, **more: int) -> None:
        arrays = {name: self._arrays[name] for name in names}
        addresses = {name: 0 if array is None else self._executor.address(array) for name, array in arrays.items()}
        self._executor.launch(kernel, groups=groups, **addresses, **more)

    def _launch_batch(self, kernel: str, groups: int, *names: str, **more: int) -> None:
        self._launch(kernel, groups, *names, **self._batch.addresses(), **more)

    def _histogram_fields(self) -> dict[str, int]:
        return {"copies": self._batch.copies, "symbols": self._batch.symbols}

    def _list_dcs(self) -> None:
        batch, executor, arrays = self._batch, self._executor, self._arrays
        self._weights = self._fit_weights()
        arrays["weights"] = executor.upload(np.array(self._weights, np.int8))
        arrays["dc_values"] = executor.empty(batch.cells, np.int64)
        arrays["errors"] = executor.empty(batch.cells, np.uint32)
        names = ("weights", "dcs", "classes", "errors", "residuals", "contexts")
        scratch = executor.address(arrays["dc_values"])
        if self._masked:
            arrays["settled"] = executor.empty(batch.cells, np.uint8)
            self._launch_batch("settle_blocks", batch.superblocks, "hidden", "modes", "counts", "settled")
            read = ("settled", "weights", "classes", "dcs")
            self._launch_batch("settle_dcs", batch.tiles.size, *read, values=scratch)
            self._launch_batch("count_masks", batch.tiles.size, "places", "frames", "codes")
        self._launch_batch("dc_residuals", batch.tiles.size, *names, values=scratch)
        self._launch_batch("count_dcs", self._tile_groups(), *_DC_SYMBOLS, "histograms", **self._histogram_fields())

    def _tile_groups(self) -> int:
        return -(-self._batch.tiles.size // _LANES)

    def _fit_weights(self) -> list[list[int]]:
        """Prediction weights of every chunk: least squares on the host, in the one order that the core has."""
        batch, download = self._batch, self._executor.download
        dcs, classes = download(self._indices.dcs), download(self._indices.classes)
        hidden = download(self._arrays["hidden"]) if self._masked else None
        weights = []
        for index, (shape, first) in enumerate(zip(batch.shapes, batch.first_cell, strict=True)):
            part = slice(first, first + shape.cells)
            masked = None if hidden is None or shape.plan.padding is None else hidden[part]
            weights.append(batch.chunk_of(index).fit_weights(dcs[part], classes[part], masked))
        return weights

    def list_tokens(self) -> None:
        """Symbols of all AC, and how often each occurs."""
        batch, executor = self._batch, self._executor
        self._arrays["densities"] = executor.empty(batch.spans, np.uint32)
        names = ("modes", "counts", "positions", "values", "tokens", "nonzeros", "densities", "histograms")
        fields = self._histogram_fields()
        self._launch_batch("list_tokens", batch.superblocks, *names, **fields)
        read = ("modes", "nonzeros", "densities", "headers", "histograms")
        self._launch_batch("list_headers", batch.superblocks, *read, **fields)

    @property
    def densities(self) -> Array:
        """Of all cells by stage, in raster order of their tiles."""
        return self._arrays["densities"]

    def counts(self) -> NDArray[np.uint32]:
        """Of all symbols listed so far."""
        sums = self._arrays["sums"] = self._executor.empty(self._batch.symbols, np.uint32)
        groups = -(-self._batch.symbols // _SYMBOLS)
        self._launch("sum_histograms", groups, "histograms", "sums", **self._histogram_fields())
        return self._executor.download(sums)

    def _range_coded(self) -> NDArray[np.int64]:
        """By payload: bytes that masks and palette cells take at most."""
        batch, arrays, download = self._batch, self._arrays, self._executor.download
        room = np.zeros(batch.payloads.size, np.int64)
        first = batch.chunks["first_payload"][batch.tiles["chunk"]]
        if arrays["codes"] is not None:
            np.add.at(room, first, download(arrays["codes"])[:, 1].astype(np.int64) + _LONGEST_MASK_HEAD)
        if arrays["palettes"] is not None:
            self._launch_batch("count_palettes", batch.tiles.size, *_PALETTE_CELLS, "palettes")
            np.add.at(room, first + 1, download(arrays["palettes"]))
        return room

    def _choose_codes(self) -> list[bytes | None]:
        """Codes of all payloads from their counts; room for their bodies. Returns the bits of the heads.

        None stands for a stage without a payload of its own.
        """
        batch, executor = self._batch, self._executor
        counts, more = self.counts(), self._range_coded()
        words = np.zeros(batch.symbols, np.uint32)
        heads: list[bytes | None] = []
        rooms = []
        for index in range(batch.payloads.size):
            chunk = int(np.searchsorted(batch.chunks["first_payload"], index, "right")) - 1
            stage = index - int(batch.chunks["first_payload"][chunk]) + 1
            streams, joined = int(batch.payloads["streams"][index]), batch.shapes[chunk].is_dc_image
            part = batch.symbols_of(index)
            if streams > 0:
                end = batch.symbols_of(index + 1).stop if joined else part.stop
                codes = slice(part.start, end)
                weights = self._weights[chunk] if stage == 1 else None
                head, chosen = _core.choose_stage_codes(stage, weights, counts[codes], joined)
                words[codes] = np.frombuffer(chosen, np.uint32)
            heads.append(head if streams > 0 else None)
            most = _most_dc_bits if stage == 1 else _most_token_bits
            map_bits = batch.shapes[chunk].cells * 32 if stage == 1 and batch.chunks["classes"][chunk] > 1 else 0
            rooms.append((most(counts[part], words[part]) + map_bits) // 8 + streams + int(more[index]))
        self._arrays["words"] = executor.upload(words)
        ends = np.cumsum(np.array(rooms, np.int64))
        bodies = ends - rooms
        second = batch.chunks["first_payload"][[shape.is_dc_image for shape in batch.shapes]] + 1
        bodies[second] = bodies[second - 1]
        batch.place_bodies(bodies)
        self._arrays["output"] = executor.zeros(int(ends[-1]) // 4 + 1, np.uint32)
        return heads

    def _place(self) -> None:
        """Count bits, find the places of all sub-streams, write them."""
        batch, executor, arrays = self._batch, self._executor, self._arrays
        arrays["runs"] = executor.empty(batch.runs, np.uint32)
        arrays["sizes"] = executor.empty(batch.streams, np.uint32)
        arrays["offsets"] = executor.empty(batch.streams, np.int64)
        arrays["totals"] = executor.empty(batch.payloads.size, np.int64)
        arrays["crcs"] = executor.empty(batch.groups, np.uint32)
        if self._has_dcs:
            self._launch_batch("count_dc_bits", self._tile_groups(), *_DC_SYMBOLS, "words", "codes", "sizes")
        self._launch_batch("count_token_bits", batch.superblocks, *_LISTED, "runs")
        self._launch_batch("place_superblocks", batch.tiles.size, "runs", "palettes", "sizes")
        self._launch_batch("place_streams", batch.payloads.size, "sizes", "offsets", "totals")
        if self._masked:
            names = ("places", "frames", "codes", "offsets", "output")
            self._launch_batch("write_masks", batch.tiles.size, *names)
        if self._has_dcs:
            self._launch_batch("write_dcs", self._tile_groups(), *_DC_SYMBOLS, "words", "codes", "offsets", "output")
        self._launch_batch("write_tokens", batch.superblocks, *_LISTED, "runs", "offsets", "output")
        if batch.palettes:
            self._launch_batch(
                "write_palettes",
                batch.tiles.size,
                *(*_PALETTE_CELLS, "palettes", "sizes", "offsets", "output"),
            )
        self._launch_batch(
            "group_crcs",
            batch.groups,
            *("sizes", "offsets", "output", "crcs"),
            payload_count=batch.payloads.size,
        )

    def _payloads(self, heads: list[bytes | None]) -> list[list[bytes]]:
        batch, download = self._batch, self._executor.download
        sizes, crcs, totals = (download(self._arrays[name]) for name in ("sizes", "crcs", "totals"))
        bodies = download(self._arrays["output"]).view(np.uint8)
        payloads: list[bytes | None] = []
        for index, head in enumerate(heads):
            if head is None:
                payloads.append(None)
                continue
            full = _core.payload_head(head, sizes[batch.streams_of(index)], crcs[batch.groups_of(index)])
            first = int(batch.payloads["body"][index])
            payloads.append(full + bodies[first : first + int(totals[index])].tobytes())
        firsts = [*batch.chunks["first_payload"].tolist(), len(payloads)]
        return [[p for p in payloads[a:b] if p is not None] for a, b in pairwise(firsts)]


_DC_SYMBOLS = ("classes", "residuals", "contexts")
_PALETTE_CELLS = ("modes", "counts", "positions", "values")
_LISTED = ("modes", "counts", "positions", "values", "tokens", "nonzeros", "headers", "words")


def _word_bits(counts: NDArray[np.uint32], words: NDArray[np.uint32]) -> int:
    return int((counts.astype(np.int64) * (words & 31)).sum())


def _most_dc_bits(counts: NDArray[np.uint32], words: NDArray[np.uint32]) -> int:
    """At least the bits of symbols counted so often, with their raw bits."""
    return _word_bits(counts, words) + 32 * int(counts.sum(dtype=np.int64))


def _most_token_bits(counts: NDArray[np.uint32], words: NDArray[np.uint32]) -> int:
    """The same for headers and tokens: a size is not below the raw bits of an index, but for the largest."""
    sizes = np.arange(counts.size - _HEADER_SYMBOLS) % 16
    raw = np.where(sizes == _ESCAPE_SIZE, 1 + _LONGEST_ESCAPE, sizes) + _LONGEST_COUNT
    tokens = counts[_HEADER_SYMBOLS:].astype(np.int64)
    headers = counts[:_HEADER_SYMBOLS].sum(dtype=np.int64)
    return _word_bits(counts, words) + int((tokens * raw).sum()) + _LONGEST_COUNT * int(headers)
