"""What is encoded together: chunks, and groups of them that share all launches.

Values: arrays in the executor's memory with their plans in; groups of alike chunks out. Here it is decided which chunks
the kernels encode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.header import DTYPES
from mmip_gpu.device.run.executors import DeviceArray
from mmip_gpu.errors import InvalidArgument
from mmip_gpu.transform.plan import ChunkPlan

__all__ = ["Chunk", "ChunkGroup", "alike_chunks", "check_chunks", "refusal"]


@dataclass(frozen=True)
class Chunk:
    """An array in the executor's memory, how it is coded, and the class of every voxel (without an axis ``c``).

    `on_host` gives a copy of the array in host memory, where there is one already.
    """

    array: DeviceArray
    plan: ChunkPlan
    classes: DeviceArray | None = None
    on_host: Callable[[], NDArray[Any]] | None = None


@dataclass(frozen=True)
class ChunkGroup:
    """Chunks that share all launches: none is empty, and all have one cell depth, search, DC image and corrections.

    `indices` are their indices among the chunks of the call, `names` begin the messages of errors.
    """

    indices: list[int]
    chunks: list[Chunk]
    names: list[str]


def refusal(plan: ChunkPlan, dtype: Any) -> str | None:
    """Why the kernels do not encode such a chunk; None where they do.

    Examples
    --------
    >>> from mmip_gpu.config import CodecConfig
    >>> plan = ChunkPlan(CodecConfig("psnr", 50.0, effort=1), "yx", False, 1, (0, 4, 4), (0, 63), ((256,),), (0,))
    >>> refusal(plan, "uint16") is None, refusal(plan, "float32")
    (True, 'samples of float32')
    """
    samples = np.dtype(dtype)
    if samples.name not in DTYPES or (samples == np.float32) == (plan.config.step is None):
        return f"samples of {samples}"
    return "channels with steps of their own" if plan.units else None


def check_chunks(chunks: Sequence[Chunk]) -> None:
    """Raise InvalidArgument for a chunk that the kernels do not encode; it is named."""
    for index, chunk in enumerate(chunks):
        reason = refusal(chunk.plan, chunk.array.dtype)
        if reason is not None:
            raise InvalidArgument(f"chunk {index}: {reason}: not encoded on a device; pass device='cpu'")


def alike_chunks(chunks: Sequence[Chunk]) -> list[ChunkGroup]:
    """The chunks in groups that share all launches, without those that are empty."""
    groups = []
    for shared in sorted({_shared_by_launches(chunk.plan) for chunk in chunks}):
        indices = [i for i, c in enumerate(chunks) if _shared_by_launches(c.plan) == shared and c.array.size]
        names = [f"chunk {i}: " if len(chunks) > 1 else "" for i in indices]
        if indices:
            groups.append(ChunkGroup(indices, [chunks[i] for i in indices], names))
    return groups


def _shared_by_launches(plan: ChunkPlan) -> tuple[int, int, int, bool, bool, bool]:
    return plan.depth, *plan.search, plan.correction is not None, plan.dc_image, plan.predicts
