"""Zarr's buffers on the host and on devices, and batches of them.

Values: buffers of a batch with the specs of their chunks in; what a function makes of them out, in their order.
Guarantees that chunks of a device go through one call on that device, and that what is absent stays absent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mmip_gpu.device.run.placement import is_on_device

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import BufferPrototype, NDBuffer

__all__ = ["array_of", "coded", "is_for_device", "on_device_of", "to_buffer", "to_nd_buffer"]

_Chunk = TypeVar("_Chunk", bound="Buffer | NDBuffer")
_Result = TypeVar("_Result")


def array_of(chunk: Buffer | NDBuffer) -> Any:
    """The array of a buffer, where it lies."""
    return chunk.as_array_like() if hasattr(chunk, "as_array_like") else chunk.as_ndarray_like()


async def coded(
    chunks_and_specs: Iterable[tuple[_Chunk | None, ArraySpec]],
    alone: Callable[[_Chunk, ArraySpec], _Result],
    together: Callable[[Sequence[tuple[_Chunk, ArraySpec]]], Sequence[_Result]],
) -> list[_Result | None]:
    """``together`` of the chunks on a device, ``alone`` of each other on a thread of Zarr's pool; None stays None."""
    pairs = [(chunk, spec) for chunk, spec in chunks_and_specs]
    results: list[_Result | None] = [None] * len(pairs)
    present = [(i, chunk, spec) for i, (chunk, spec) in enumerate(pairs) if chunk is not None]
    held = [item for item in present if is_on_device(array_of(item[1]))]

    async def code_alone(index: int, chunk: _Chunk, spec: ArraySpec) -> None:
        results[index] = await asyncio.to_thread(alone, chunk, spec)

    async def code_together() -> None:
        found = await asyncio.to_thread(together, [(chunk, spec) for _, chunk, spec in held])
        for (index, _, _), result in zip(held, found, strict=True):
            results[index] = result

    places = {index for index, _, _ in held}
    work = [code_alone(*item) for item in present if item[0] not in places]
    await asyncio.gather(*work, *([code_together()] if held else []))
    return results


def is_for_device(prototype: BufferPrototype) -> bool:
    """Whether buffers of a prototype lie on a device."""
    return _makes_device_buffers(prototype.buffer)


@lru_cache
def _makes_device_buffers(kind: type[Buffer]) -> bool:
    return is_on_device(array_of(kind.create_zero_length()))


def on_device_of(array: Any) -> AbstractContextManager[Any]:
    """The device of an array, as the current one; threads of a pool have their own."""
    device = getattr(array, "device", None)
    return device if isinstance(device, AbstractContextManager) else nullcontext()


def to_buffer(data: Any, spec: ArraySpec) -> Buffer:
    """Buffer of bytes, or of an array of bytes on a device."""
    kind = spec.prototype.buffer
    return kind.from_array_like(data) if is_on_device(data) else kind.from_bytes(data)


def to_nd_buffer(array: Any, spec: ArraySpec) -> NDBuffer:
    """Buffer of an array in the dtype of its spec, where it lies; what is on the host goes where the spec says."""
    typed = array.astype(spec.dtype.to_native_dtype(), copy=False)
    kind = spec.prototype.nd_buffer
    return kind.from_ndarray_like(typed) if is_on_device(typed) else kind.from_numpy_array(np.asarray(typed))
