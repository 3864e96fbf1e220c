"""Lazy arrays as other packages have them: dask and xarray, with voxel sizes and centres.

Values: a ProgressiveArray in; lazy arrays, and lengths in millimetres (in samples where no size is known), out.
Implements FORMAT.md section 5.1 (a sample of a scale stands for a window of samples). It decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmip_gpu.errors import MissingResource
from mmip_gpu.volume.axes import shrinking_axes

if TYPE_CHECKING:
    from mmip_gpu.store.read.progressive_array import ProgressiveArray

__all__ = ["AxisSampling", "axis_samplings", "coordinates", "dask_array", "data_array"]


@dataclass(frozen=True)
class AxisSampling:
    """Samples of an axis are `size` apart, the first one's centre is at `start`; `unit` is None where none is known."""

    letter: str
    size: float
    start: float
    unit: str | None


def axis_samplings(volume: ProgressiveArray) -> list[AxisSampling]:
    """Place the samples of every axis.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store = {}
    >>> _ = mmip.write_zarr("phantom2d", store, quality=10)
    >>> axis_samplings(mmip.open_zarr(store, scale=4))[1]
    AxisSampling(letter='x', size=4.0, start=1.5, unit=None)
    """
    metadata = volume.metadata
    sizes = map(float, metadata["scale"] or [1.0] * volume.ndim)
    units = [axis.get("unit") for axis in metadata["axes"]]
    letters = shrinking_axes(volume.report["plan"]["cell_depth"])
    samplings = []
    for letter, size, unit in zip(volume.axes, sizes, units, strict=True):
        factor = volume.scale if letter in letters else 1
        samplings.append(AxisSampling(letter, size * factor, size * (factor - 1) / 2, unit))
    return samplings


def dask_array(volume: ProgressiveArray) -> Any:
    """Make a dask array with the chunks of the store, each decoded on one thread.

    Raises
    ------
    MissingResource
        Without dask.
    """
    try:
        from dask import array
    except ImportError:
        raise MissingResource("dask() needs the package dask: pip install 'mmip-gpu[dask]'") from None
    single = volume.at(stages=volume.stages, scale=volume.scale, threads=1, keep_bytes=0)
    from_array: Any = array.from_array  # dask has no types for it
    return from_array(single, chunks=volume.chunks, lock=False, fancy=False, meta=np.empty(0, volume.dtype))


def coordinates(volume: ProgressiveArray) -> dict[str, Any]:
    """Give voxel centres on the spatial axes, as xarray takes them."""
    return {
        sampling.letter: (
            sampling.letter,
            sampling.start + sampling.size * np.arange(length),
            {"units": sampling.unit} if sampling.unit else {},
        )
        for sampling, length in zip(axis_samplings(volume), volume.shape, strict=True)
        if sampling.letter in "zyx"
    }


def data_array(volume: ProgressiveArray) -> Any:
    """Make an xarray DataArray on dask, with voxel centres on the spatial axes.

    Raises
    ------
    MissingResource
        Without xarray or dask.
    """
    try:
        from xarray import DataArray
    except ImportError:
        raise MissingResource("xarray() needs the package xarray: pip install 'mmip-gpu[dask]'") from None
    attributes = {"stages": volume.stages, "scale": volume.scale, "report": volume.report}
    return DataArray(volume.dask(), coordinates(volume), list(volume.axes), name=volume.place_name, attrs=attributes)
