"""The engine `mmip` of xarray: ``xarray.open_dataset(store, engine="mmip")``; xarray finds it by its entry point.

Values: what `open_zarr` opens in, a Dataset with the lazy variable `image` out. Nothing else of the package imports
this module, which needs xarray.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

from numpy.typing import NDArray
from xarray import Dataset, Variable
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from mmip_gpu.errors import MmipError
from mmip_gpu.store.group.zarr_group import StoreGroup
from mmip_gpu.store.read.lazy_arrays import coordinates
from mmip_gpu.store.read.open_store import open_zarr
from mmip_gpu.store.read.progressive_array import ProgressiveArray

__all__ = ["MmipBackend"]

_VARIABLE = "image"


class MmipBackend(BackendEntrypoint):
    """Opens stores of `mmip_gpu.write_zarr`, some of their stages at a scale.

    Examples
    --------
    >>> import mmip_gpu as mmip
    >>> store = {}
    >>> _ = mmip.write_zarr("phantom3d:16x64x64", store, quality=10)
    >>> MmipBackend().open_dataset(store, stages=1, scale=8)["image"].shape
    (16, 8, 8)
    """

    description: ClassVar[str] = "Stores of mmip_gpu, read stage by stage"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj", "drop_variables", "stages", "scale", "threads",
    )  # fmt: skip

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        stages: int | None = None,
        scale: int = 1,
        threads: int | None = None,
    ) -> Any:
        """Open a store; `stages`, `scale` and `threads` are those of `open_zarr`."""
        volume = open_zarr(filename_or_obj, stages=stages, scale=scale, threads=threads)
        attributes = {"stages": volume.stages, "scale": volume.scale, "report": volume.report}
        data = indexing.LazilyIndexedArray(_Samples(volume))
        chunks = {"preferred_chunks": dict(zip(volume.axes, volume.chunks, strict=True))}
        dataset = Dataset({_VARIABLE: Variable(list(volume.axes), data, attributes, chunks)}, coordinates(volume))
        return dataset.drop_vars(drop_variables or [], errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this is a store of ours on this machine."""
        if not isinstance(filename_or_obj, str | os.PathLike) or "://" in str(filename_or_obj):
            return False
        try:
            return StoreGroup(filename_or_obj, read_only=True).attributes() is not None
        except MmipError:
            return False


class _Samples(BackendArray):
    """A lazy array as xarray's indexing takes it."""

    def __init__(self, volume: ProgressiveArray) -> None:
        self.volume, self.shape, self.dtype = volume, volume.shape, volume.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        found: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self.volume.__getitem__
        )
        return found
