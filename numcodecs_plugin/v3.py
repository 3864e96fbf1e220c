"""The codec `mmip` of Zarr v3: one chunk of an image to a container and back.

Values: chunks as Zarr's buffers, on the host or on a device, in; containers (FORMAT.md section 1) out, and back.
Implements SPEC.md. Guarantees that chunks on a device are coded there, in batches, and come back there; that a part of
a chunk is read by byte ranges; one thread a chunk, as many chunks at once as Zarr's thread pool has threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import zarr
from packaging.version import Version
from zarr.abc.codec import ArrayBytesCodec
from zarr.abc.store import RangeByteRequest
from zarr.storage import StorePath

import mmip_gpu as mmip
from mmip_gpu.container import Header
from mmip_gpu.device.placement import is_on_device
from mmip_gpu.errors import CorruptData, InvalidArgument, UnsupportedVersion

from .buffers import coded, held_by, is_for_device, on_device_of, to_buffer, to_nd_buffer
from .chunks import check_chunk, check_header, chunk_options, coded_shape, decode_host, encode_host
from .options import CODEC_NAME, Options, checked_keys
from .parts import Fetched, Reading, Selected, Span, advance, read_part

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.buffer import Buffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer

__all__ = ["Mmip"]

_HEADER_START = 8  # magic, version, header_bytes

# Readers before zarr 3.1.6 keep axes that a selection by indices drops, if a codec decodes parts (zarr-python #3763).
_DECODES_PARTS = Version(zarr.__version__) >= Version("3.1.6")
if TYPE_CHECKING or _DECODES_PARTS:
    from zarr.abc.codec import ArrayBytesCodecPartialDecodeMixin as _PartialDecoding
else:
    _PartialDecoding = object


@dataclass(frozen=True, kw_only=True, repr=False)
class Mmip(Options, ArrayBytesCodec, _PartialDecoding):
    """Image codec for Zarr v3: an array-to-bytes codec (``serializer=``), options as for `mmip_gpu.encode`.

    Examples
    --------
    >>> import mmip_gpu, zarr
    >>> codec = Mmip(quality=10)
    >>> volume = mmip_gpu.phantom3d((16, 64, 64))
    >>> array = zarr.create_array({}, data=volume, chunks=(16, 32, 64), serializer=codec, compressors=None)
    >>> array.serializer.to_dict()
    {'name': 'mmip', 'configuration': {'quality': 10}}
    >>> int(abs(array[4, :32].astype(int) - volume[4, :32]).max()) < 200
    True
    """

    is_fixed_size: ClassVar[bool] = False  # type: ignore[misc]  # zarr declares an instance variable
    name: ClassVar[str] = CODEC_NAME

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Codec from its entry in Zarr metadata.

        Raises
        ------
        InvalidArgument
            For another name, an unknown key, or a value out of range.
        """
        configuration = data.get("configuration") if isinstance(data, Mapping) else None
        if not isinstance(configuration, Mapping) or data.get("name") != cls.name:
            raise InvalidArgument(f"codec: expected {cls.name!r} with a configuration, found {data!r}")
        return cls(**checked_keys(configuration))

    def to_dict(self) -> dict[str, Any]:
        """Entry in Zarr metadata, JSON-safe."""
        return {"name": self.name, "configuration": self.to_json()}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Check rank and dtype, where Zarr does not call `validate`: inside of shards before zarr 3.4."""
        self.check(array_spec.shape, _dtype(array_spec), is_chunk=False)
        return self

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise InvalidArgument for a dtype, rank or chunk that this codec does not code."""
        self.check(tuple(getattr(chunk_grid, "chunk_shape", shape)), dtype.to_native_dtype())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before encoding."""
        raise NotImplementedError

    async def encode(self, chunks_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]) -> list[Buffer | None]:
        """Encode a batch: chunks on a device together, others each on a thread of Zarr's pool."""
        return await coded(chunks_and_specs, self._encode_sync, self._encode_on_device)

    async def decode(self, chunks_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]) -> list[NDBuffer | None]:
        """Decode a batch: chunks on a device together, others each on a thread of Zarr's pool."""
        return await coded(chunks_and_specs, self._decode_sync, self._decode_on_device)

    async def decode_partial(self, batch_info: Iterable[tuple[Any, Any, ArraySpec]]) -> list[NDBuffer | None]:
        """Read and decode parts of chunks: those for a device together, others by byte ranges."""
        items = list(batch_info)
        if not items or not is_for_device(items[0][2].prototype):
            return list(await super().decode_partial(items))
        blobs = await asyncio.gather(*(getter.get(prototype=spec.prototype) for getter, _, spec in items))
        parts = [
            (blob, Selected.of(selection, spec.shape), spec)
            for blob, (_, selection, spec) in zip(blobs, items, strict=True)
            if blob is not None
        ]
        found = iter(await asyncio.to_thread(self._decode_parts, parts))
        return [None if blob is None else next(found) for blob in blobs]

    async def _decode_partial_single(self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec) -> NDBuffer | None:
        reading = _reading(byte_getter, selection, chunk_spec)
        spans, found = advance(reading)
        with _naming(byte_getter):
            while spans:
                requests = (byte_getter.get(**_request(span, chunk_spec)) for span in spans)
                fetched = [_fetched(buffer) for buffer in await asyncio.gather(*requests)]
                spans, found = await asyncio.to_thread(advance, reading, fetched)
        return None if found is None else to_nd_buffer(found, chunk_spec)

    def _decode_partial_sync(self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec) -> NDBuffer | None:
        if is_for_device(chunk_spec.prototype):
            blob = byte_getter.get_sync(prototype=chunk_spec.prototype)
            selected = Selected.of(selection, chunk_spec.shape)
            return None if blob is None else self._decode_parts([(blob, selected, chunk_spec)])[0]
        reading = _reading(byte_getter, selection, chunk_spec)
        spans, found = advance(reading)
        with _naming(byte_getter):
            while spans:
                fetched = [_fetched(byte_getter.get_sync(**_request(span, chunk_spec))) for span in spans]
                spans, found = advance(reading, fetched)
        return None if found is None else to_nd_buffer(found, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        if is_on_device(held_by(chunk_data)):
            return self._encode_on_device([(chunk_data, chunk_spec)])[0]
        array = chunk_data.as_numpy_array()
        check_chunk(array, chunk_spec.shape, _dtype(chunk_spec))
        return to_buffer(encode_host(self, array), chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        if is_on_device(held_by(chunk_data)):
            return self._decode_on_device([(chunk_data, chunk_spec)])[0]
        array = decode_host(chunk_data.as_buffer_like(), chunk_spec.shape, _dtype(chunk_spec))
        return to_nd_buffer(array, chunk_spec)

    def _encode_on_device(self, pairs: Sequence[tuple[NDBuffer, ArraySpec]]) -> list[Buffer]:
        arrays = [held_by(chunk) for chunk, _ in pairs]
        for array, (_, spec) in zip(arrays, pairs, strict=True):
            check_chunk(array, spec.shape, _dtype(spec))
        results: dict[int, Buffer] = {}
        with on_device_of(arrays[0]):
            every = [chunk_options(self, array) for array in arrays]
            for psnr in dict.fromkeys(options.get("psnr") for options in every):
                chosen = [i for i, options in enumerate(every) if options.get("psnr") == psnr]
                batch = [arrays[i].reshape(coded_shape(arrays[i].shape)) for i in chosen]
                for i, blob in zip(chosen, mmip.encode_batch(batch, **every[chosen[0]]), strict=True):
                    results[i] = to_buffer(blob, pairs[i][1])
        return [results[i] for i in range(len(pairs))]

    def _decode_on_device(self, pairs: Sequence[tuple[Buffer, ArraySpec]]) -> list[NDBuffer]:
        return self._decode_parts([(blob, Selected.of(..., spec.shape), spec) for blob, spec in pairs])

    def _decode_parts(self, parts: Sequence[tuple[Buffer, Selected, ArraySpec]]) -> list[NDBuffer]:
        """Parts of containers on a device, decoded there: equal regions together."""
        results: dict[int, NDBuffer] = {}
        for region in dict.fromkeys(_key(selected) for _, selected, _ in parts):
            chosen = [(i, *part) for i, part in enumerate(parts) if _key(part[1]) == region]
            for _, blob, _, spec in chosen:
                size = int.from_bytes(blob[6:_HEADER_START].to_bytes(), "little")
                check_header(Header.parse(blob[: max(size, _HEADER_START)].to_bytes())[0], spec.shape, _dtype(spec))
            held = [held_by(blob) for _, blob, _, _ in chosen]
            with on_device_of(held[0]):
                arrays = mmip.decode_batch(held, region=tuple(slice(*bounds) for bounds in region) or None)
                for array, (i, _, selected, spec) in zip(arrays, chosen, strict=True):
                    part = array if region else array.reshape(())
                    results[i] = to_nd_buffer(part[selected.inside], spec)
        return [results[i] for i in range(len(parts))]


def _dtype(spec: ArraySpec) -> Any:
    return spec.dtype.to_native_dtype()


def _reading(byte_getter: Any, selection: Any, spec: ArraySpec) -> Reading:
    """Reading of a part of a chunk: by ranges from a store; chunks of a shard lie in memory."""
    selected = Selected.of(selection, spec.shape)
    return read_part(selected, spec.shape, _dtype(spec), ranges=isinstance(byte_getter, StorePath))


@contextmanager
def _naming(byte_getter: Any) -> Iterator[None]:
    """Put the key of a chunk, in a shard its coordinates there, before the message of a defect."""
    try:
        yield
    except (CorruptData, UnsupportedVersion) as error:
        where = (
            byte_getter
            if isinstance(byte_getter, StorePath)
            else f"chunk {getattr(byte_getter, 'chunk_coords', '')} of a shard"
        )
        raise type(error)(f"{where}: {error}") from error


def _key(selected: Selected) -> tuple[tuple[int, int], ...]:
    return tuple((part.start, part.stop) for part in selected.region)


def _request(span: Span | None, spec: ArraySpec) -> dict[str, Any]:
    return {"prototype": spec.prototype, "byte_range": None if span is None else RangeByteRequest(*span)}


def _fetched(buffer: Buffer | None) -> Fetched:
    return None if buffer is None else buffer.as_buffer_like()
