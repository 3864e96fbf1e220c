"""The array of a stage, as the group of a store makes it: its name, its shapes, the names of its dimensions.

Values: numbers of stages and shapes in; what Zarr is told out. Implements the arrays of FORMAT.md section 10.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmip_gpu.stage_arrays.stage_codec import StageCodec

__all__ = ["DIMENSIONS", "StageArray", "dimension_names", "stage_name"]

DIMENSIONS = ("plane", "z", "y", "x")
_COLUMN = 'column (xarray: engine="mmip")'  # what xarray.open_zarr says that it cannot combine, and what can


@dataclass(frozen=True)
class StageArray:
    """The array of a stage: its name in the group, its shape, the shape of a chunk, its codec."""

    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    codec: StageCodec


def stage_name(stage: int) -> str:
    """Name of a stage array in the group."""
    return f"stage_{stage}"


def dimension_names(array: StageArray, whole: StageArray) -> list[str]:
    """Names of the dimensions of an array; those whose length is not that of all stages are its own."""
    lengths = zip(DIMENSIONS, array.shape, whole.shape, strict=False)
    return [name if n == m else f"{array.name}_{name}" for name, n, m in lengths] + [_COLUMN][: len(array.shape) - 4]
