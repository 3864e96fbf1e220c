"""The figure of a region of interest: an image coded with it and without it, with error maps on one scale.

Values: arrays in host memory and numbers of bytes in; one picture file out. Guarantees that the slice of a volume is
the one with the most of the region, and that the PSNR in a title is of all samples, its peak named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.metrics import evaluate
from mmip_gpu.quality.plot import plot_errors
from mmip_gpu.signatures import ARRAY, public
from mmip_gpu.volume.roi import RoiRule, checked_axes, roi_classes

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["plot_roi"]


@public(original=ARRAY)
def plot_roi(
    original: NDArray[Any],
    decoded: Mapping[str, tuple[NDArray[Any], int]],
    path: str | PathLike[str],
    roi: str | RoiRule | NDArray[Any],
    *,
    axes: str | None = None,
    name: str = "",
) -> None:
    """Draw an image with the outline of its region beside what was decoded of it, with error maps below.

    Parameters
    ----------
    original : numpy.ndarray
        Real samples.
    decoded : mapping of str to (numpy.ndarray, int)
        Decoded images of the original's shape and their bytes, by title.
    path : str or path-like
        File to write; its suffix names the format (``.png``: at most 300 kB).
    roi : numpy.ndarray, str or RoiRule
        The region, as `mmip_gpu.roi.roi_classes` takes it; every class above 0.
    axes : str, optional
        Axis letters, by default by rank.
    name : str
        What is shown.

    Raises
    ------
    InvalidArgument
        A region without a sample, shapes that differ, or an unknown suffix.
    MissingResource
        matplotlib is not installed.
    StoreError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> image = np.arange(256, dtype=np.uint16).reshape(16, 16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_roi(image, {"coded": (image ^ 1, 100)}, folder + "/roi.png", image > 200)
    """
    letters = checked_axes(axes, original.ndim)
    classes = roi_classes(roi, original, letters)
    if classes is None or not classes.any():
        raise InvalidArgument("plot roi: expected a region with samples, found none")
    mask = classes > 0
    labels = []
    for title, (image, size) in decoded.items():
        report = evaluate(original, image, mask, axes=letters, structural=False)
        inside, whole = report["roi"]["psnr_range"], report["psnr_range"]
        labels.append(f"{title}: {size:,} bytes\nregion {_decibels(inside)}, whole {_decibels(whole)}")
    slices, shown = _fullest_slice(mask, letters)
    peak = float(original.max()) - float(original.min())
    caption = "\n".join(filter(None, [name, shown, "error maps: one scale", f"dB: peak {peak:g}"]))
    images = [image[slices] for image, _ in decoded.values()]
    spatial = tuple(part for part, letter in zip(slices, letters, strict=True) if letter != "c")
    plot_errors(original[slices], images, labels, Path(path), mask[spatial], axes=letters, caption=caption)


def _decibels(psnr: float) -> str:
    return "no error" if psnr == math.inf else f"{psnr:.2f} dB"


def _fullest_slice(mask: NDArray[np.bool_], axes: str) -> tuple[tuple[slice, ...], str]:
    """Return the plane with the most samples of a region, as slices of all axes, and what it is called."""
    spatial = axes.replace("c", "")
    outer = [place for place, letter in enumerate(spatial) if letter not in "yx"]
    counts = mask.sum(axis=tuple(place for place in range(mask.ndim) if place not in outer))
    spot = dict(zip([spatial[place] for place in outer], np.unravel_index(counts.argmax(), counts.shape), strict=True))
    slices = tuple(
        slice(int(spot[letter]), int(spot[letter]) + 1) if letter in spot else slice(None) for letter in axes
    )
    return slices, ", ".join(f"{letter} = {place}" for letter, place in spot.items())
