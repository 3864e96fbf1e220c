"""The quantized chunks of a batch, as encoding and decoding share them."""

from __future__ import annotations

from dataclasses import dataclass

from mmip_gpu.device.run.executors import DeviceArray

__all__ = ["Indices", "Predictions"]


@dataclass
class Indices:
    """The quantized chunks of a batch.

    Per cell: `modes` and `counts` (of the entries of the block that starts there) in coding order of its tile, `dcs`
    and `classes` in raster order of its tile. The entries of a block, `positions` and `values` in scan order, stand in
    the room of its cells. There are palette cells only where the plan's search looks for them.
    """

    modes: DeviceArray
    classes: DeviceArray
    dcs: DeviceArray
    counts: DeviceArray
    positions: DeviceArray
    values: DeviceArray


@dataclass
class Predictions:
    """The predictions of the blocks of a batch whose chunks may have some, and what they are made from.

    Per cell: `coded` in coding order of its tile, `near` in raster order. `restored` has R2 (FORMAT.md section 4.5):
    whole cells, tile after tile, [z][y][x] in a tile.
    """

    coded: DeviceArray
    near: DeviceArray
    restored: DeviceArray
