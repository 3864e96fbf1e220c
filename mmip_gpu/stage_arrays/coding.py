"""Chunks of a stage array to bytes and back on the host: a whole chunk, or the tiles of a region.

Values: int32 (planes, gz, gy, gx, columns), of corrections (planes, Z, Y, X), in; chunk bytes out, and the other way.
Implements FORMAT.md section 10 (stage arrays) on the core's passes (sections 6 to 8), with one thread. Guarantees that
decoding and encoding again gives the identical bytes, and that no bytes make it allocate more than the chunk's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu._core import MAX_INDEX, Chunk
from mmip_gpu.errors import CorruptData, InvalidArgument
from mmip_gpu.stage_arrays.options import IMAGE_LOG2, StageOptions, check_stage_dtype
from mmip_gpu.stage_arrays.prefix import write_prefix

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["TileBox", "decode_stage", "encode_stage", "region_of_box"]


@dataclass(frozen=True)
class TileBox:
    """The planes and tiles of a chunk that a region of its array touches.

    `bounds` are from, to on planes and tiles of z, y, x, `counts` those that there are; `inside` is the region without
    what lies outside the grid, one slice for planes, z, y, x in the array's own unit, `first` where the tiles begin.

    Examples
    --------
    >>> options = StageOptions(2, 1, (0, 2, 2), (0, 9, 63))
    >>> box = TileBox.of(options, (1, 1, 10, 8), np.s_[0:1, 0:1, 5:12, 0:2])
    >>> box.bounds, box.counts, box.inside[2], box.first
    ([0, 1, 0, 1, 1, 3, 0, 1], (1, 1, 3, 2), slice(5, 10, None), (0, 0, 4, 0))
    """

    bounds: list[int]
    counts: tuple[int, ...]
    inside: tuple[slice, ...]
    first: tuple[int, ...]

    @classmethod
    def of(cls, options: StageOptions, extent: Sequence[int], region: Sequence[slice]) -> Self | None:
        """The box of a region with slices of step 1; None where it lies outside the grid."""
        bounds, inside, first = [], [], []
        lengths = (1, *options.tile)
        for part, n, length in zip(region, extent, lengths, strict=False):
            low, high = part.start, min(part.stop, n)
            if low >= high:
                return None
            bounds += [low // length, -(-high // length)]
            inside.append(slice(low, high))
            first.append(low // length * length)
        counts = tuple(-(-n // length) for n, length in zip(extent, lengths, strict=True))
        return cls(bounds, counts, tuple(inside), tuple(first))

    def shape(self, options: StageOptions, extent: Sequence[int]) -> tuple[int, ...]:
        """Shape of the array that holds the box alone."""
        ends = zip(self.bounds[1::2], (1, *options.tile), extent, self.first, strict=True)
        cells = tuple(min(end * length, n) - first for end, length, n, first in ends)
        return cells if options.corrects else (*cells, options.columns)


def encode_stage(options: StageOptions, array: NDArray[Any]) -> bytes | None:
    """Bytes of a chunk; None for one wholly outside the grid, which is absent from a store.

    Raises
    ------
    InvalidArgument
        For an array that no chunk of this stage decodes to.

    Examples
    --------
    >>> options, columns = StageOptions(2, 1, (0, 3, 3), (0, 9, 63)), np.zeros((1, 1, 8, 8, 10), np.int32)
    >>> data = encode_stage(options, columns)
    >>> len(data) < columns.nbytes / 50, bool((decode_stage(options, data, columns.shape) == columns).all())
    (True, True)
    """
    check_stage_dtype(array.dtype)
    if options.corrects:
        return _encode_corrections(options, array)
    if array.ndim != 5 or array.shape[-1] != options.columns:
        raise InvalidArgument(f"stage {options.stage}: expected {options.columns} columns, found shape {array.shape}")
    values: NDArray[np.int32] = np.require(array, np.int32, ["C", "A", "W"])  # the core takes no others
    extent = _inside_extent(options, values)
    if extent is None:
        return None
    chunk = _chunk(options, extent)
    try:
        chunk.from_columns(options.stage, values)
    except CorruptData as error:
        raise InvalidArgument(f"stage {options.stage}: {error}") from None
    data = write_prefix(extent) + chunk.pack(options.stage, 1)
    if options.stage == 1 and int(np.abs(values[..., 1]).max()) >= options.dc_limit:
        _check_dcs(options, data, values)
    return data


def _check_dcs(options: StageOptions, data: bytes, values: NDArray[np.int32]) -> None:
    """Raise InvalidArgument where neighbours are too far apart for what is coded, their difference."""
    try:
        equal = np.array_equal(decode_stage(options, data, values.shape), values)
    except CorruptData:
        equal = False
    if not equal:
        raise InvalidArgument("stage 1: DC indices of neighbours differ by 2^31 steps or more")


def decode_stage(
    options: StageOptions, data: Buffer, shape: Sequence[int], region: tuple[slice, ...] | None = None
) -> NDArray[np.int32]:
    """Decode a chunk to an array of this shape, or to a region of it. Cells outside the grid hold the fill value.

    A region needs the head and the groups of sub-streams that it touches. Other bytes may be zero.

    Raises
    ------
    CorruptData
        For bytes that are no chunk of this stage and shape.
    """
    extent, at = options.read_extent(data, shape)
    wanted = tuple(slice(0, n) for n in shape) if region is None else region
    box = TileBox.of(options, extent, wanted)
    if box is None:
        blank: NDArray[np.int32] = region_of_box(options, None, None, wanted, np.empty)
        return blank
    payload, chunk = memoryview(data)[at:], _chunk(options, extent, box.bounds)
    decoded: NDArray[np.int32] = np.empty(box.shape(options, extent), np.int32)
    if options.corrects:
        chunk.unpack_corrections(payload, decoded, True, 1)
    else:
        chunk.unpack(options.stage, payload, True, True, 1)
        chunk.to_columns(options.stage, decoded)
    part: NDArray[np.int32] = region_of_box(options, decoded, box, wanted, np.empty)
    return part


def region_of_box(
    options: StageOptions, decoded: Any, box: TileBox | None, region: Sequence[slice], empty: Callable[..., Any]
) -> Any:
    """Cut a region out of the decoded box of a chunk, None for a region outside the grid; ``empty`` makes arrays."""
    shape = tuple(s.stop - s.start for s in region)
    if box is not None:
        source = tuple(slice(s.start - f, s.stop - f) for s, f in zip(box.inside, box.first, strict=True))
        decoded = decoded[source + tuple(region[4:])]
        if decoded.shape == shape:
            return decoded
    array = empty(shape, np.int32)
    array.fill(options.fill_value)
    if box is not None:
        array[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box.inside, region, strict=False))] = (
            decoded
        )
    return array


def _encode_corrections(options: StageOptions, array: NDArray[Any]) -> bytes | None:
    if array.ndim != 4:
        raise InvalidArgument(f"corrections: expected shape (planes, Z, Y, X), found {array.shape}")
    values: NDArray[np.int32] = np.asarray(array, np.int32)
    extent = _inside_extent(options, values[..., None])
    if extent is None:
        return None
    indices = np.require(values[tuple(slice(0, n) for n in extent)], np.int32, ["C", "A", "W"])
    if indices.min() <= -MAX_INDEX or indices.max() >= MAX_INDEX:
        raise InvalidArgument(f"corrections: found {indices.min()}..{indices.max()}, expected below 2^26")
    return write_prefix(extent) + _chunk(options, extent).pack_corrections(indices, 1)


def _chunk(options: StageOptions, extent: Sequence[int], box: list[int] | None = None) -> Chunk:
    """Chunk of the core of this extent, or a box of its planes and tiles."""
    steps, (z, y, x) = options.steps or options.coded_steps, options.coded_volume(extent)
    return Chunk(
        planes=extent[0],
        shape=(z, y << IMAGE_LOG2, x << IMAGE_LOG2) if options.dc_image else (z, y, x),
        depth=options.cell_depth,
        tile_log2=options.tile_log2,
        cuts=options.cuts,
        steps=steps,
        reversible=(0,) * len(steps),
        recon=((0, 0, 0),) * len(steps),
        box=box,
        padding=0 if options.padding else None,  # which value the mask means is in the records
        dc_image=(0, 0, 0) if options.dc_image else None,  # its reconstruction points are there, too
    )


def _inside_extent(options: StageOptions, array: NDArray[np.int32]) -> tuple[int, ...] | None:
    """Extents on planes, z, y, x of the cells or samples that are not absent; None if all are."""
    absent = options.fill_value
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
    if not options.has_components(extent):
        raise InvalidArgument(f"stage array: {extent[0]} planes do not hold {len(options.steps[0])} components each")
    return extent
