"""Quality classes of voxels where the samples lie: from a rule, or from a mask in any memory.

Values: ``roi=`` as `mmip_gpu.encode` takes it, and the samples on a device; uint8 classes there out. Implements the
class map of FORMAT.md for `volume.roi.roi_classes`, which it equals. A mask may lie on either side whatever the samples
do, so its memory is asked here. The rule ``otsu`` copies the samples to the host. Other rules, and masks on the device,
copy nothing. A mask of the host goes to the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.device.run.executors import DeviceArray, Executor
from mmip_gpu.device.run.placement import is_on_device
from mmip_gpu.volume.roi import RoiRule, checked_axes, mask_classes, roi_classes

__all__ = ["device_classes", "no_classes"]


def device_classes(executor: Executor, roi: Any, array: DeviceArray, axes: str) -> DeviceArray | None:
    """Class of every voxel of an array on the device; None without a region of interest.

    Raises
    ------
    InvalidArgument
        For a mask or a rule that does not fit.
    """
    if roi is None:
        return None
    rule = RoiRule.parse(roi) if isinstance(roi, str) else roi
    if isinstance(rule, RoiRule) and not rule.needs_whole_array:
        inside: Any = rule.apply(array)
        voxels = inside.any(axis=axes.index("c")) if "c" in axes else inside
        return executor.contiguous(voxels).view(np.uint8)
    if is_on_device(roi):
        return executor.contiguous(mask_classes(executor.adopt(roi), array.shape, checked_axes(axes, array.ndim)))
    samples = executor.download(array) if isinstance(rule, RoiRule) else array
    return executor.upload(np.asarray(roi_classes(rule, samples, axes)))


def no_classes(roi: Any, empty: NDArray[Any], axes: str) -> NDArray[np.uint8] | None:
    """Classes, on the host, of an array without voxels; a mask or a rule of the host is checked."""
    return roi_classes(None if is_on_device(roi) else roi, empty, axes)
