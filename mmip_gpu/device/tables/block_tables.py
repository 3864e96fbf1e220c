"""Tables of all block modes in the executor's memory: they never change, and all batches of an executor share them.

Values: an executor in; tables in its memory out (kernels/items.h). Implements FORMAT.md sections 3 and 4.4.
"""

from __future__ import annotations

from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from mmip_gpu._core import MODE_COUNT, block_table
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor

__all__ = ["BlockTables", "block_tables_of"]

_tables: WeakKeyDictionary[Executor, BlockTables] = WeakKeyDictionary()
_lock = Lock()


@contract(reads="nothing", writes="tables_dev, for all streams", waits=True)
def block_tables_of(executor: Executor) -> BlockTables:
    """The tables in this executor's memory, uploaded for its first batch."""
    with _lock:
        if executor not in _tables:
            _tables[executor] = BlockTables(executor)
            executor.wait()  # other streams use them too
        return _tables[executor]


class BlockTables:
    """Tables of all block modes at both depths in the executor's memory; they live as long as this object."""

    def __init__(self, executor: Executor) -> None:
        items = np.zeros(2 * MODE_COUNT, struct_dtype("BlockItem"))
        self._arrays: list[DeviceArray] = []
        for row, depth in enumerate((1, 8)):
            for mode in range(MODE_COUNT):
                cells, count, *tables = block_table(mode, depth)
                item = items[row * MODE_COUNT + mode]
                item["cells"], item["count"] = cells, count
                for name, table in zip(("order", "neighbours"), tables, strict=True):
                    if cells:
                        array = executor.upload(np.frombuffer(table, np.uint8))
                        self._arrays.append(array)
                        item[name] = executor.address(array)
        self.items: Any = executor.upload(items)
