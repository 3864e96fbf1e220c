"""Quality classes of cells where the samples lie: from the classes of voxels.

Values: uint8 classes of every voxel of chunks in the executor's memory in; of every cell of their planes, there, out.
Encoder side of FORMAT.md section 3. Guarantees what `transform.analysis.cell_map` gives. One launch for all chunks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch, launch_items
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["cell_classes"]


@contract(
    reads="classes_dev of voxels, in any strides",
    writes="cells_dev: uint8 in raster order of each plane; None where a chunk has one class",
    kernels=["cell_classes"],
)
def cell_classes(batch: Batch, classes_dev: Sequence[DeviceArray | None]) -> list[DeviceArray | None]:
    """Class of every cell of every plane, where there are classes to tell apart."""
    executor, address = batch.executor, batch.executor.address
    voxels_dev: list[DeviceArray] = []  # copies live until the launch
    cells_dev: list[DeviceArray | None] = []
    rows = []
    for of_voxels, shape in zip(classes_dev, batch.shapes, strict=True):
        if of_voxels is None or len(shape.plan.steps) == 1:
            cells_dev.append(None)
            continue
        layout = shape.layout
        spatial = PlaneLayout(layout.axes.replace("c", ""), of_voxels.shape, layout.slice_axis)
        voxels_dev.append(executor.contiguous(spatial.plane_view(of_voxels)))
        cells_dev.append(executor.empty(shape.cells, np.uint8))
        addresses = address(voxels_dev[-1]), address(cells_dev[-1])
        rows.append((*addresses, layout.volume, shape.cells, 0, shape.plan.depth, layout.channels))
    launch_items(executor, "cell_classes", np.array(rows, struct_dtype("CellClassItem")))
    return cells_dev
