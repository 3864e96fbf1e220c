"""Statistics of arrays where they lie: sum and range of their samples, and how far two arrays are apart.

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

from mmip_gpu.device.layouts.structs import SAMPLE_TYPES, struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor

__all__ = ["differences", "sample_runs", "sample_statistics"]

_RUN = 1 << 16  # samples of a group


@contract(
    reads="arrays_dev of integers, C-ordered", writes="sums and ranges", kernels=["sample_statistics"], waits=True
)
def sample_statistics(executor: Executor, arrays: Sequence[DeviceArray]) -> list[tuple[int, int, int]]:
    """(sum, least, greatest) of the samples of every array, of which none is empty.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> sample_statistics(HostExecutor(), [np.array([3, -5, 4], np.int16)])
    [(2, -5, 4)]
    """
    found = _of_runs(executor, "sample_statistics", struct_dtype("Statistics"), arrays, None)
    return [(int(f["sum"].sum()), int(f["low"].min()), int(f["high"].max())) for f in found]


@contract(
    reads="arrays_dev and others_dev of integers, C-ordered", writes="sums", kernels=["sum_differences"], waits=True
)
def differences(
    executor: Executor, arrays: Sequence[DeviceArray], others: Sequence[DeviceArray]
) -> list[tuple[int, int]]:
    """(sum of squared differences, largest absolute difference) of pairs of arrays of one shape and dtype.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> differences(HostExecutor(), [np.array([3, -5], np.int8)], [np.array([1, 2], np.int8)])
    [(53, 7)]
    """
    found = _of_runs(executor, "sum_differences", struct_dtype("Difference"), arrays, others)
    return [(int(f["squares"].sum()), int(f["largest"].max())) for f in found]


def _of_runs(
    executor: Executor,
    kernel: str,
    result: np.dtype[Any],
    arrays: Sequence[DeviceArray],
    others: Sequence[DeviceArray] | None,
) -> list[NDArray[Any]]:
    """What the kernel finds in the runs of every array."""
    parts = [sample_runs(array.size) for array in arrays]
    items = np.zeros(sum(first.size for first, _ in parts), struct_dtype("SampleRun"))
    ends = np.cumsum([first.size for first, _ in parts])
    for index, (array, (first, count), end) in enumerate(zip(arrays, parts, ends, strict=True)):
        part = items[end - first.size : end]
        apart = (first * array.dtype.itemsize).astype(np.uint64)
        part["samples"] = np.uint64(executor.address(array)) + apart
        if others is not None:
            part["others"] = np.uint64(executor.address(others[index])) + apart
        part["count"], part["type"] = count, SAMPLE_TYPES[array.dtype]
    held, sums = executor.upload(items), executor.empty(items.size * result.itemsize, np.uint8)
    executor.launch(kernel, groups=items.size, items=executor.address(held), sums=executor.address(sums))
    found = executor.download(sums).view(result)
    return [found[end - first.size : end] for (first, _), end in zip(parts, ends, strict=True)]


def sample_runs(samples: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(first sample, number of samples) of the runs that groups take of an array.

    Examples
    --------
    >>> first, count = sample_runs(70000)
    >>> first.tolist(), count.tolist()
    ([0, 65536], [65536, 4464])
    """
    first = np.arange(0, samples, _RUN, dtype=np.int64)
    return first, np.minimum(_RUN, samples - first)
