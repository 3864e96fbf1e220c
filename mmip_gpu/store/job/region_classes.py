"""Quality classes chunk by chunk, from a mask or a rule.

Values: ``roi=`` of `write_zarr` in; uint8 classes of the voxels of a region out, in host memory.
Encoder side of the class map (FORMAT.md section 8.1). Guarantees the classes that `mmip_gpu.encode` gives to the whole
array. Of mask and source it reads no more than the region, for a rule with all its channels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.sources import Source, check_place, stored_rule
from mmip_gpu.sources.arrays import dask_array, on_host
from mmip_gpu.sources.masks import open_mask
from mmip_gpu.store.group.grid import Region
from mmip_gpu.store.job.survey import Survey, mask_survey, otsu_rule
from mmip_gpu.volume.axes import PlaneLayout
from mmip_gpu.volume.roi import RoiRule, roi_classes

__all__ = ["RegionClasses"]


@dataclass(frozen=True)
class RegionClasses:
    """Where the classes of an array's voxels come from.

    `identity` tells one region of interest from another; `class_count` includes the background. Those of a mask are
    known once it was `surveyed`.
    """

    identity: str | None
    class_count: int
    layout: PlaneLayout
    rule: RoiRule | None = None
    mask: Source | None = None

    @classmethod
    def of(cls, roi: Any, layout: PlaneLayout, source: Source | None = None) -> RegionClasses:
        """Classes for ``roi=`` (None: all background) of a source, where it is at hand.

        Raises
        ------
        InvalidArgument
            For a mask or a rule that does not fit.
        """
        if roi is None:
            return cls(None, 1, layout)
        roi = roi if source is None else stored_rule(roi, source)
        if isinstance(roi, str | RoiRule) and not _is_file(roi):
            rule = RoiRule.parse(roi) if isinstance(roi, str) else roi
            return cls(str(rule), 2, layout, rule)
        mask = _opened_mask(roi, layout)
        if source is not None:
            check_place(mask, source)
        return cls(None, 1, layout, None, mask)

    def surveyed(self, survey: Survey) -> RegionClasses:
        """Look through a mask once.

        Raises
        ------
        InvalidArgument
            For one with other values than classes.
        """
        if self.mask is None:
            return self
        highest, checksum = mask_survey(self.mask, survey)
        return replace(self, identity=f"mask:{self.mask.axes}:{checksum}", class_count=highest + 1)

    def resolved(self, source: Source, survey: Survey) -> RegionClasses:
        """Replace a rule that needs the whole array by one that does not."""
        if self.rule is None or not self.rule.needs_whole_array:
            return self
        return replace(self, rule=otsu_rule(source, survey))

    def read(
        self, region: Region, samples: NDArray[Any], read: Callable[[Region], NDArray[Any]]
    ) -> NDArray[np.uint8] | None:
        """Give the class of every voxel of a region: its shape without ``c``; None where all is background.

        Parameters
        ----------
        region : tuple of slice
            One slice per axis of the array.
        samples : ndarray
            The region's samples.
        read : callable
            Reads another region, where a rule has to see all channels.
        """
        axes = self.layout.axes
        by_axis = dict(zip(axes, region, strict=True))
        if self.rule is not None:
            if "c" in axes and samples.shape[axes.index("c")] < self.layout.channels:
                samples = read(tuple(slice(0, self.layout.channels) if a == "c" else by_axis[a] for a in axes))
            return roi_classes(self.rule, samples, axes)
        if self.mask is None:
            return None
        part = self.mask.read(tuple(slice(None) if a == "c" else by_axis[a] for a in self.mask.axes))
        if "c" in self.mask.axes:
            part = part.max(axis=self.mask.axes.index("c"))
        return roi_classes(part, samples, axes)


def _is_file(roi: Any) -> bool:
    return isinstance(roi, str) and ("://" in roi or (bool(Path(roi).suffix) and Path(roi).exists()))


def _opened_mask(roi: Any, layout: PlaneLayout) -> Source:
    """Open what may be a mask: a file, or any array of integers or bool."""
    if isinstance(roi, str | os.PathLike | Source):
        opened = open_mask(roi)
        return replace(opened, axes=_mask_axes(opened, layout))
    array = roi if all(hasattr(roi, name) for name in ("shape", "dtype", "__getitem__")) else np.asarray(roi)
    axes = _mask_axes(array, layout)
    shape, dtype = tuple(map(int, array.shape)), np.dtype(array.dtype).newbyteorder("=")
    return Source(shape, dtype, axes, {}, "roi", "", lambda region: on_host(array[region]), origin=dask_array(array))


def _mask_axes(mask: Any, layout: PlaneLayout) -> str:
    """Axes of a mask of the array's shape, without its channels, or of its spatial axes alone."""
    if np.dtype(mask.dtype).kind not in "bui":
        raise InvalidArgument(f"roi: expected a bool or integer mask or a rule, found dtype {mask.dtype}")
    lengths = dict(zip(layout.axes, layout.shape, strict=True))
    voxels = layout.axes.replace("c", "")
    spatial = "".join(a for a in layout.axes if a in "zyx")
    for axes in (voxels, layout.axes, spatial):
        if tuple(mask.shape) == tuple(lengths[a] for a in axes):
            return axes
    expected = tuple(lengths[a] for a in voxels)
    raise InvalidArgument(
        f"roi: expected a mask of shape {expected} for axes {layout.axes!r}, found {tuple(mask.shape)}"
    )
