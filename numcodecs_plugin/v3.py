"""The codec `mmip` of Zarr v3: one chunk of an image to a container and back.

Values: chunks as Zarr's buffers, on the host or on a device, in; containers (FORMAT.md section 1) out, and back.
Implements SPEC.md. Guarantees that chunks on a device are coded there, in batches, and come back there; that a part of
a chunk is read by byte ranges (stage_arrays/zarr_base.py).
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument
from mmip_gpu.caution import warn
from mmip_gpu.container.byte_ranges import Reading
from mmip_gpu.container.header import Header
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.signatures import public_class
from mmip_gpu.stage_arrays.zarr_base import ChunkSelection, ZarrCodec
from mmip_gpu.stage_arrays.zarr_buffers import array_of, to_buffer
from mmip_gpu.volume.region import Region
from numcodecs_plugin.chunks import (
    check_chunk,
    check_header,
    chunk_settings,
    coded_shape,
    decode_host,
    encode_host,
    filled_up,
    inside,
    without_outside,
)
from numcodecs_plugin.options import CODEC_NAME, Options, checked_keys
from numcodecs_plugin.partial_read import read_part
from numcodecs_plugin.replaced import OTHER_PIPELINE, PARTIAL, Former, encode_over

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.buffer import Buffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer

__all__ = ["Mmip", "decode_device_chunks"]

_REPLACED: ContextVar[tuple[Mmip, list[tuple[Buffer, NDBuffer] | None]] | None] = ContextVar("replaced", default=None)
_PIPELINE = "zarr.core.codec_pipeline.BatchedCodecPipeline"
_HEADER_START = 8  # magic, version, header_bytes


@public_class({})
@dataclass(frozen=True, kw_only=True, repr=False)
class Mmip(Options, ZarrCodec):
    """The image codec `mmip` for Zarr v3.

    Zarr v3 takes it as ``serializer=``, with ``compressors=None``. Each chunk becomes a container of its own. The
    options are those of `mmip_gpu.encode` that need no mask.

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
        """Check rank and dtype, where Zarr does not call `validate` (in shards before 3.4), and take the array's shape.

        Zarr gives the shape of the array here, or of what a shard takes for one.
        """
        self.check(array_spec.shape, _dtype(array_spec), is_chunk=False)
        evolved = copy.copy(self)
        vars(evolved).setdefault("_whole", array_spec.shape)  # a later call may speak of a chunk: see validate
        return evolved

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise InvalidArgument for a dtype, rank or chunk that this codec does not code."""
        self.check(tuple(getattr(chunk_grid, "chunk_shape", shape)), dtype.to_native_dtype())
        vars(self)["_whole"] = tuple(shape)

    async def decode(self, chunks_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]) -> list[NDBuffer | None]:
        """Decode a batch; Zarr's pipeline decodes the chunks that it will replace in part, in the same task."""
        items = list(chunks_and_specs)
        arrays = await super().decode(items)
        formers = [
            None if blob is None or array is None else (blob, array)  # copied where it is replaced
            for (blob, _), array in zip(items, arrays, strict=True)
        ]
        _REPLACED.set((self, formers))
        return arrays

    async def encode(self, chunks_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]) -> list[Buffer | None]:
        """Encode a batch; what the chunks held that they replace in part stays as it is, with a warning."""
        items, decoded = list(chunks_and_specs), _REPLACED.get()
        _REPLACED.set(None)
        if decoded is None or decoded[0] != self or len(decoded[1]) != len(items):
            if _is_other_pipeline() and not self.settings.config.exact:
                warn(OTHER_PIPELINE)
            return await super().encode(items)
        found = await super().encode(
            (None if f else chunk, spec) for f, (chunk, spec) in zip(decoded[1], items, strict=True)
        )
        for i, (former, (chunk, spec)) in enumerate(zip(decoded[1], items, strict=True)):
            if former is not None and chunk is not None:
                if not self.settings.config.exact:
                    warn(PARTIAL)
                before = Former(former[0].to_bytes(), former[1].as_numpy_array())
                blob = await asyncio.to_thread(encode_over, self, chunk.as_numpy_array(), before)
                found[i] = to_buffer(blob, spec)
        return found

    @property
    def _whole_shape(self) -> tuple[int, ...] | None:
        """Shape of the array, where it is known."""
        found: tuple[int, ...] | None = vars(self).get("_whole")
        return found

    def _encode_host(self, array: NDArray[Any], spec: ArraySpec) -> bytes:
        check_chunk(array, spec.shape, _dtype(spec))
        return encode_host(self, self._without_outside(array, spec))

    def _without_outside(self, array: Any, spec: ArraySpec) -> Any:
        return without_outside(array, self._whole_shape, spec.fill_value)

    def _decode_host(self, data: Any, selected: Selected, spec: ArraySpec) -> NDArray[Any]:
        region = None if selected.is_all(spec.shape) else selected.region
        part: NDArray[Any] = decode_host(data, spec.shape, _dtype(spec), region, self._whole_shape)[selected.inside]
        return part

    def _by_ranges(self, selected: Selected, spec: ArraySpec, decode: Callable[[Any], Any]) -> Reading:
        return read_part(selected, spec.shape, _dtype(spec), decode, self._whole_shape)

    def _encode_device_arrays(self, arrays_dev: Sequence[Any], specs: Sequence[ArraySpec]) -> list[bytes]:
        """Containers of arrays: those that are coded alike together."""
        for array, spec in zip(arrays_dev, specs, strict=True):
            check_chunk(array, spec.shape, _dtype(spec))
        arrays_dev = [self._without_outside(array, spec) for array, spec in zip(arrays_dev, specs, strict=True)]
        results: dict[int, Any] = {}
        every = [chunk_settings(self, array) for array in arrays_dev]
        for config in dict.fromkeys(settings.config for settings in every):
            chosen = [i for i, settings in enumerate(every) if settings.config == config]
            batch = [arrays_dev[i].reshape(coded_shape(arrays_dev[i].shape)) for i in chosen]
            results.update(zip(chosen, mmip.encode_batch_configured(batch, every[chosen[0]]), strict=True))
        return [results[i] for i in range(len(arrays_dev))]

    def _decode_device_chunks(self, selections: Sequence[ChunkSelection]) -> list[Any]:
        return decode_device_chunks(selections, self._whole_shape)


