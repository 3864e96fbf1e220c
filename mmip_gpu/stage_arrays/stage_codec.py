"""The Zarr codec `mmip.stage`: one chunk of a stage array to its entropy-coded bytes and back.

Values: int32 (planes, gz, gy, gx, columns) in, bytes out, and the other way, as Zarr's buffers.
Implements FORMAT.md section 10 (stage arrays) and SPEC.md. Guarantees that decoding and encoding again gives the
identical bytes, and that a part of a chunk is read by byte ranges (zarr_base.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.container.byte_ranges import Reading
from mmip_gpu.container.zarr_selection import Selected
from mmip_gpu.errors import MmipError
from mmip_gpu.signatures import public_class
from mmip_gpu.stage_arrays.coding import decode_stage, encode_stage
from mmip_gpu.stage_arrays.options import StageOptions
from mmip_gpu.stage_arrays.partial_read import read_stage_region
from mmip_gpu.stage_arrays.zarr_base import ChunkSelection, ZarrCodec
from mmip_gpu.stage_arrays.zarr_buffers import array_of

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.array_spec import ArraySpec

__all__ = ["StageCodec"]


@public_class({})
@dataclass(frozen=True)
class StageCodec(StageOptions, ZarrCodec):
    """The codec `mmip.stage` of Zarr v3: it codes the indices of one stage of a store.

    `mmip_gpu.write_zarr` makes these arrays. The parameters are those of `StageOptions`.

    Examples
    --------
    >>> codec = StageCodec(stage=1, cell_depth=1, tile_log2=(0, 4, 4), cuts=(0, 9, 63), steps=((2560,),))
    >>> StageCodec.from_dict(codec.to_dict()) == codec
    True
    """

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Check shape and dtype, where Zarr does not call `validate`: inside of shards before zarr 3.4."""
        self.check_array(array_spec.shape, array_spec.shape, array_spec.dtype.to_native_dtype())
        return self

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise InvalidArgument unless the array is int32 of rank 5 (corrections: 4), all columns in every chunk."""
        self.check_array(shape, getattr(chunk_grid, "chunk_shape", shape), dtype.to_native_dtype())

    def encode_array(self, array: NDArray[Any]) -> bytes | None:
        """Bytes of a chunk; None for one wholly outside the grid, which is absent from a store.

        Raises
        ------
        InvalidArgument
            For an array that no chunk of this stage decodes to.
        """
        return encode_stage(self, array)

    def decode_bytes(self, data: bytes, shape: Sequence[int]) -> NDArray[np.int32]:
        """Array of this shape from the bytes of a chunk; cells outside the grid hold -1.

        Raises
        ------
        CorruptData
            For bytes that are no chunk of this stage and shape.
        """
        return decode_stage(self, data, shape)

    def _encode_host(self, array: NDArray[Any], spec: ArraySpec) -> bytes | None:
        return encode_stage(self, array)

    def _decode_host(self, data: Any, selected: Selected, spec: ArraySpec) -> NDArray[Any]:
        part: NDArray[np.int32] = decode_stage(self, data, spec.shape, selected.region)[selected.inside]
        return part

    def _by_ranges(self, selected: Selected, spec: ArraySpec, decode: Callable[[Any], Any]) -> Reading:
        return read_stage_region(self, selected, spec.shape, decode)

    def _encode_device_arrays(self, arrays_dev: Sequence[Any], specs: Sequence[ArraySpec]) -> Sequence[bytes | None]:
        from mmip_gpu.stage_arrays.device_encoding import encode_stages

        return encode_stages(self, arrays_dev)

    def _decode_device_chunks(self, selections: Sequence[ChunkSelection]) -> Sequence[Any]:
        from mmip_gpu.stage_arrays.device_decoding import StageRegion, decode_stages

        regions = [StageRegion(array_of(blob), spec.shape, selected.region) for blob, selected, spec in selections]
        decoded = decode_stages(self, regions)
        return [
            array if isinstance(array, MmipError) else array[selected.inside]
            for array, (_, selected, _) in zip(decoded, selections, strict=True)
        ]
