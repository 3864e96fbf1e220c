"""Index arithmetic of the encoding kernels past 2^31 samples, cells and bytes, without arrays of that size.

Tiles and payloads say that they begin far away, and addresses count from where their arrays would begin: an index cut
to 32 bits anywhere would miss. What is there is small, and coded as the core does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.device_arrays import analyzed, check_payloads, few_values, padded
from helpers.device_batches import core_payloads, plan_of, uploaded
from numpy.typing import NDArray

from mmip_gpu.device.encode.packing import pack
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.executors import HostExecutor
from mmip_gpu.device.tables.batches import Batch

CELLS, ENTRIES = 2**33, 2**35
# By where the arrays' indices begin: how far that is moved, and the arrays with the bytes of an item.
FAR: dict[str, tuple[int, dict[str, int]]] = {
    "first_cell": (
        CELLS,
        {"modes": 1, "classes": 1, "dcs": 4, "counts": 2, "residuals": 4, "contexts": 1, "errors": 4}
        | {"settled": 1, "hidden": 1},
    ),
    "first_entry": (ENTRIES, {"positions": 2, "values": 4, "tokens": 2}),
    "first_span": (2**34, {"nonzeros": 2, "headers": 2, "densities": 4}),
    "first_run": (2**32 + 5, {"runs": 4}),
    "first_stream": (2**32 + 7, {"sizes": 4, "offsets": 8}),
    "first_symbol": (2**33 + 1, {"words": 4, "bins": 4}),
    "body": (2**36, {"output": 1}),
    "slices": ((CELLS + ENTRIES) // 64, {"mask": 8}),
}
SLICES_BEFORE = 2**22  # cells on z before the first
VALUES_OF_CELLS = {"dc_residuals", "settle_dcs"}  # kernels whose `values` are 8 bytes a cell


class FarExecutor(HostExecutor):
    """Moves what is uploaded far away, and addresses back by as much; of chunks of one plane and cell depth."""

    def __init__(self, depth: int, descending: bool) -> None:
        super().__init__(descending)
        self._depth = depth

    def upload(self, array: NDArray[Any]) -> NDArray[Any]:
        """Copy of a host array, its places moved."""
        moved = super().upload(array)
        for name in moved.dtype.names or ():
            if moved.dtype in (struct_dtype("TileItem"), struct_dtype("PayloadItem")) and name in FAR:
                moved[name] += FAR[name][0]
        if moved.dtype == struct_dtype("TileItem"):
            moved["cell"][:, 0] += SLICES_BEFORE
        if moved.dtype in (struct_dtype("SampleItem"), struct_dtype("PaddedItem")):
            self._move_samples(moved)
        return moved

    def _move_samples(self, items: NDArray[Any]) -> None:
        """As if SLICES_BEFORE slices of cells came before those that are there."""
        rows = np.array([1, 1, 2, 2])[items["type"]] * SLICES_BEFORE * self._depth
        fields = {"samples": rows * items["shape"][:, 1] * items["shape"][:, 2]}
        cells = SLICES_BEFORE * -(-items["shape"][:, 1] // 8) * -(-items["shape"][:, 2] // 8)
        fields["classes"] = cells
        if items.dtype == struct_dtype("PaddedItem"):
            fields["filled"] = fields["samples"]
            fields["values"] = fields["weights"] = 4 * SLICES_BEFORE * items["level_room"]
        for name, before in fields.items():
            items[name] -= np.where(items[name] > 0, before, 0).astype(np.uint64)
        items["shape"][:, 0] += SLICES_BEFORE * self._depth

    def launch(self, kernel: str, **values: int) -> None:
        """Run all phases of all groups."""
        for far, arrays in FAR.values():
            if kernel == "sum_histograms":
                continue
            for name in arrays.keys() & values.keys():
                of_cells = name == "values" and kernel in VALUES_OF_CELLS
                values[name] -= 8 * CELLS if of_cells else far * arrays[name]
        super().launch(kernel, **values)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("depth", [1, 8])
def test_chunks_are_coded_far_away(depth: int, descending: bool) -> None:
    last, far = 64 * depth - 1, FarExecutor(depth, descending)
    check_payloads(
        far,
        [
            (padded("textured", (11, 47, 65), "uint16", 0, "ellipsoid"), plan_of("zyx", depth, 900.0, padding=0), 0),
            (padded("edges", (9, 40, 33), "int8", 3, "box"), plan_of("zyx", depth, 0.0, padding=3, classes=2), 2),
            (padded("noise", (3, 33, 70), "int16", 0, "all"), plan_of("zyx", depth, 700.0, cuts=(0, 9, 40, last)), 0),
        ],
    )


@pytest.mark.parametrize("depth", [1, 8])
def test_palettes_are_packed_far_away(depth: int) -> None:
    cuts = (0, 50, 63) if depth == 1 else (0, 60, 511)
    plan = plan_of("zyx", depth, 3000.0, effort=3, cuts=cuts)
    chunk, shape, indices = analyzed(few_values((12, 40, 50), "uint16", 4, 8), plan)
    assert np.count_nonzero(indices["modes"] == 7)
    far = FarExecutor(depth, False)
    assert pack(Batch(far, [shape]), uploaded(far, [indices])) == [core_payloads(chunk, len(cuts))]
