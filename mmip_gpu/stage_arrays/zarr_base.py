"""What our codecs of Zarr v3 share: batches of chunks, on the host and on devices, and parts of chunks by byte ranges.

Values: Zarr's buffers in and out; a codec says how arrays become bytes and back. Guarantees that chunks on a device are
coded there, in batches, and come back there. A chunk of the host has one thread, and Zarr's thread pool decides how
many are coded at once. A damaged chunk is named where Zarr says which one it is.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import zarr
from numpy.typing import NDArray
from packaging.version import Version
from zarr.abc.codec import ArrayBytesCodec
from zarr.abc.store import RangeByteRequest
from zarr.core.buffer import cpu
from zarr.storage import StorePath

from mmip_gpu.container.byte_ranges import Fetched, Reading, Span, advance, or_whole
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.device.run.placement import is_on_device
from mmip_gpu.errors import CorruptData, MmipError, UnsupportedVersion
from mmip_gpu.stage_arrays.zarr_buffers import (
    array_of,
    code_chunks,
    device_nd_buffer,
    host_nd_buffer,
    is_for_device,
    on_device_of,
    to_buffer,
)

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import BufferPrototype, NDBuffer

__all__ = ["ChunkSelection", "ZarrCodec"]

# Readers before zarr 3.1.6 keep axes that a selection by indices drops, if a codec decodes parts (zarr-python #3763).
_DECODES_PARTS = Version(zarr.__version__) >= Version("3.1.6")
if TYPE_CHECKING or _DECODES_PARTS:
    from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin as _PartialDecoding
else:
    _PartialDecoding = object

ChunkSelection = tuple["Buffer", Selected, "ArraySpec"]
"""The bytes of a chunk on a device, and what is selected of it."""


class ZarrCodec(ArrayBytesCodec, _PartialDecoding):
    """An array-to-bytes codec; None stands for chunks that a store does not hold."""

    is_fixed_size: ClassVar[bool] = False  # type: ignore[misc]  # zarr declares an instance variable

    @abstractmethod
    def _encode_host(self, array: NDArray[Any], spec: ArraySpec) -> bytes | None:
        """Bytes of a chunk."""

    @abstractmethod
    def _decode_host(self, data: Any, selected: Selected, spec: ArraySpec) -> NDArray[Any]:
        """What was selected of the chunk with these bytes, of which those that it does not need may be zero."""

    @abstractmethod
    def _by_ranges(self, selected: Selected, spec: ArraySpec, decode: Callable[[Any], Any]) -> Reading:
        """Fetch what a part of a chunk needs; returns what `decode` makes of it."""

    @abstractmethod
    def _encode_device_arrays(self, arrays_dev: Sequence[Any], specs: Sequence[ArraySpec]) -> Sequence[bytes | None]:
        """Bytes or None of each array of a device, which is the current one."""

    @abstractmethod
    def _decode_device_chunks(self, selections: Sequence[ChunkSelection]) -> Sequence[Any]:
        """What was selected of each chunk, on the device, or its error; the device is the current one."""

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before encoding."""
        raise NotImplementedError

    async def encode(self, chunks_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]) -> list[Buffer | None]:
        """Encode a batch: chunks on a device together, others each on a thread of Zarr's pool."""
        return await code_chunks(chunks_and_specs, self._encode_on_host, self._encode_on_device)

    async def decode(self, chunks_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]) -> list[NDBuffer | None]:
        """Decode a batch: chunks on a device together, others each on a thread of Zarr's pool."""
        return await code_chunks(chunks_and_specs, self._decode_on_host, self._decode_on_device)

    async def decode_partial(self, batch_info: Iterable[tuple[Any, Any, ArraySpec]]) -> list[NDBuffer | None]:
        """Read parts of chunks by byte ranges and decode them: those for a device together."""
        items = list(batch_info)
        if not items or not is_for_device(items[0][2].prototype):
            return list(await super().decode_partial(items))
        try:
            return await self._decode_for_device(items, ranges=True)
        except CorruptData:  # perhaps of a chunk that was replaced between two ranges: once more, all of each
            return await self._decode_for_device(items, ranges=False)

    async def _decode_for_device(
        self, items: Sequence[tuple[Any, Any, ArraySpec]], *, ranges: bool
    ) -> list[NDBuffer | None]:
        blobs = await asyncio.gather(*(self._fetch(*item, ranges=ranges) for item in items))
        held = [(blob, *item) for blob, item in zip(blobs, items, strict=True) if blob is not None]
        selections = [(blob, Selected.of(selection, spec.shape), spec) for blob, _, selection, spec in held]
        names = [_name(getter) for _, getter, _, _ in held]
        decoded = iter(await asyncio.to_thread(self._decode_selections, selections, names))
        return [None if blob is None else next(decoded) for blob in blobs]

    async def _fetch(self, byte_getter: Any, selection: Any, spec: ArraySpec, *, ranges: bool) -> Buffer | None:
        """The bytes of a chunk on the device; with `ranges`, zeros in the place of those that a part does not need."""
        selected = Selected.of(selection, spec.shape)
        if not ranges or not _has_ranges(byte_getter, selected, spec):
            found: Buffer | None = await byte_getter.get(prototype=spec.prototype)
            return found
        data = await _read(byte_getter, self._by_ranges(selected, spec, bytes), cpu.buffer_prototype)
        return None if data is None else spec.prototype.buffer.from_bytes(data)

    async def _decode_partial_single(self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec) -> NDBuffer | None:
        found = await _read(byte_getter, self._part(byte_getter, selection, chunk_spec), chunk_spec.prototype)
        return None if found is None else host_nd_buffer(found, chunk_spec)

    def _decode_partial_sync(self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec) -> NDBuffer | None:
        if is_for_device(chunk_spec.prototype):
            blob = byte_getter.get_sync(prototype=chunk_spec.prototype)
            selected = blob, Selected.of(selection, chunk_spec.shape), chunk_spec
            return None if blob is None else self._decode_selections([selected], [_name(byte_getter)])[0]
        reading = self._part(byte_getter, selection, chunk_spec)
        with _naming(byte_getter):
            spans, found = advance(reading)
            while spans:
                fetched = [_fetched(byte_getter.get_sync(**_request(s, chunk_spec.prototype))) for s in spans]
                spans, found = advance(reading, fetched)
        return None if found is None else host_nd_buffer(found, chunk_spec)

    def _part(self, byte_getter: Any, selection: Any, spec: ArraySpec) -> Reading:
        """Reading of a part of a chunk."""
        selected = Selected.of(selection, spec.shape)
        decode = partial(self._decode_host, selected=selected, spec=spec)
        ranges = _has_ranges(byte_getter, selected, spec)
        return or_whole(self._by_ranges(selected, spec, decode) if ranges else None, decode)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        if is_on_device(array_of(chunk_data)):
            return self._encode_on_device([(chunk_data, chunk_spec)])[0]
        return self._encode_on_host(chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        if is_on_device(array_of(chunk_data)):
            return self._decode_on_device([(chunk_data, chunk_spec)])[0]
        return self._decode_on_host(chunk_data, chunk_spec)

    def _encode_on_host(self, chunk: NDBuffer, spec: ArraySpec) -> Buffer | None:
        data = self._encode_host(chunk.as_numpy_array(), spec)
        return None if data is None else to_buffer(data, spec)

    def _decode_on_host(self, chunk: Buffer, spec: ArraySpec) -> NDBuffer:
        whole = Selected.of(..., spec.shape)
        return host_nd_buffer(self._decode_host(chunk.as_buffer_like(), whole, spec), spec)

    def _encode_on_device(self, pairs: Sequence[tuple[NDBuffer, ArraySpec]]) -> list[Buffer | None]:
        arrays_dev, specs = [array_of(chunk) for chunk, _ in pairs], [spec for _, spec in pairs]
        with on_device_of(arrays_dev[0]):
            coded = self._encode_device_arrays(arrays_dev, specs)
            return [None if data is None else to_buffer(data, spec) for data, spec in zip(coded, specs, strict=True)]

    def _decode_on_device(self, pairs: Sequence[tuple[Buffer, ArraySpec]]) -> list[NDBuffer]:
        wholes = [(blob, Selected.of(..., spec.shape), spec) for blob, spec in pairs]
        return self._decode_selections(wholes, [f"chunk {i} of {len(pairs)}" for i in range(len(pairs))])

    def _decode_selections(self, selections: Sequence[ChunkSelection], names: Sequence[str]) -> list[NDBuffer]:
        """What was selected of chunks that lie on a device, decoded there."""
        if not selections:
            return []
        buffers = []
        with on_device_of(array_of(selections[0][0])):
            for name, (_, _, spec), found in zip(names, selections, self._decode_each(selections), strict=True):
                if isinstance(found, MmipError):
                    raise type(found)(f"{name}: {found}") from found
                buffers.append(device_nd_buffer(found, spec))
        return buffers

    def _decode_each(self, selections: Sequence[ChunkSelection]) -> Sequence[Any]:
        """`_decode_device_chunks`; where that tells of a defect but not of which chunk, one chunk after the other."""
        try:
            return self._decode_device_chunks(selections)
        except (CorruptData, UnsupportedVersion) as error:
            if len(selections) == 1:
                return [error]
            return [found for selection in selections for found in self._decode_each([selection])]


def _has_ranges(byte_getter: Any, selected: Selected, spec: ArraySpec) -> bool:
    """Whether less than all bytes are asked for; chunks of a shard lie in memory."""
    return isinstance(byte_getter, StorePath) and not selected.is_all(spec.shape)


def _name(byte_getter: Any) -> str:
    """The key of a chunk, in a shard its coordinates there."""
    if isinstance(byte_getter, StorePath):
        return str(byte_getter)
    return f"chunk {getattr(byte_getter, 'chunk_coords', '')} of a shard"


@contextmanager
def _naming(byte_getter: Any) -> Iterator[None]:
    """Put the name of a chunk before the message of a defect."""
    try:
        yield
    except (CorruptData, UnsupportedVersion) as error:
        raise type(error)(f"{_name(byte_getter)}: {error}") from error


async def _read(byte_getter: Any, reading: Reading, prototype: BufferPrototype) -> Any:
    """What a reading returns."""
    with _naming(byte_getter):
        spans, found = advance(reading)
        while spans:
            requests = (byte_getter.get(**_request(span, prototype)) for span in spans)
            fetched = [_fetched(buffer) for buffer in await asyncio.gather(*requests)]
            spans, found = await asyncio.to_thread(advance, reading, fetched)
    return found


def _request(span: Span | None, prototype: BufferPrototype) -> dict[str, Any]:
    return {"prototype": prototype, "byte_range": None if span is None else RangeByteRequest(*span)}


def _fetched(buffer: Buffer | None) -> Fetched:
    return None if buffer is None else buffer.as_buffer_like()
