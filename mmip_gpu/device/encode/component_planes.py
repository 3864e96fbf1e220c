"""The planes that are transformed: samples less their offset or, of chunks with colour, its components.

Values: planes of a batch in the executor's memory, their statistics on the host, in; sources of the analysis out.
Encoder side of FORMAT.md section 2. Guarantees the offsets of `transform.offset.sample_offset` and the components of
`volume.colour`. One launch for all chunks with colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmip_gpu.device.encode.analysis import Source
from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.device.tables.batches import Batch, launch_items

__all__ = ["component_planes"]


@contract(
    reads="planes_dev, C-ordered; cells_dev",
    writes="sources: the same planes_dev, or int32 components_dev of chunks with colour",
    kernels=["colour_planes"],
)
def component_planes(
    batch: Batch, planes_dev: Sequence[DeviceArray], cells_dev: Sequence[DeviceArray | None], offsets: Sequence[int]
) -> list[Source]:
    """Make the source of each chunk's analysis."""
    executor, sources, rows = batch.executor, [], []
    for array, cells, shape, offset in zip(planes_dev, cells_dev, batch.shapes, offsets, strict=True):
        if not shape.plan.colour:
            sources.append(Source(array, cells, offset))
            continue
        components = executor.empty(array.shape, np.int32)
        sources.append(Source(components, cells, 0))
        addresses = executor.address(array), executor.address(components)
        per_plane = array.size // shape.layout.planes
        rows.append((*addresses, per_plane, array.size // 3, 0, SAMPLE_TYPES[array.dtype], offset))
    launch_items(executor, "colour_planes", np.array(rows, struct_dtype("ColourItem")))
    return sources
