"""float32 samples to their indices where they lie, with the range of the samples.

Values: C-ordered float32 arrays of the executor and their steps in; int32 arrays of the executor, and the range on the
host, out. Implements FORMAT.md section 2 (dtype 4). Guarantees the indices, and the error, of
`volume.floats.to_indices`. One launch and one wait for all arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmip_gpu.device.encode.statistics import sample_runs
from mmip_gpu.device.layouts.structs import struct_dtype
from mmip_gpu.device.run.contracts import contract
from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.volume.floats import without_index

__all__ = ["sample_indices"]


@contract(
    reads="arrays_dev of float32, C-ordered",
    writes="indices_dev, int32; the range of the samples",
    kernels=["float_indices"],
    waits=True,
)
def sample_indices(
    executor: Executor,
    arrays: Sequence[DeviceArray],
    steps: Sequence[float],
    limits: Sequence[int],
    names: Sequence[str],
) -> list[tuple[DeviceArray, float, float]]:
    """(indices, least sample, greatest sample) of every array, of which none is empty.

    Raises
    ------
    InvalidArgument
        For the first sample that is not finite or whose index is beyond the limit, after the name of its array.

    Examples
    --------
    >>> from mmip_gpu.device.run.executors import HostExecutor
    >>> samples = np.array([0.5, -1.25], np.float32)
    >>> sample_indices(HostExecutor(), [samples], [0.1], [2**18], [""])
    [(array([  5, -12], dtype=int32), -1.25, 0.5)]
    """
    parts = [sample_runs(array.size) for array in arrays]
    ends = np.cumsum([first.size for first, _ in parts])
    items = np.zeros(sum(first.size for first, _ in parts), struct_dtype("FloatRun"))
    found = [executor.empty(array.shape, np.int32) for array in arrays]
    for index, ((first, count), end) in enumerate(zip(parts, ends, strict=True)):
        part, apart = items[end - first.size : end], (4 * first).astype(np.uint64)
        part["samples"] = np.uint64(executor.address(arrays[index])) + apart
        part["indices"] = np.uint64(executor.address(found[index])) + apart
        part["count"], part["step"], part["limit"] = count, steps[index], limits[index]
    held, runs = executor.upload(items), executor.empty(items.size * struct_dtype("FloatFindings").itemsize, np.uint8)
    executor.launch("float_indices", groups=items.size, items=executor.address(held), found=executor.address(runs))
    findings, out = executor.download(runs).view(struct_dtype("FloatFindings")), []
    for index, ((first, count), end) in enumerate(zip(parts, ends, strict=True)):
        part = findings[end - first.size : end]
        wrong = np.flatnonzero(part["wrong"] < count)
        if wrong.size:
            place = int(first[wrong[0]] + part["wrong"][wrong[0]])
            sample = executor.download(arrays[index].reshape(-1)[place : place + 1])
            error = without_index(float(sample[0]), steps[index], limits[index])
            raise InvalidArgument(f"{names[index]}{error}")
        out.append((found[index], float(part["low"].min()) + 0, float(part["high"].max()) + 0))
    return out
