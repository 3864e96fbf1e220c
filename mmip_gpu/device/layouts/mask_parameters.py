"""The Params of the padding kernels (kernels/padding/*.h), and the structs they point at.

Values: aligned structured dtypes; pointers are addresses in the executor's memory.
"""

from __future__ import annotations

import numpy as np

from mmip_gpu.device.layouts.fields import BATCH, Fields, longs, pointers

__all__ = ["LEVEL_ITEM", "MASK_KERNELS", "PADDED_ITEM"]

PADDED_ITEM = np.dtype(
    [
        *pointers("samples", "filled", "classes", "values", "weights"),
        *longs("level_room"),
        ("shape", np.int64, 3),
        *((name, np.int32) for name in ("type", "padding", "reversible", "reserved")),
    ],
    align=True,
)
LEVEL_ITEM = np.dtype(
    [*pointers("values", "weights"), *longs("room", "fine", "coarse", "ny", "nx", "count", "first_group")], align=True
)

_ITEMS = [*longs("groups", "item_count"), *pointers("items")]

MASK_KERNELS: dict[str, Fields] = {
    "find_masks": [*BATCH, *pointers("items", "mask", "hidden")],
    "frame_masks": [*BATCH, *pointers("places", "mask", "frames", "codes")],
    "count_masks": [*BATCH, *pointers("places", "frames", "codes")],
    "write_masks": [*BATCH, *pointers("places", "frames", "codes", "offsets", "output")],
    "pull_levels": _ITEMS,
    "push_levels": _ITEMS,
    "fill_planes": [*BATCH, *pointers("items", "mask")],
    "fill_volumes": [*BATCH, *pointers("items", "mask")],
    "settle_blocks": [*BATCH, *pointers("hidden", "modes", "counts", "settled")],
    "settle_dcs": [*BATCH, *pointers("settled", "weights", "classes", "values", "dcs")],
}
