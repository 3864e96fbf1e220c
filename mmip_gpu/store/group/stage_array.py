"""An array of coded chunks, as the group of a store makes it: its name, its shapes, its codec, its dimensions.

Values: numbers of stages and shapes in; what Zarr is told out. Implements the arrays of FORMAT.md section 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmip_gpu._core import MAX_STAGES
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.store.group.grid import ChunkGrid, Coordinates
from mmip_gpu.volume.axes import PlaneLayout

__all__ = [
    "CORRECTIONS",
    "DIMENSIONS",
    "RECORDS",
    "SAMPLES",
    "StageArray",
    "array_names",
    "chunk_index",
    "stage_name",
    "staged_dimensions",
]

RECORDS = "chunk"
CORRECTIONS = "corrections"
SAMPLES = "samples"
DIMENSIONS = ("plane", "z", "y", "x")
_COLUMN = 'column (xarray: engine="mmip")'  # what xarray.open_zarr says that it cannot combine, and what can


@dataclass(frozen=True)
class StageArray:
    """The array that holds a stage of all chunks.

    Parameters
    ----------
    name : str
        In the group.
    shape, chunks : tuple of int
        Of the array, and of a chunk of it.
    dtype : str
    fill_value : int
    serializer : Codec or mapping
        The codec of its chunks, or the entry by which Zarr finds it.
    dimensions : sequence of str
        Their names.
    """

    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    fill_value: int
    serializer: Any
    dimensions: Sequence[str]


def stage_name(stage: int) -> str:
    """Name of a stage array in the group."""
    return f"stage_{stage}"


def array_names() -> list[str]:
    """Names of all arrays that a store may have, that of the records first."""
    return [RECORDS, SAMPLES, CORRECTIONS, *map(stage_name, range(1, MAX_STAGES + 1))]


def staged_dimensions(name: str, shape: Sequence[int], whole: Sequence[int]) -> list[str]:
    """Names of the dimensions of a stage array; those whose length is not that of all stages are its own."""
    lengths = zip(DIMENSIONS, shape, whole, strict=False)
    return [axis if n == m else f"{name}_{axis}" for axis, n, m in lengths] + [_COLUMN][: len(shape) - 4]


def chunk_index(name: str, at: Coordinates, metadata: Any) -> tuple[int, ...]:
    """Index of a chunk in an array with these metadata; the samples have an axis for each of t, n and c.

    Raises
    ------
    StoreError
        For metadata that no array of samples has.
    """
    if name != SAMPLES:
        return (*at, 0)[: len(metadata.shape)]
    try:
        layout = PlaneLayout.of(tuple(metadata.shape), "".join(map(str, metadata.dimension_names or ())))
    except InvalidArgument as error:
        raise StoreError(f"{name}: {error}") from None
    return ChunkGrid(layout, 1, tuple(metadata.chunk_grid.chunk_shape)).index(at)
