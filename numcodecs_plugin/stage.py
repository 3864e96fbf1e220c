"""The Zarr codec `mmip.stage`: one chunk of a stage array to its entropy-coded bytes and back.

Values: int32 (planes, gz, gy, gx, columns) in, bytes out, and the other way; coded on the host, also for buffers of a
device.
Implements FORMAT.md section 10 (stage arrays) on the core's passes (sections 6 to 8).
Guarantees that decoding and encoding again gives the identical bytes, and that no bytes make it allocate more
than the chunk's shape does. Zarr gives it one chunk at a time, unless ``codec_pipeline.batch_size`` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec

from mmip_gpu import _core
from mmip_gpu.errors import CorruptData, InvalidArgument

from .buffers import to_nd_buffer
from .prefix import read_prefix, write_prefix

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.buffer import Buffer
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer

__all__ = ["StageCodec"]

_ABSENT = -1  # no cell has this class or mode
_ABSENT_CORRECTION = -(2**31)
_CELL_AC = {1: 63, 8: 511}
_SMALLEST_TILE = {1: (0, 2, 2), 8: (1, 1, 1)}
_SMALLEST_IMAGE_TILE = (0, 3, 3)
_GROUP = 8  # cells of the grid on y and x that make a cell of the DC image


@dataclass(frozen=True)
class StageCodec(ArrayBytesCodec):
    """Entropy codec of one stage array.

    Parameters
    ----------
    stage : int
        1 for classes and DCs, 2 .. for modes and coefficients; one more than there are cuts for corrections.
    cell_depth : {1, 8}
        Cells of 1x8x8 or 8x8x8 samples.
    tile_log2 : tuple of int
        log2 of the tile in cells on z, y, x.
    cuts : tuple of int
        0, the AC positions at which the stages end, all AC of a cell (63 or 511).
    steps : tuple of tuple of int
        Step sizes in 1/256, one tuple of components a class; only stage 1 needs them.
    padding : bool
        Whether the columns of stage 1 hold a padding mask.
    dc_image : bool
        Whether stage 1 is that of a DC image: its cells are those of the image.

    Raises
    ------
    InvalidArgument
        For a value out of the ranges of FORMAT.md section 1.

    Examples
    --------
    >>> codec = StageCodec(stage=1, cell_depth=1, tile_log2=(0, 4, 4), cuts=(0, 9, 63), steps=((2560,),))
    >>> StageCodec.from_dict(codec.to_dict()) == codec
    True
    """

    is_fixed_size: ClassVar[bool] = False  # type: ignore[misc]  # zarr declares an instance variable
    name: ClassVar[str] = "mmip.stage"

    stage: int
    cell_depth: int
    tile_log2: tuple[int, ...]
    cuts: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...] = ()
    padding: bool = False
    dc_image: bool = False

    def __post_init__(self) -> None:
        deep = self.cell_depth
        _check("cell_depth", deep, _is_integer(deep) and deep in _CELL_AC, "1 or 8")
        smallest = _SMALLEST_TILE[deep]
        tile = _integers("tile_log2", self.tile_log2)
        fits = len(tile) == 3 and all(a >= b for a, b in zip(tile, smallest, strict=True)) and sum(tile) <= 12
        fits = fits and deep * 64 << sum(tile) <= _core.MAX_TILE_SAMPLES
        _check("tile_log2", tile, fits, f"at least {smallest}, a tile of at most {_core.MAX_TILE_SAMPLES} samples")
        cuts, last = _integers("cuts", self.cuts), _CELL_AC[deep]
        rising = all(a < b for a, b in pairwise(cuts)) and 2 <= len(cuts) <= _core.MAX_STAGES
        _check("cuts", cuts, rising and (cuts[0], cuts[-1]) == (0, last), f"ascending numbers from 0 to {last}")
        _check("stage", self.stage, _is_integer(self.stage) and 1 <= self.stage <= len(cuts) + 1, f"1..{len(cuts) + 1}")
        few = isinstance(self.steps, tuple) and len(self.steps) <= _core.MAX_CLASSES
        _check("steps", self.steps, few, f"a list for each of at most {_core.MAX_CLASSES} classes")
        _check("steps", self.steps, bool(self.steps) or self.stage > 1, "those of all classes in stage 1")
        masked = isinstance(self.padding, bool) and (self.stage == 1 or not self.padding)
        _check("padding", self.padding, masked, "true in stage 1, or false")
        imaged = deep == 1 and all(a >= b for a, b in zip(tile, _SMALLEST_IMAGE_TILE, strict=True))
        imaged = imaged and self.stage == 1 and len(self.steps) == 1 and not self.padding
        imaged = isinstance(self.dc_image, bool) and (imaged or not self.dc_image)
        _check(
            "dc_image", self.dc_image, imaged, "true in stage 1 of flat cells with one class and no padding, or false"
        )
        for row in self.steps:
            values = _integers("steps", row)
            fits = len(values) in ((1,) if self.padding else (1, 3)) and len(values) == len(self.steps[0])
            _check("steps", row, fits, "1 component beside padding" if self.padding else "1 or 3 components")
            within = all(_core.MIN_STEP <= step <= _core.MAX_STEP for step in values)
            _check("steps", row, within, f"{_core.MIN_STEP}..{_core.MAX_STEP}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Codec from its entry in Zarr metadata.

        Raises
        ------
        InvalidArgument
            For another name, an unknown or missing key, or a value out of range.
        """
        configuration = data.get("configuration") if isinstance(data, Mapping) else None
        if not isinstance(configuration, Mapping) or data.get("name") != cls.name:
            raise InvalidArgument(f"codec: expected {cls.name!r} with a configuration, found {data!r}")
        names = [field.name for field in fields(cls)]
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        for what, keys in (("unknown", set(configuration) - set(names)), ("missing", set(needed) - set(configuration))):
            if keys:
                raise InvalidArgument(f"{cls.name}: {what} key {min(keys)!r}: expected {', '.join(names)}")
        return cls(**{key: _frozen(value) for key, value in configuration.items()})

    def to_dict(self) -> dict[str, Any]:
        """Entry in Zarr metadata, JSON-safe."""
        values = {f.name: _thawed(getattr(self, f.name)) for f in fields(self)}
        for flag in ("padding", "dc_image"):
            if not values[flag]:
                del values[flag]
        return {"name": self.name, "configuration": values}

    @property
    def corrects(self) -> bool:
        """Whether the array holds corrections of samples: int32 (planes, Z, Y, X)."""
        return self.stage > len(self.cuts)

    @property
    def fill_value(self) -> int:
        """Value of what is absent: none that a chunk decodes to."""
        return _ABSENT_CORRECTION if self.corrects else _ABSENT

    @property
    def columns(self) -> int:
        """Length of the last axis of the stage array; 1 for corrections, which have no such axis."""
        if self.corrects:
            return 1
        if self.dc_image:
            return 2 + _CELL_AC[1]
        if self.stage == 1:
            return 2 + (2 * self.cell_depth if self.padding else 0)
        return 1 + self.cuts[self.stage - 1] - self.cuts[self.stage - 2]

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Check shape and dtype, where Zarr does not call `validate`: inside of shards before zarr 3.4."""
        self._check_array(array_spec.shape, array_spec.shape, array_spec.dtype)
        return self

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise InvalidArgument unless the array is int32 of rank 5 (corrections: 4), all columns in every chunk."""
        self._check_array(shape, getattr(chunk_grid, "chunk_shape", shape), dtype)

    def _check_array(self, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any) -> None:
        if self.corrects:
            if len(shape) != 4:
                raise InvalidArgument(f"corrections: expected shape (planes, Z, Y, X), found {shape}")
        elif len(shape) != 5 or shape[-1] != self.columns or chunks[-1] != self.columns:
            expected = f"(planes, gz, gy, gx, {self.columns}) with all columns in a chunk"
            raise InvalidArgument(f"stage {self.stage}: expected shape {expected}, found {shape}, chunks {chunks}")
        _check_dtype(dtype.to_native_dtype())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before encoding."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        data = self.encode_array(chunk_data.as_numpy_array())
        return None if data is None else chunk_spec.prototype.buffer.from_bytes(data)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return to_nd_buffer(self.decode_bytes(chunk_data.to_bytes(), chunk_spec.shape), chunk_spec)

    def encode_array(self, array: NDArray[Any]) -> bytes | None:
        """Bytes of a chunk; None for one wholly outside the grid, which is absent from a store.

        Raises
        ------
        InvalidArgument
            For an array that no chunk of this stage decodes to.
        """
        _check_dtype(array.dtype)
        if self.corrects:
            return self._encode_corrections(array)
        if array.ndim != 5 or array.shape[-1] != self.columns:
            raise InvalidArgument(f"stage {self.stage}: expected {self.columns} columns, found shape {array.shape}")
        values: NDArray[np.int32] = np.require(array, np.int32, ["C", "A", "W"])  # the core takes no others
        extent = _inside_extent(values, _ABSENT)
        if extent is None:
            return None
        chunk = self._chunk(extent)
        try:
            chunk.from_columns(self.stage, values)
        except CorruptData as error:
            raise InvalidArgument(f"stage {self.stage}: {error}") from None
        return write_prefix(extent) + chunk.pack(self.stage, 1)

    def decode_bytes(self, data: bytes, shape: Sequence[int]) -> NDArray[np.int32]:
        """Array of this shape from the bytes of a chunk; cells outside the grid hold -1.

        Raises
        ------
        CorruptData
            For bytes that are no chunk of this stage and shape.
        """
        extent, at = read_prefix(data, shape[:4])
        if self.steps and extent[0] % len(self.steps[0]):
            raise CorruptData(f"stage chunk: {extent[0]} planes do not hold {len(self.steps[0])} components each")
        chunk = self._chunk(extent)
        if self.corrects:
            indices = np.empty(extent, np.int32)
            chunk.unpack_corrections(memoryview(data)[at:], indices, True, 1)
            array = np.full(tuple(shape), _ABSENT_CORRECTION, np.int32)
            array[tuple(slice(0, n) for n in extent)] = indices
            return array
        chunk.unpack(self.stage, memoryview(data)[at:], True, True, 1)
        array = np.empty(tuple(shape), np.int32)
        chunk.to_columns(self.stage, array)
        return array

    def _encode_corrections(self, array: NDArray[Any]) -> bytes | None:
        if array.ndim != 4:
            raise InvalidArgument(f"corrections: expected shape (planes, Z, Y, X), found {array.shape}")
        values: NDArray[np.int32] = np.asarray(array, np.int32)
        extent = _inside_extent(values[..., None], _ABSENT_CORRECTION)
        if extent is None:
            return None
        indices = np.require(values[tuple(slice(0, n) for n in extent)], np.int32, ["C", "A", "W"])
        if indices.min() <= -_core.MAX_INDEX or indices.max() >= _core.MAX_INDEX:
            raise InvalidArgument(f"corrections: found {indices.min()}..{indices.max()}, expected below 2^26")
        return write_prefix(extent) + self._chunk(extent).pack_corrections(indices, 1)

    def _chunk(self, extent: Sequence[int]) -> _core.Chunk:
        planes, gz, gy, gx = extent
        steps = self.steps or ((_core.STEP_ONE,),)
        side = 8 * (_GROUP if self.dc_image else 1)
        return _core.Chunk(
            planes=planes,
            shape=(gz, gy, gx) if self.corrects else (gz * self.cell_depth, gy * side, gx * side),
            depth=self.cell_depth,
            tile_log2=self.tile_log2,
            cuts=self.cuts,
            steps=steps,
            reversible=(0,) * len(steps),
            recon=((0, 0, 0),) * len(steps),
            padding=0 if self.padding else None,  # which value the mask means is in the records
            dc_image=(0, 0, 0) if self.dc_image else None,  # its reconstruction points are there, too
        )


def _inside_extent(array: NDArray[np.int32], absent: int) -> tuple[int, ...] | None:
    """Extents on planes, z, y, x of the cells or samples that are not absent; None if all are."""
    inside = array[..., 0] != absent
    if not inside.any():
        return None
    axes = range(4)
    extent = tuple(int(np.flatnonzero(inside.any(axis=tuple(a for a in axes if a != k)))[-1]) + 1 for k in axes)
    box = tuple(slice(0, n) for n in extent)
    if not inside[box].all() or np.count_nonzero(array != absent) > np.count_nonzero(array[box] != absent):
        raise InvalidArgument(
            f"stage array: expected one box of cells from the chunk's start and {absent} past its end"
        )
    return extent


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.newbyteorder("=") != np.int32:
        raise InvalidArgument(f"stage array: expected int32, found {dtype}")


def _check(key: str, found: object, condition: bool, expected: str) -> None:
    if not condition:
        raise InvalidArgument(f"mmip.stage: {key}={found!r}: expected {expected}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integers(field: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(map(_is_integer, values)):
        raise InvalidArgument(f"mmip.stage: {field}={values!r}: expected a tuple of integers")
    return values


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
