"""The codec `mmip.soft` of Zarr v3, of Zarr v2 and of numcodecs: a chunk to a container of soft compression and back.

Values: chunks of integers in host memory or on a device in, containers of kind 4 (FORMAT.md sections 1 and 8.11) out,
and back. Metadata: ``{"codebook": "sha256:..", "embed": false}``; the codebook is found by its hash when a chunk is
coded (mmip_gpu/soft/library.py), so that metadata open without it. The CPU codes chunks of a device.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument, MissingResource
from mmip_gpu.container.byte_ranges import Reading
from mmip_gpu.container.codec import Limits
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.signatures import public_class, unknown_option
from mmip_gpu.soft.coding import check_fit, encode
from mmip_gpu.soft.library import find_codebook, parsed_digest
from mmip_gpu.stage_arrays.zarr_base import ChunkSelection, ZarrCodec
from mmip_gpu.volume.axes import PlaneLayout
from numcodecs_plugin.chunks import check_chunk, coded_shape, decode_host
from numcodecs_plugin.partial_read import read_part
from numcodecs_plugin.v2 import transposed
from numcodecs_plugin.v3 import decode_device_chunks

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer
    from zarr.core.array_spec import ArraySpec

__all__ = ["MmipSoft", "MmipSoftV2", "SoftOptions"]

NAME = "mmip.soft"


@dataclass(frozen=True, kw_only=True)
class SoftOptions:
    """Options of the codec `mmip.soft`.

    Parameters
    ----------
    codebook : str
        ``sha256:`` and the hex digits of the codebook's hash.
    embed : bool
        Whether each chunk holds the codebook.
    axes : str, optional
        One letter names each axis of the array, such as ``"yxc"``. The default goes by rank.

    Raises
    ------
    InvalidArgument
    """

    codebook: str
    embed: bool = False
    axes: str | None = None

    def __post_init__(self) -> None:
        parsed_digest(self.codebook)
        if not isinstance(self.embed, bool):
            raise InvalidArgument(f"{NAME}: embed={self.embed!r}: expected True or False")
        if self.axes is not None:
            PlaneLayout.of((1,) * len(self.axes), self.axes)

    @classmethod
    def checked(cls, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Keys of a configuration, all of them known.

        Raises
        ------
        InvalidArgument
        """
        known = [field.name for field in fields(SoftOptions)]
        for key in configuration:
            if key not in known:
                raise unknown_option(NAME, str(key), known)
        if "codebook" not in configuration:
            raise InvalidArgument(f"{NAME}: expected the key 'codebook', such as 'sha256:..'")
        return dict(configuration)

    def to_json(self) -> dict[str, Any]:
        """The options that metadata hold."""
        axes = {} if self.axes is None else {"axes": self.axes}
        return {"codebook": self.codebook, "embed": self.embed} | axes

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise InvalidArgument for arrays that are not coded, as far as is known without the codebook."""
        if dtype.kind not in "iu" or dtype.itemsize > 2:
            raise InvalidArgument(f"{NAME}: expected integers of 8 or 16 bits, found {dtype}")
        layout = PlaneLayout.of(coded_shape(shape), self.axes)
        try:
            book = find_codebook(self.codebook)
        except MissingResource:  # of an array that is only looked at
            return
        check_fit(book, dtype.newbyteorder("="), layout)

    def encoded(self, array: NDArray[Any], axes: str | None) -> bytes:
        """Container of a chunk, made by one thread."""
        book = find_codebook(self.codebook)
        return encode(array.reshape(coded_shape(array.shape)), book, embed=self.embed, axes=axes, threads=1)


@public_class({})
@dataclass(frozen=True, kw_only=True)
class MmipSoft(SoftOptions, ZarrCodec):
    """The codec `mmip.soft` for Zarr v3, which takes it as ``serializer=``, with ``compressors=None``.

    Examples
    --------
    >>> import mmip_gpu, zarr
    >>> from mmip_gpu.soft import register_codebook, train_codebook
    >>> image = mmip_gpu.phantom2d(64)
    >>> codec = MmipSoft(codebook=register_codebook(train_codebook([image])))
    >>> array = zarr.create_array({}, data=image, chunks=(32, 64), serializer=codec, compressors=None)
    >>> bool((array[10:20] == image[10:20]).all())
    True
    """

    name: ClassVar[str] = NAME

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Codec from its entry in Zarr metadata.

        Raises
        ------
        InvalidArgument
        """
        configuration = data.get("configuration") if isinstance(data, Mapping) else None
        if not isinstance(configuration, Mapping) or data.get("name") != NAME:
            raise InvalidArgument(f"codec: expected {NAME!r} with a configuration, found {data!r}")
        return cls(**cls.checked(configuration))

    def to_dict(self) -> dict[str, Any]:
        """Entry in Zarr metadata, JSON-safe."""
        return {"name": NAME, "configuration": self.to_json()}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Check rank and dtype, where Zarr does not call `validate`."""
        self.check(array_spec.shape, array_spec.dtype.to_native_dtype())
        return self

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise InvalidArgument for a dtype, rank or chunk that this codec does not code."""
        self.check(tuple(getattr(chunk_grid, "chunk_shape", shape)), dtype.to_native_dtype())

    def _encode_host(self, array: NDArray[Any], spec: ArraySpec) -> bytes:
        check_chunk(array, spec.shape, spec.dtype.to_native_dtype())
        return self.encoded(array, self.axes)

    def _decode_host(self, data: Any, selected: Selected, spec: ArraySpec) -> NDArray[Any]:
        region = None if selected.is_all(spec.shape) else selected.region
        part: NDArray[Any] = decode_host(data, spec.shape, spec.dtype.to_native_dtype(), region)[selected.inside]
        return part

    def _by_ranges(self, selected: Selected, spec: ArraySpec, decode: Callable[[Any], Any]) -> Reading:
        return read_part(selected, spec.shape, spec.dtype.to_native_dtype(), decode)

    def _encode_device_arrays(self, arrays_dev: Sequence[Any], specs: Sequence[ArraySpec]) -> list[bytes]:
        warnings.warn("no kernels encode soft containers: the CPU does", RuntimeWarning, stacklevel=2)
        return [self._encode_host(array.get(), spec) for array, spec in zip(arrays_dev, specs, strict=True)]

    def _decode_device_chunks(self, selections: Sequence[ChunkSelection]) -> list[Any]:
        return decode_device_chunks(selections)


