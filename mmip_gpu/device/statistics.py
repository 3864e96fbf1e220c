"""What an encoder asks of all samples of arrays where they lie: sum and range, and how far two arrays are apart.

Values: C-ordered arrays of the executor, of integers of up to 32 bits, in; Python integers out. Encoder side of
FORMAT.md sections 1 and 2. Exact, and equal to what `_core.statistics` and `_core.difference` find. Arrays may differ
in everything; each function is one launch and one wait. Scratch: 48 bytes for 65,536 samples.

- ``sample_statistics(executor, arrays) -> [(sum, least, greatest), ..]``
- ``differences(executor, arrays, others) -> [(sum of squared differences, largest difference), ..]``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .analysis import SAMPLE_TYPES
from .executors import Array, Executor
from .parameters import SAMPLE_RUN

__all__ = ["differences", "sample_statistics"]

_RUN = 1 << 16  # samples of a group
_STATISTICS = np.dtype([("sum", np.int64), ("low", np.int32), ("high", np.int32)])
_DIFFERENCE = np.dtype([("squares", np.uint64), ("largest", np.uint64)])


def sample_statistics(executor: Executor, arrays: Sequence[Array]) -> list[tuple[int, int, int]]:
    """(sum, least, greatest) of the samples of every array, of which none is empty.

    Examples
    --------
    >>> from mmip_gpu.device import HostExecutor
    >>> sample_statistics(HostExecutor(), [np.array([3, -5, 4], np.int16)])
    [(2, -5, 4)]
    """
    found = _of_runs(executor, "sample_statistics", _STATISTICS, arrays, None)
    return [(int(f["sum"].sum()), int(f["low"].min()), int(f["high"].max())) for f in found]


def differences(executor: Executor, arrays: Sequence[Array], others: Sequence[Array]) -> list[tuple[int, int]]:
    """(sum of squared differences, largest absolute difference) of pairs of arrays of one shape and dtype.

    Examples
    --------
    >>> from mmip_gpu.device import HostExecutor
    >>> differences(HostExecutor(), [np.array([3, -5], np.int8)], [np.array([1, 2], np.int8)])
    [(53, 7)]
    """
    found = _of_runs(executor, "sum_differences", _DIFFERENCE, arrays, others)
    return [(int(f["squares"].sum()), int(f["largest"].max())) for f in found]


def _of_runs(
    executor: Executor, kernel: str, result: np.dtype[Any], arrays: Sequence[Array], others: Sequence[Array] | None
) -> list[NDArray[Any]]:
    """What the kernel finds in the runs of every array."""
    runs = [-(-array.size // _RUN) for array in arrays]
    ends = np.cumsum(runs)
    items = np.zeros(sum(runs), SAMPLE_RUN)
    for index, (array, many, end) in enumerate(zip(arrays, runs, ends, strict=True)):
        part = items[end - many : end]
        first = np.arange(many, dtype=np.int64) * _RUN
        apart = (first * array.dtype.itemsize).astype(np.uint64)
        part["samples"] = np.uint64(executor.address(array)) + apart
        if others is not None:
            part["others"] = np.uint64(executor.address(others[index])) + apart
        part["count"] = np.minimum(_RUN, array.size - first)
        part["type"] = SAMPLE_TYPES[array.dtype]
    held, sums = executor.upload(items), executor.empty(items.size * result.itemsize, np.uint8)
    executor.launch(kernel, groups=items.size, items=executor.address(held), sums=executor.address(sums))
    found = executor.download(sums).view(result)
    return [found[end - many : end] for end, many in zip(ends, runs, strict=True)]
