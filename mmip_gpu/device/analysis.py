"""The transforms and choices of a batch: samples in the executor's memory to quantized coefficients.

Values: Source per chunk in; Indices in the executor's memory, and sums per tile and class, out. Encoder side of
FORMAT.md sections 2 to 5. Equal to the core at every effort and with plain rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import InvalidArgument
from .batches import Batch
from .executors import Array
from .packing import Indices, count_ac
from .parameters import SAMPLE_ITEM, SUM_ITEM

__all__ = ["SAMPLE_TYPES", "Source", "analyze", "builtin_rates", "sample_sums"]

SAMPLE_TYPES = {np.dtype(t): i for i, t in enumerate(("uint8", "int8", "uint16", "int16", "int32"))}
_SUMS = 7  # of a quality class: counts and excesses by |q| = 1, 2, more, and the squared error
_ENTRY_BYTES = 12  # of Entry (rules/decide.h)
_RUN = 1 << 16  # samples that a group adds up


@dataclass(frozen=True)
class Source:
    """The samples of a chunk and, where there are several quality classes, the class of every cell (raster order).

    Both are in the executor's memory; `offset` is subtracted from every sample.
    """

    planes: Array
    cells: Array | None
    offset: int


def sample_sums(batch: Batch, planes: Sequence[Array]) -> list[int]:
    """Sum of the samples of every chunk."""
    executor = batch.executor
    runs = [-(-array.size // _RUN) for array in planes]
    items = np.zeros(sum(runs), SUM_ITEM)
    row = 0
    for array, many in zip(planes, runs, strict=True):
        part = items[row : row + many]
        first = np.arange(many, dtype=np.int64) * _RUN
        part["samples"] = executor.address(array) + (first * array.dtype.itemsize).astype(np.uint64)
        part["count"] = np.minimum(_RUN, array.size - first)
        part["type"] = SAMPLE_TYPES[array.dtype]
        row += many
    on_device, sums = executor.upload(items), executor.empty(items.size, np.int64)
    executor.launch("sum_samples", groups=items.size, items=executor.address(on_device), sums=executor.address(sums))
    found = executor.download(sums)
    ends = np.cumsum(runs)
    return [int(found[end - many : end].sum()) for end, many in zip(ends, runs, strict=True)]


def analyze(
    batch: Batch, sources: Sequence[Source], rounding: int, search: int, passes: int = 1
) -> tuple[Indices, Array]:
    """Coefficients of a batch, and its sums: (tiles, classes, 7) of int64, as `Chunk.settle_sums` takes them.

    Each pass after the first decides with the code lengths that the one before would write.

    Raises
    ------
    InvalidArgument
        Where the chunks differ in cell depth.
    """
    depths = {shape.plan.depth for shape in batch.shapes}
    if len(depths) != 1:
        raise InvalidArgument(f"cell depths {sorted(depths)} in one batch: expected one")
    executor = batch.executor
    indices = Indices(
        modes=executor.empty(batch.cells, np.uint8),
        classes=executor.empty(batch.cells, np.uint8),
        dcs=executor.empty(batch.cells, np.int32),
        counts=executor.empty(batch.cells, np.uint16),
        positions=executor.empty(batch.entries, np.uint16),
        values=executor.empty(batch.entries, np.int32),
    )
    arrays: dict[str, Array] = {"sources": _source_items(batch, sources, rounding, search), **vars(indices)}
    kind = "planes" if depths == {1} else "volumes"
    by_lengths = search >= _core.SEARCH_ROUGH
    if by_lengths:
        arrays["entries"] = executor.empty((batch.entries, _ENTRY_BYTES), np.uint8)
        arrays["rates"], arrays["first_rates"] = builtin_rates(batch)
    for done in range(passes):
        if done:
            counts, densities = count_ac(batch, indices)
            arrays["rates"], arrays["first_rates"] = _chosen_rates(batch, counts)
            arrays["header_classes"] = _header_classes(batch, densities)
        arrays["sums"] = executor.zeros((batch.tiles.size, _core.MAX_CLASSES, _SUMS), np.int64)
        addresses = {name: executor.address(array) for name, array in arrays.items()}
        if by_lengths:
            addresses.setdefault("header_classes", 0)
        kernel = f"{'search' if by_lengths else 'analyze'}_{kind}"
        executor.launch(kernel, groups=batch.superblocks, **batch.addresses(), **addresses)
    return indices, arrays["sums"]


def _source_items(batch: Batch, sources: Sequence[Source], rounding: int, search: int) -> Array:
    address = batch.executor.address
    items = np.zeros(len(sources), SAMPLE_ITEM)
    for item, source, shape in zip(items, sources, batch.shapes, strict=True):
        item["samples"] = address(source.planes)
        item["classes"] = 0 if source.cells is None else address(source.cells)
        item["shape"], item["type"] = shape.layout.volume, SAMPLE_TYPES[source.planes.dtype]
        item["offset"], item["rounding"], item["dc_unit"] = source.offset, rounding, 1
        item["search"] = search
        item["reversible"] = sum(int(exact) << index for index, exact in enumerate(shape.plan.reversible))
    return batch.executor.upload(items)


def builtin_rates(batch: Batch) -> tuple[Array, Array]:
    """(bits of all symbols with the built-in codes, where those of each payload begin)."""
    rates = [np.frombuffer(_core.stage_rates(stage, None), np.uint8) for stage in (2, 3)]
    stages = batch.stages()
    first = np.where(stages <= 2, 0, rates[0].size).astype(np.int64)
    return batch.executor.upload(np.concatenate(rates)), batch.executor.upload(first)


def _chosen_rates(batch: Batch, counts: NDArray[np.uint32]) -> tuple[Array, Array]:
    """The same with the codes that would be chosen for these histograms."""
    rates, first, end = [], np.zeros(batch.payloads.size, np.int64), 0
    for payload, stage in enumerate(batch.stages().tolist()):
        if stage > 1:
            rates.append(np.frombuffer(_core.stage_rates(stage, counts[batch.symbols_of(payload)]), np.uint8))
            first[payload] = end
            end += rates[-1].size
    return batch.executor.upload(np.concatenate(rates)), batch.executor.upload(first)


def _header_classes(batch: Batch, densities: Array) -> Array:
    executor = batch.executor
    classes = executor.empty(batch.spans, np.uint8)
    addresses = {"densities": executor.address(densities), "header_classes": executor.address(classes)}
    executor.launch("header_classes", groups=batch.superblocks, **batch.addresses(), **addresses)
    return classes
