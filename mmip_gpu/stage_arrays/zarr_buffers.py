"""Zarr's buffers on the host and on devices, and batches of them.

Values: buffers of a batch with the specs of their chunks in; what a function makes of them out, in their order. A batch
may hold buffers of both memories, and is parted here. Guarantees that chunks of a device go through one call on that
device, and that what is absent stays absent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mmip_gpu.device.run.placement import by_memory, is_on_device

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import BufferPrototype, NDBuffer

__all__ = [
    "array_of",
    "code_chunks",
    "device_nd_buffer",
    "host_nd_buffer",
    "is_for_device",
    "on_device_of",
    "to_buffer",
]

_Chunk = TypeVar("_Chunk", bound="Buffer | NDBuffer")
_Result = TypeVar("_Result")


def array_of(chunk: Buffer | NDBuffer) -> Any:
    """The array of a buffer, where it lies."""
    return chunk.as_array_like() if hasattr(chunk, "as_array_like") else chunk.as_ndarray_like()


async def code_chunks(
    chunks_and_specs: Iterable[tuple[_Chunk | None, ArraySpec]],
    on_host: Callable[[_Chunk, ArraySpec], _Result],
    on_device: Callable[[Sequence[tuple[_Chunk, ArraySpec]]], Sequence[_Result]],
) -> list[_Result | None]:
    """``on_device`` of all chunks there, ``on_host`` of each other one on a thread of Zarr's pool; None stays None."""
    pairs = list(chunks_and_specs)
    results: list[_Result | None] = [None] * len(pairs)
    present = [(i, chunk, spec) for i, (chunk, spec) in enumerate(pairs) if chunk is not None]
    device_chunks, host_chunks = by_memory([array_of(chunk) for _, chunk, _ in present])

    async def code_on_host(index: int, chunk: _Chunk, spec: ArraySpec) -> None:
        results[index] = await asyncio.to_thread(on_host, chunk, spec)

    async def code_on_device(chunks: Sequence[tuple[int, _Chunk, ArraySpec]]) -> None:
        coded = await asyncio.to_thread(on_device, [(chunk, spec) for _, chunk, spec in chunks])
        for (index, _, _), result in zip(chunks, coded, strict=True):
            results[index] = result

    work = [code_on_host(*present[i]) for i in host_chunks]
    if device_chunks:
        work.append(code_on_device([present[i] for i in device_chunks]))
    await asyncio.gather(*work)
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


def to_buffer(data: bytes, spec: ArraySpec) -> Buffer:
    """Buffer of bytes, in the memory that the spec says."""
    return spec.prototype.buffer.from_bytes(data)


def host_nd_buffer(array: Any, spec: ArraySpec) -> NDBuffer:
    """Buffer of an array of the host in the dtype of its spec, in the memory that the spec says."""
    typed = np.asarray(array.astype(spec.dtype.to_native_dtype(), copy=False))
    return spec.prototype.nd_buffer.from_numpy_array(typed)


def device_nd_buffer(array_dev: Any, spec: ArraySpec) -> NDBuffer:
    """Buffer of an array of a device in the dtype of its spec, where it lies."""
    typed = array_dev.astype(spec.dtype.to_native_dtype(), copy=False)
    return spec.prototype.nd_buffer.from_ndarray_like(typed)
