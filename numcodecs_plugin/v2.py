"""The codec `mmip` of numcodecs and Zarr v2: one chunk of an image to a container and back.

Values: contiguous arrays or buffers in host memory in, containers (FORMAT.md section 1) out; arrays out, and into
`out=`. Guarantees that what `decode` gives has the memory order of what was encoded, as Zarr v2 expects: of an array in
Fortran order the transposed one is coded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray

import mmip_gpu as mmip
from mmip_gpu import InvalidArgument
from mmip_gpu.caution import warn
from mmip_gpu.codecs import Limits, Wanted, codec_of
from mmip_gpu.container.reader import open_container
from mmip_gpu.signatures import public_class
from numcodecs_plugin.chunks import coded_shape, encode_host
from numcodecs_plugin.options import CODEC_NAME, Options, checked_keys
from numcodecs_plugin.replaced import PARTIAL, DecodedChunk, Former, encode_over

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["MmipV2", "transposed"]

_SPATIAL = "zyx"


@public_class({})
@dataclass(frozen=True, kw_only=True, repr=False)
class MmipV2(Options, Codec):  # type: ignore[misc]  # numcodecs has no types
    """The image codec `mmip` for Zarr v2 and for numcodecs.

    Zarr v2 takes it as ``compressors=``. Its options are those of `Mmip`, and one more.

    Parameters
    ----------
    endian : {"little", "big"}
        The byte order of the array. Zarr v2 takes decoded bytes as they are, so the codec has to know it.

    Examples
    --------
    >>> import mmip_gpu, numcodecs
    >>> codec = MmipV2(quality=10)
    >>> image = mmip_gpu.phantom2d(64)
    >>> codec.decode(codec.encode(image)).shape
    (64, 64)
    >>> codec.get_config()
    {'id': 'mmip', 'quality': 10}
    """

    codec_id: ClassVar[str] = CODEC_NAME

    endian: str = "little"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.endian not in ("little", "big"):
            raise InvalidArgument(f"{CODEC_NAME}: endian={self.endian!r}: expected 'little' or 'big'")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Codec from its configuration, without ``id``.

        Raises
        ------
        InvalidArgument
            For an unknown key, or a value out of range.
        """
        if not isinstance(config, Mapping):
            raise InvalidArgument(f"{CODEC_NAME}: expected a configuration, found {config!r}")
        values = dict(config)
        endian = values.pop("endian", "little")
        return cls(**checked_keys(values), endian=endian)

    def get_config(self) -> dict[str, Any]:
        """Configuration, JSON-safe."""
        order = {} if self.endian == "little" else {"endian": self.endian}
        return {"id": self.codec_id} | self.to_json() | order

    def encode(self, buf: Buffer) -> bytes:
        """Container of an array, or of the bytes of another buffer.

        Raises
        ------
        InvalidArgument
            For a dtype, rank or byte order that this codec does not code.
        """
        array: NDArray[Any] = ensure_contiguous_ndarray(buf, flatten=False)
        self.check(array.shape, array.dtype)
        if array.dtype != self._ordered(array.dtype):
            expected = "little" if self.endian == "big" else "big"
            raise InvalidArgument(f"{CODEC_NAME}: endian={self.endian!r}: expected {expected!r} for {array.dtype.str}")
        axes = None
        if not array.flags.c_contiguous:
            array, axes = array.T, self.transposed_axes(array.shape)
        former = self._former(buf, array)
        if former is None:
            return encode_host(self, array, axes)
        warn(PARTIAL)
        return encode_over(self, array, former, axes)

    def _former(self, buf: Any, array: NDArray[Any]) -> Former | None:
        """The chunk that `buf` was before a part of it was written anew; None for other arrays."""
        if not isinstance(buf, DecodedChunk) or buf.container is None or buf.codec != self:
            return None
        samples = mmip.decode(buf.container, threads=1)
        is_part = samples.shape == coded_shape(array.shape) and bool((samples == array).any())
        return Former(buf.container, samples) if is_part else None

    def decode(self, buf: Buffer, out: Any = None) -> Any:
        """Array of a container, also into `out`, which has room for exactly that.

        Raises
        ------
        CorruptData, TruncatedData, UnsupportedVersion, LimitExceeded
        """
        data = ensure_contiguous_ndarray(buf)
        if out is None:
            array = mmip.decode(data, threads=1)
            if not self.settings.config.exact:
                array = DecodedChunk.of(array, bytes(data), self)
        elif self._is_decoded_into(data, out):
            return out
        else:
            array = mmip.decode(data, threads=1, max_bytes=memoryview(out).nbytes)
        return ndarray_copy(array.astype(self._ordered(array.dtype), copy=False), out)

    def _is_decoded_into(self, data: Buffer, out: Any) -> bool:
        """Decode to where `out` holds its samples, if it has room for exactly those and none has to be swapped."""
        header, read_part = open_container(data)
        flat: NDArray[Any] = ensure_contiguous_ndarray(out)
        dtype = np.dtype(header.dtype)
        if self._ordered(dtype) != dtype or flat.nbytes != header.raw_bytes or not flat.flags.writeable:
            return False
        place = flat.view(dtype).reshape(header.layout.shape)
        codec_of(header).decode_into(place, header, read_part, Wanted(), Limits(max_bytes=max(flat.nbytes, 1)))
        return True

    def transposed_axes(self, shape: tuple[int, ...]) -> str:
        """Axes of an array of this shape in Fortran order, as it is coded."""
        return transposed(self.settings.layout(coded_shape(shape)).axes)

    def _ordered(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return dtype.newbyteorder(">" if self.endian == "big" else "<")


def transposed(axes: str) -> str:
    """Axes of a transposed array; the spatial ones take each other's places.

    Examples
    --------
    >>> transposed("tzyxc")
    'czyxt'
    """
    spatial = iter(letter for letter in _SPATIAL if letter in axes)
    return "".join(next(spatial) if letter in _SPATIAL else letter for letter in reversed(axes))