def decode_device_chunks(selections: Sequence[ChunkSelection], whole: tuple[int, ...] | None = None) -> list[Any]:
    """What was selected of containers on a device: equal regions together; `whole` is the shape of the array."""
    results: dict[int, Any] = {}
    keys = [_key(inside(_header_of(blob, spec, whole), selected.region)) for blob, selected, spec in selections]
    for region in dict.fromkeys(keys):
        chosen = [i for i, key in enumerate(keys) if key == region]
        held = [array_of(selections[i][0]) for i in chosen]
        arrays = mmip.decode_batch(held, region=tuple(slice(*bounds) for bounds in region) or None)
        for i, array in zip(chosen, arrays, strict=True):
            selected = selections[i][1]
            results[i] = (filled_up(array, selected.region) if region else array.reshape(()))[selected.inside]
    return [results[i] for i in range(len(selections))]


def _header_of(blob: Buffer, spec: ArraySpec, whole: tuple[int, ...] | None) -> Header[Any]:
    """The header of a container on a device, checked."""
    size = int.from_bytes(blob[6:_HEADER_START].to_bytes(), "little")
    header: Header[Any] = Header.parse(blob[: max(size, _HEADER_START)].to_bytes())[0]
    check_header(header, spec.shape, _dtype(spec), whole)
    return header


def _is_other_pipeline() -> bool:
    """Whether Zarr is set to another pipeline than its own first one, of which it is known what runs in one task."""
    import zarr

    return str(zarr.config.get("codec_pipeline.path", _PIPELINE)) != _PIPELINE


def _dtype(spec: ArraySpec) -> Any:
    return spec.dtype.to_native_dtype()


def _key(region: Region) -> tuple[tuple[int, int], ...]:
    return tuple((part.start, part.stop) for part in region)
