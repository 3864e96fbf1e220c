"""The search of a batch: it weighs blocks by the bits of all symbols and, in later passes, by the classes of headers.

Values: chunk shapes and counts of a pass before in; arrays in the executor's memory out. Encoder side of FORMAT.md
section 8.2. Rates are those of the core's built-in or chosen codes, found on the host. Scratch: 12 bytes a sample of at
most 8192 superblocks (400 MB), 24 KB a payload; between passes what listing the symbols takes
(device/encode/packing.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import MODE_COUNT, block_tables, builtin_rates, chosen_rates
from mmip_gpu.device.encode.packing import count_ac
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch
from mmip_gpu.device.tables.indices import Indices

__all__ = ["Search", "learned"]

_SUPERBLOCK_SAMPLES = 4096
_WAVE = 8192  # superblocks of a launch


class Search:
    """Launches of the analysis that decides by code lengths, over a batch of one cell depth."""

    def __init__(self, batch: Batch) -> None:
        self._batch, self._executor = batch, batch.executor
        upload, wave = self._executor.upload, min(_WAVE, batch.superblocks)
        tables, positions = _position_tables(batch)
        self._tables = upload(tables)
        positions += np.uint64(self._executor.address(self._tables))
        rates, first_rates = _builtin_rates(batch)
        self._arrays: dict[str, DeviceArray] = {
            "entries": self._executor.empty(wave * _SUPERBLOCK_SAMPLES * struct_dtype("Entry").itemsize, np.uint8),
            "tables": upload(positions),
            "rates": upload(rates),
            "first_rates": upload(first_rates),
        }

    def learn(self, indices: Indices) -> None:
        """Weigh from now on by the codes that these indices would be written with, and by their header classes."""
        self._arrays |= learned(self._batch, indices)

    @contract(
        reads="sources_dev; rates_dev, header_classes_dev",
        writes="indices_dev and sums_dev",
        kernels=["search_planes", "search_predicted", "search_volumes"],
    )
    def run(self, earlier: DeviceArray | None = None, predictions: DeviceArray | None = None, **outputs: int) -> None:
        """Analyze all superblocks; `outputs` are the addresses of the sources and of what is written.

        `earlier` has R2 as an earlier pass leaves it, from which blocks are predicted, and `predictions` room for what
        is found.
        """
        batch = self._batch
        scratch = {name: self._executor.address(array) for name, array in self._arrays.items()}
        fields = {"header_classes": 0, **batch.addresses(), **scratch, **outputs}
        kernel = "search_planes" if batch.shapes[0].plan.depth == 1 else "search_volumes"
        fields |= {"earlier": 0, "predictions": 0}
        if earlier is not None and predictions is not None:
            kernel = "search_predicted"
            fields |= {"earlier": self._executor.address(earlier), "predictions": self._executor.address(predictions)}
        for first in range(0, batch.superblocks, _WAVE):
            self._executor.launch(kernel, groups=min(_WAVE, batch.superblocks - first), first=first, **fields)


@contract(
    reads="indices_dev",
    writes="rates_dev with where those of each payload begin, header_classes_dev",
    kernels=["header_classes"],
)
def learned(batch: Batch, indices: Indices) -> dict[str, DeviceArray]:
    """What weighs blocks by the codes that these indices would be written with, and by their header classes."""
    executor = batch.executor
    counts, densities = count_ac(batch, indices)
    rates, first_rates = _chosen_rates(batch, counts)
    classes = executor.empty(batch.spans, np.uint8)
    addresses = {"densities": executor.address(densities), "header_classes": executor.address(classes)}
    executor.launch("header_classes", groups=batch.superblocks, **batch.addresses(), **addresses)
    return {
        "rates": executor.upload(rates),
        "first_rates": executor.upload(first_rates),
        "header_classes": classes,
    }


def _position_tables(batch: Batch) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """(tables of the positions of all modes, one set for all chunks of the same cuts; where those of a chunk begin)."""
    parts: list[NDArray[np.uint8]] = []
    found: dict[tuple[int, ...], list[int]] = {}
    end = 0
    for plan in (shape.plan for shape in batch.shapes):
        if plan.cuts in found:
            continue
        firsts = found[plan.cuts] = []
        for mode in range(MODE_COUNT):
            _, table, _ = block_tables(mode, plan.depth, plan.cuts)
            firsts.append(end)
            parts.append(table)
            end += table.size
    return np.concatenate(parts), np.array([found[shape.plan.cuts] for shape in batch.shapes], np.uint64)


def _builtin_rates(batch: Batch) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(bits of all symbols with the built-in codes, where those of each payload begin)."""
    rates = [builtin_rates(stage) for stage in (2, 3)]
    return np.concatenate(rates), np.where(batch.stages > 2, rates[0].size, 0)


def _chosen_rates(batch: Batch, counts: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """As `_builtin_rates`, with the codes that would be chosen for these histograms."""
    later = batch.stages > 1
    firsts = batch.payloads["first_symbol"][later].astype(np.int64)
    rates = chosen_rates(batch.stages[later], firsts, counts, batch.threads)
    first = np.zeros(batch.payloads.size, np.int64)
    first[later] = np.arange(firsts.size) * (rates.size // max(firsts.size, 1))
    return rates, first