@public_class({})
@dataclass(frozen=True, kw_only=True)
class MmipSoftV2(SoftOptions, Codec):  # type: ignore[misc]  # numcodecs has no types
    """The codec `mmip.soft` for Zarr v2 and for numcodecs; Zarr v2 takes it as ``compressors=``.

    Parameters
    ----------
    endian : {"little", "big"}
        The byte order of the array. Zarr v2 takes decoded bytes as they are, so the codec has to know it.

    Examples
    --------
    >>> import mmip_gpu
    >>> from mmip_gpu.soft import register_codebook, train_codebook
    >>> image = mmip_gpu.phantom2d(64)
    >>> codec = MmipSoftV2(codebook=register_codebook(train_codebook([image])))
    >>> bool((codec.decode(codec.encode(image)) == image).all())
    True
    """

    codec_id: ClassVar[str] = NAME

    endian: str = "little"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.endian not in ("little", "big"):
            raise InvalidArgument(f"{NAME}: endian={self.endian!r}: expected 'little' or 'big'")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Codec from its configuration, without ``id``.

        Raises
        ------
        InvalidArgument
        """
        if not isinstance(config, Mapping):
            raise InvalidArgument(f"{NAME}: expected a configuration, found {config!r}")
        values = dict(config)
        endian = values.pop("endian", "little")
        return cls(**cls.checked(values), endian=endian)

    def get_config(self) -> dict[str, Any]:
        """Configuration, JSON-safe."""
        return {"id": NAME} | self.to_json() | ({} if self.endian == "little" else {"endian": self.endian})

    def encode(self, buf: Buffer) -> bytes:
        """Container of an array, or of the bytes of another buffer.

        Raises
        ------
        InvalidArgument, MissingResource
        """
        array: NDArray[Any] = ensure_contiguous_ndarray(buf, flatten=False)
        self.check(array.shape, array.dtype)
        if array.dtype != self._ordered(array.dtype):
            raise InvalidArgument(f"{NAME}: endian={self.endian!r}: found samples of {array.dtype.str}")
        if array.flags.c_contiguous:
            return self.encoded(array, self.axes)
        return self.encoded(array.T, self.transposed_axes(array.shape))

    def transposed_axes(self, shape: tuple[int, ...]) -> str:
        """Axes of the transposed arrays of such a shape."""
        return transposed(PlaneLayout.of(coded_shape(shape), self.axes).axes)

    def decode(self, buf: Buffer, out: Any = None) -> Any:
        """Array of a container, also into `out`, which has room for exactly that.

        Raises
        ------
        CorruptData, TruncatedData, UnsupportedVersion, LimitExceeded, MissingResource
        """
        limit = Limits.max_bytes if out is None else memoryview(out).nbytes
        array = mmip.decode(ensure_contiguous_ndarray(buf), threads=1, max_bytes=limit)
        return ndarray_copy(array.astype(self._ordered(array.dtype), copy=False), out)

    def _ordered(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return dtype.newbyteorder(">" if self.endian == "big" else "<")
