"""Entropy coding of a batch: quantized coefficients in the executor's memory to payloads.

Values: Indices (modes, classes, DCs, entries) in; payload bytes per chunk and stage out, equal to those of the core.
Implements FORMAT.md sections 6 to 8: symbols are listed and counted, the host chooses codes, then bits are counted,
placed and written. The host waits for the DCs (to fit weights), the counts, and the bytes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import DC_WEIGHTS, PREDICTION_SYMBOLS, choose_codes, join_payloads
from mmip_gpu.device.encode.masks import PaddingMasks
from mmip_gpu.device.encode.settling import fit_weights, settle_masked
from mmip_gpu.device.layouts.structs import KERNEL_LANES
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.indices import Indices
from mmip_gpu.device.tables.tiles import groups_of

__all__ = ["count_ac", "pack"]

_LONGEST_MASK_HEAD = 9  # bytes
_MAP_BITS = 32  # that the class of a cell takes at most
_DC_IMAGE, _PREDICTED = 1, 2  # forms of payloads, see passes/coding/stage_codes.h


@contract(reads="indices_dev; masks_dev", writes="payloads of the host; settled blocks of indices_dev")
def pack(
    batch: Batch,
    indices: Indices,
    masks: PaddingMasks | None = None,
    *,
    settles: bool = True,
    predictions: DeviceArray | None = None,
    weights: list[list[int]] | None = None,
) -> list[list[bytes]]:
    """Pack the stages of every chunk; all chunks of the batch have a DC image, or none has.

    With `settles`, the `indices` of blocks that are masked everywhere change, unless the `weights` of DC prediction
    are given: then they are settled. `predictions` has those of the cells of a batch that may have some, in raster
    order of their tiles.
    """
    return _Packer(batch, indices, masks, settles and weights is None, predictions, weights).run()


@contract(reads="indices_dev", writes="histograms of the host; densities_dev")
def count_ac(batch: Batch, indices: Indices) -> tuple[NDArray[np.uint32], DeviceArray]:
    """(histograms of all payloads, those of stage 1 empty; densities of all cells), before a further analysis."""
    packer = _Packer(batch, indices, None, settles=False, predictions=None)
    packer.list_tokens()
    return packer.counts(), packer.densities


class _Packer:
    def __init__(
        self,
        batch: Batch,
        indices: Indices,
        masks: PaddingMasks | None,
        settles: bool,
        predictions: DeviceArray | None,
        weights: list[list[int]] | None = None,
    ) -> None:
        self._batch, self._indices, self._executor = batch, indices, batch.executor
        self._given_weights = weights
        executor = batch.executor
        self._arrays: dict[str, DeviceArray] = {  # None: nothing of it in this batch
            "modes": indices.modes,
            "classes": indices.classes,
            "dcs": indices.dcs,
            "counts": indices.counts,
            "positions": indices.positions,
            "values": indices.values,
            "tokens": executor.empty(batch.entries, np.uint16),
            "nonzeros": executor.empty(batch.spans, np.uint16),
            "headers": executor.empty(batch.spans, np.uint16),
            "bins": executor.zeros((batch.copies, batch.symbols), np.uint32),
            "residuals": executor.empty(batch.cells, np.int32),
            "contexts": executor.empty(batch.cells, np.uint8),
            "palettes": executor.empty(batch.tiles.size, np.uint32) if batch.palettes else None,
            "codes": None,
            "predictions": predictions,
            "listed": executor.empty(batch.cells, np.uint16) if batch.predicted else None,
        }
        self._masks, self._settles = masks, settles
        if masks is not None:
            self._arrays |= vars(masks)

    def run(self) -> list[list[bytes]]:
        """Take all steps in order."""
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

    def _launch_tiles(self, kernel: str, *names: str, **more: int) -> None:
        """Launch a kernel of which a lane takes a tile."""
        self._launch_batch(kernel, -(-self._batch.tiles.size // KERNEL_LANES[kernel]), *names, **more)

    def _histogram_fields(self) -> dict[str, int]:
        return {"copies": self._batch.copies, "symbols": self._batch.symbols}

    @contract(
        reads="dcs_dev, classes_dev; masks_dev",
        writes="residuals_dev, contexts_dev, codes_dev of masks; bins_dev",
        kernels=["count_masks", "dc_residuals", "count_dcs"],
    )
    def _list_dcs(self) -> None:
        batch, executor, arrays = self._batch, self._executor, self._arrays
        self._weights = self._given_weights or fit_weights(batch, self._indices, self._masks)
        arrays["weights"] = executor.upload(np.array(self._weights, np.int8))
        arrays["dc_values"] = executor.empty(batch.cells, np.int64)
        arrays["errors"] = executor.empty(batch.cells, np.uint32)
        names = ("weights", "dcs", "classes", "errors", "residuals", "contexts")
        scratch = executor.address(arrays["dc_values"])
        if self._masks is not None:
            if self._settles:
                settle_masked(batch, self._indices, self._masks, self._weights)
            self._launch_batch("count_masks", batch.tiles.size, "places", "frames", "codes")
        self._launch_batch("dc_residuals", batch.tiles.size, *names, values=scratch)
        self._launch_tiles("count_dcs", *_DC_SYMBOLS, "bins", **self._histogram_fields())

    @contract(
        reads="modes_dev, counts_dev, positions_dev, values_dev; predictions_dev",
        writes="tokens_dev, nonzeros_dev, densities_dev, headers_dev, listed_dev; bins_dev",
        kernels=["list_tokens", "list_headers", "list_predictions"],
    )
    def list_tokens(self) -> None:
        """List the symbols of all AC, and count how often each occurs."""
        batch, executor = self._batch, self._executor
        self._arrays["densities"] = executor.empty(batch.spans, np.uint32)
        names = ("modes", "counts", "positions", "values", "tokens", "nonzeros", "densities", "bins")
        fields = self._histogram_fields()
        self._launch_batch("list_tokens", batch.superblocks, *names, **fields)
        read = ("modes", "nonzeros", "densities", "headers", "bins")
        self._launch_batch("list_headers", batch.superblocks, *read, **fields)
        if self._arrays["predictions"] is not None:
            found = ("modes", "predictions", "listed", "bins")
            self._launch_batch("list_predictions", batch.superblocks, *found, **fields)

    @property
    def densities(self) -> DeviceArray:
        """The densities of all cells by stage, in raster order of their tiles."""
        return self._arrays["densities"]

    @contract(reads="bins_dev", writes="sums_dev", kernels=["sum_histograms"])
    def _sum_counts(self) -> DeviceArray:
        """Add up the counts of all symbols listed so far."""
        sums = self._arrays["sums"] = self._executor.empty(self._batch.symbols, np.uint32)
        groups = -(-self._batch.symbols // KERNEL_LANES["sum_histograms"])
        self._launch("sum_histograms", groups, "bins", "sums", **self._histogram_fields())
        return sums

    @contract(reads="bins_dev", writes="histograms of the host", waits=True)
    def counts(self) -> NDArray[np.uint32]:
        """The counts of all symbols listed so far, on the host."""
        return self._executor.download(self._sum_counts())

    @contract(
        reads="bins_dev; codes_dev of masks; palette cells of indices_dev",
        writes="histograms of the host; palettes_dev",
        kernels=["count_palettes"],
        waits=True,
    )
    def _counts_and_room(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """(counts of all symbols, by payload the bytes that masks and palette cells take at most)."""
        batch, arrays = self._batch, self._arrays
        wanted = {"sums": self._sum_counts()}
        if arrays["codes"] is not None:
            wanted["codes"] = arrays["codes"]
        if arrays["palettes"] is not None:
            self._launch_batch("count_palettes", batch.tiles.size, *_PALETTE_CELLS, "palettes")
            wanted["palettes"] = arrays["palettes"]
        found = dict(zip(wanted, self._executor.download_all(list(wanted.values())), strict=True))
        room = np.zeros(batch.payloads.size, np.int64)
        first = batch.chunks["first_payload"][batch.tiles["chunk"]]
        if "codes" in found:
            np.add.at(room, first, found["codes"][:, 1].astype(np.int64) + _LONGEST_MASK_HEAD)
        if "palettes" in found:
            np.add.at(room, first + 1, found["palettes"])
        return found["sums"], room

    @contract(reads="histograms of the host", writes="words_dev; room for output_dev; bits of the heads")
    def _choose_codes(self) -> list[bytes]:
        """Choose the codes of all payloads, and make room for their bodies; returns the bits of the heads."""
        batch, executor = self._batch, self._executor
        counts, room = self._counts_and_room()
        weights = np.zeros((batch.payloads.size, DC_WEIGHTS), np.int8)
        if self._has_dcs:
            weights[batch.chunks["first_payload"]] = self._weights
        coded = self._coded = np.flatnonzero(batch.payloads["streams"] > 0)
        images = batch.each([shape.is_dc_image for shape in batch.kinds])
        stages, repeated = batch.stages[coded], batch.chunks["stages"]
        of_payload = _DC_IMAGE * np.repeat(images, repeated)[coded]
        of_payload += _PREDICTED * (stages == 2) * np.repeat(batch.chunks["predicted"], repeated)[coded]
        firsts = batch.payloads["first_symbol"][coded].astype(np.int64)
        firsts -= PREDICTION_SYMBOLS * (of_payload == _PREDICTED)
        given = np.ascontiguousarray(weights[coded]).reshape(-1)
        forms = of_payload.astype(np.uint8)
        heads, words, bits = choose_codes(stages, forms, given, firsts, counts, batch.threads)
        self._arrays["words"] = executor.upload(words)
        first = batch.chunks["first_payload"]
        cells = batch.each([shape.cells for shape in batch.kinds])
        map_bits = np.zeros(batch.payloads.size, np.int64)
        map_bits[first] = np.where(batch.chunks["classes"] > 1, _MAP_BITS * cells, 0)
        room[coded] += (bits + map_bits[coded]) // 8 + batch.payloads["streams"][coded]
        ends = np.cumsum(room)
        bodies = ends - room
        second = first[images > 0] + 1
        bodies[second] = bodies[second - 1]
        batch.place_bodies(bodies)
        self._arrays["output"] = executor.zeros(int(ends[-1]) // 4 + 1, np.uint32)
        return heads

    @contract(
        reads="all that was listed; words_dev",
        writes="sizes_dev, offsets_dev, totals_dev, crcs_dev; output_dev",
        kernels=[
            *("count_dc_bits", "count_token_bits", "place_superblocks", "place_streams"),
            *("write_masks", "write_dcs", "write_tokens", "write_palettes", "group_crcs"),
        ],
    )
    def _place(self) -> None:
        """Count bits, find the offsets of all sub-streams, and write them."""
        batch, executor, arrays = self._batch, self._executor, self._arrays
        arrays["runs"] = executor.empty(batch.runs, np.uint32)
        arrays["sizes"] = executor.empty(batch.streams, np.uint32)
        arrays["offsets"] = executor.empty(batch.streams, np.int64)
        arrays["totals"] = executor.empty(batch.payloads.size, np.int64)
        arrays["crcs"] = executor.empty(batch.groups, np.uint32)
        if self._has_dcs:
            self._launch_tiles("count_dc_bits", *_DC_SYMBOLS, "words", "codes", "sizes")
        self._launch_batch("count_token_bits", batch.superblocks, *_LISTED, "runs")
        self._launch_batch("place_superblocks", batch.tiles.size, "runs", "palettes", "sizes")
        self._launch_batch("place_streams", batch.payloads.size, "sizes", "offsets", "totals")
        if self._masks is not None:
            names = ("places", "frames", "codes", "offsets", "output")
            self._launch_batch("write_masks", batch.tiles.size, *names)
        if self._has_dcs:
            self._launch_tiles("write_dcs", *_DC_SYMBOLS, "words", "codes", "offsets", "output")
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

    @contract(reads="sizes_dev, totals_dev, crcs_dev, output_dev", writes="payloads of the host", waits=True)
    def _payloads(self, heads: list[bytes]) -> list[list[bytes]]:
        batch, coded = self._batch, self._coded
        downloaded = self._executor.download_all([self._arrays[n] for n in ("totals", "sizes", "crcs", "output")])
        totals, sizes, crcs, output = downloaded
        of_coded = batch.payloads[coded]
        columns = [of_coded[name] for name in ("first_stream", "streams", "first_group")]
        columns += [groups_of(of_coded), of_coded["body"], totals[coded]]
        places = np.stack(columns, axis=1).astype(np.int64).reshape(-1)
        payloads = join_payloads(heads, places, sizes, crcs, output.view(np.uint8), batch.threads)
        ends = np.searchsorted(coded, [*batch.chunks["first_payload"], batch.payloads.size]).tolist()
        return [payloads[a:b] for a, b in pairwise(ends)]


_DC_SYMBOLS = ("classes", "residuals", "contexts")
_PALETTE_CELLS = ("modes", "counts", "positions", "values")
_LISTED = ("modes", "counts", "positions", "values", "tokens", "nonzeros", "headers", "listed", "words")
