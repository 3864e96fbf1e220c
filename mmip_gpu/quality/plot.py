"""Figures of images: the stages of a progressive image, or several codings side by side, with their errors.

Values: arrays in host memory and texts in; one picture file out (PNG, SVG, or what the file name says). Implements no
section of FORMAT.md. Guarantees one grey scale for all images; error maps of stages have a scale of their own each,
those of codings that are compared have one for all. Leaves measuring to ``quality/metrics.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.drawing import (
    ROI_COLOUR,
    draw_errors,
    draw_image,
    draw_outline,
    error_limit,
    new_figure,
    save_figure,
    shown_plane,
    signed_error,
    thinned,
)
from mmip_gpu.quality.metrics import max_error
from mmip_gpu.signatures import ARRAY, ITEMS, public
from mmip_gpu.volume.roi import RoiRule, checked_axes, roi_classes

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["plot_errors", "plot_progressive"]

_PANEL_INCHES = 2.4


@public(original=ARRAY, stages=ITEMS, labels=ITEMS)
def plot_progressive(
    original: NDArray[Any],
    stages: Sequence[NDArray[Any]],
    labels: Sequence[str],
    path: str | PathLike[str],
    roi: str | RoiRule | NDArray[Any] | None = None,
    *,
    axes: str | None = None,
    caption: str = "",
) -> None:
    """Draw the original, what each stage decodes to, and the error maps below.

    Of a volume the middle slice is shown. Greys run from the 0.5 to the 99.5 percentile of the original. Each error
    map has a symmetric scale of its own, up to the 99.5 percentile of its errors.

    Parameters
    ----------
    original : numpy.ndarray
        Real samples.
    stages : sequence of numpy.ndarray
        Reconstructions, coarse to fine, at least one, each of the original's shape.
    labels : sequence of str
        One title per stage, for example "stage 2: 5.1 kB, 48.3 dB".
    path : str or path-like
        File to write; its suffix names the format (``.png``: at most 300 kB).
    roi : None, numpy.ndarray, str or RoiRule
        Region to outline, as `mmip_gpu.roi.roi_classes` takes it; every class above 0.
    axes : str, optional
        Axis letters, by default by rank; three samples along "c" are shown as RGB, else the first.
    caption : str
        What is shown, in lines; it stands below the original, with the legend of the outline.

    Raises
    ------
    InvalidArgument
        Shapes that differ, no stage, not one label per stage, no y, x plane with samples, an unknown suffix.
    MissingResource
        matplotlib is not installed (or scikit-image, for the rule ``otsu``).
    StoreError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> image = np.arange(256, dtype=np.uint16).reshape(16, 16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_progressive(image, [image ^ 3], ["stage 1"], folder + "/stages.png", roi="threshold:200")
    """
    _draw(original, stages, labels, Path(path), roi, axes, caption, is_compared=False)


@public(original=ARRAY, images=ITEMS, labels=ITEMS)
def plot_errors(
    original: NDArray[Any],
    images: Sequence[NDArray[Any]],
    labels: Sequence[str],
    path: str | PathLike[str],
    roi: str | RoiRule | NDArray[Any] | None = None,
    *,
    axes: str | None = None,
    caption: str = "",
) -> None:
    """Draw the original and decoded images beside it, and below them error maps on one scale.

    Parameters and errors are those of `plot_progressive`, but for what follows. The error maps have one symmetric
    scale, up to the 99.5 percentile of all their errors, so that they can be compared. The region is outlined in
    them, too.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        Decoded images, each of the original's shape.

    Examples
    --------
    >>> import tempfile
    >>> image = np.arange(256, dtype=np.uint16).reshape(16, 16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_errors(image, [image ^ 3, image ^ 1], ["a", "b"], folder + "/errors.svg")
    """
    _draw(original, images, labels, Path(path), roi, axes, caption, is_compared=True)


def _draw(
    original: NDArray[Any],
    images: Sequence[NDArray[Any]],
    labels: Sequence[str],
    path: Path,
    roi: str | RoiRule | NDArray[Any] | None,
    axes: str | None,
    caption: str,
    *,
    is_compared: bool,
) -> None:
    """Draw images above and their error maps below."""
    letters = checked_axes(axes, original.ndim)
    _check_stages(original, images, labels, letters)
    classes = roi_classes(roi, original, letters)
    region = None if classes is None else thinned(shown_plane(classes, letters.replace("c", ""))) > 0
    planes = [shown_plane(image, letters) for image in (original, *images)]
    largest = [max_error(planes[0], plane) for plane in planes[1:]]
    shown = [thinned(plane) for plane in planes]
    errors = [signed_error(shown[0], image) for image in shown[1:]]
    common = error_limit(np.concatenate([error.ravel() for error in errors])) if is_compared else None
    columns, (height, width) = len(shown), shown[0].shape[:2]
    panel_height = _PANEL_INCHES * min(max(height / width, 0.3), 2.0) + 0.24
    figure = new_figure(columns * _PANEL_INCHES, 2 * panel_height + 0.4)
    panels = figure.subplots(2, columns)
    for panel in panels.flat:
        panel.set_axis_off()
    low, high = np.percentile(shown[0], (0.5, 99.5))
    for panel, image, title in zip(panels[0], shown, ("original", *labels), strict=True):
        draw_image(panel, image, float(low), float(high), region)
        panel.set_title(title, fontsize=8.5)
    for panel, error, peak in zip(panels[1][1:], errors, largest, strict=True):
        draw_errors(figure, panel, error, peak, common)
        if is_compared:
            draw_outline(panel, region)
    _draw_legend(panels[1][0], caption, has_region=region is not None)
    save_figure(figure, path)


def _check_stages(original: NDArray[Any], stages: Sequence[NDArray[Any]], labels: Sequence[str], axes: str) -> None:
    """Raise unless the stages can be drawn beside the original."""
    if not stages or len(stages) != len(labels):
        found = f"{len(stages)} stages, {len(labels)} labels"
        raise InvalidArgument(f"plot: expected at least one stage and one label for each, found {found}")
    for stage in stages:
        if stage.shape != original.shape:
            raise InvalidArgument(f"plot: expected stages of shape {original.shape}, found {stage.shape}")
    if not {"y", "x"} <= set(axes) or not original.size:
        raise InvalidArgument(f"plot: expected y, x samples, found axes {axes!r}, shape {original.shape}")


def _draw_legend(panel: Any, caption: str, *, has_region: bool) -> None:
    """Say what is shown, in the free place below the original."""
    if has_region:
        panel.plot([], [], color=ROI_COLOUR, linewidth=1.5, label="region of interest")
        panel.legend(loc="upper center", frameon=False, fontsize=8.5)
    panel.text(0.5, 0.6, caption, transform=panel.transAxes, ha="center", va="center", fontsize=8.5)
