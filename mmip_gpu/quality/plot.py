"""Figures: the stages of a progressive image with their errors, and rate against quality.

Values: arrays in host memory, texts and rows of numbers in; one picture file out (PNG, or what the file name
says). Implements no section of FORMAT.md. Guarantees one grey scale for all images, an error scale of its
own for each map, no global matplotlib state and a PNG below 300 kB; leaves measuring to ``quality/metrics.py``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError
from mmip_gpu.quality.metrics import max_error
from mmip_gpu.signatures import ARRAY, ITEMS, public
from mmip_gpu.volume.roi import RoiRule, checked_axes, roi_classes

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["plot_progressive", "plot_rate"]

PNG_BYTES_MAX = 300_000

_PANEL_INCHES = 2.4
_RENDERINGS = ((130, False), (130, True), (110, True), (90, True), (70, True), (50, True))  # dpi, palette
_DISPLAY_LENGTH = 768
_ROI_COLOUR = "#ff9f1c"
_ERROR_COLOURS = "RdBu_r"


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
    letters = checked_axes(axes, original.ndim)
    _check_stages(original, stages, labels, letters)
    classes = roi_classes(roi, original, letters)
    region = None if classes is None else _thinned(_plane(classes, letters.replace("c", ""))) > 0
    planes = [_plane(image, letters) for image in (original, *stages)]
    largest = [max_error(planes[0], plane) for plane in planes[1:]]
    shown = [_thinned(plane) for plane in planes]
    errors = [_signed_error(shown[0], image) for image in shown[1:]]
    columns = len(shown)
    height, width = shown[0].shape[:2]
    panel_height = _PANEL_INCHES * min(max(height / width, 0.3), 2.0) + 0.24
    figure = _figure(columns * _PANEL_INCHES, 2 * panel_height + 0.4)
    panels = figure.subplots(2, columns)
    for panel in panels.flat:
        panel.set_axis_off()
    low, high = np.percentile(shown[0], (0.5, 99.5))
    for panel, image, title in zip(panels[0], shown, ("original", *labels), strict=True):
        _draw_image(panel, image, float(low), float(high), region)
        panel.set_title(title, fontsize=8.5)
    for panel, error, peak in zip(panels[1][1:], errors, largest, strict=True):
        _draw_errors(figure, panel, error, peak)
    _draw_legend(panels[1][0], caption, has_region=region is not None)
    _save(figure, Path(path))


@public(rows=ITEMS)
def plot_rate(rows: Sequence[Mapping[str, Any]], path: str | PathLike[str], *, peak: str = "") -> None:
    """Draw PSNR against bits per sample, one curve per codec.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``codec`` (str), ``bits_per_sample`` (above 0) and ``psnr`` (dB). Rows whose PSNR is None or
        not finite (lossless) have no place on the curve and are left out.
    path : str or path-like
        File to write; its suffix names the format (``.png``: at most 300 kB).
    peak : str
        What the PSNR counts on, such as "peak 65535"; it stands at the axis.

    Raises
    ------
    InvalidArgument
        No row can be drawn, or an unknown suffix.
    MissingResource
        matplotlib is not installed.
    StoreError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> rows = [{"codec": "mmip", "bits_per_sample": bits, "psnr": 40 + 6 * bits} for bits in (0.5, 1, 2)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_rate(rows, folder + "/rate.png")
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if not isinstance(row, Mapping) or not {"codec", "bits_per_sample", "psnr"} <= set(row):
            raise InvalidArgument(f"plot_rate: expected rows with codec, bits_per_sample and psnr, found {row!r}")
        bits, quality = row["bits_per_sample"], row["psnr"]
        if quality is not None and math.isfinite(quality) and bits > 0:
            curves.setdefault(str(row["codec"]), []).append((float(bits), float(quality)))
    if not curves:
        raise InvalidArgument(f"plot_rate: expected rows with a finite psnr and bits above 0, found {len(rows)} rows")
    figure = _figure(6.0, 4.0)
    panel = figure.subplots()
    for (codec, points), marker in zip(curves.items(), "os^Dv<>Ph*X" * len(curves), strict=False):
        panel.plot(*zip(*sorted(points), strict=True), marker=marker, markersize=4, linewidth=1.4, label=codec)
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("bits per sample")
    panel.set_ylabel(f"PSNR (dB){', ' if peak else ''}{peak}")
    panel.grid(color="0.9", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=9)
    _save(figure, Path(path))


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


def _plane(image: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the (y, x) or (y, x, 3) samples to show: the middle of the other axes."""
    is_colour = "c" in axes and image.shape[axes.index("c")] == 3
    kept = "yxc" if is_colour else "yx"
    middle = tuple(
        slice(None) if letter in kept else 0 if letter == "c" else length // 2
        for letter, length in zip(axes, image.shape, strict=True)
    )
    order = [letter for letter in axes if letter in kept]
    return image[middle].transpose([order.index(letter) for letter in kept])


def _thinned(plane: NDArray[Any]) -> NDArray[Any]:
    """Return every n-th pixel of a plane that is larger than its display."""
    step = math.ceil(max(plane.shape[:2]) / _DISPLAY_LENGTH)
    return plane[::step, ::step]


def _signed_error(original: NDArray[Any], decoded: NDArray[Any]) -> NDArray[np.float64]:
    """Return decoded - original per pixel; of a colour pixel the channel with the largest error."""
    error: NDArray[np.float64] = decoded.astype(np.float64) - original
    if error.ndim == 2:
        return error
    largest = np.abs(error).argmax(axis=2)[..., np.newaxis]
    return np.asarray(np.take_along_axis(error, largest, axis=2)[..., 0])


def _draw_image(panel: Any, image: NDArray[Any], low: float, high: float, region: NDArray[np.bool_] | None) -> None:
    """Show an image between two grey levels, with the outline of the region."""
    scaled = np.clip((image.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1)
    panel.imshow(scaled, cmap="gray", vmin=0, vmax=1)
    if region is not None and region.any() and not region.all():
        panel.contour(region, levels=[0.5], colors=_ROI_COLOUR, linewidths=0.9)


def _draw_errors(figure: Any, panel: Any, error: NDArray[np.float64], largest: float) -> None:
    """Show an error map on its own scale, with its colour bar below."""
    size = np.abs(error)
    limit = float(np.percentile(size, 99.5)) or float(size.max())
    drawn = panel.imshow(error, cmap=_ERROR_COLOURS, vmin=-(limit or 1), vmax=limit or 1, interpolation="nearest")
    if not limit:
        panel.set_title("decoded = original" if not largest else f"largest error {_short(largest)}", fontsize=8.5)
        return
    panel.set_title(f"decoded - original, at most {_short(largest)}", fontsize=8.5)
    ends = "both" if largest > limit else "neither"
    scale = figure.colorbar(drawn, ax=panel, orientation="horizontal", shrink=0.8, pad=0.03, aspect=18, extend=ends)
    scale.set_ticks([-limit, 0, limit], labels=[_short(-limit), "0", _short(limit)], fontsize=8.5)
    scale.outline.set_visible(False)


def _draw_legend(panel: Any, caption: str, *, has_region: bool) -> None:
    """Say what is shown, in the free place below the original."""
    if has_region:
        panel.plot([], [], color=_ROI_COLOUR, linewidth=1.5, label="region of interest")
        panel.legend(loc="upper center", frameon=False, fontsize=8.5)
    panel.text(0.5, 0.6, caption, transform=panel.transAxes, ha="center", va="center", fontsize=8.5)


def _short(value: float) -> str:
    """Return a sample value with 4 digits, never as a power of ten when it is large."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def _figure(width: float, height: float) -> Any:
    """Return an empty figure, in inches, with a canvas of its own."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingResource("plot: expected matplotlib of mmip-gpu[plot], found none") from None
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    """Write the figure; a PNG as the best rendering that keeps it small."""
    suffix = path.suffix[1:].lower() or "png"
    try:
        if suffix != "png":
            figure.savefig(path, format=suffix)
            return
        for dpi, has_palette in _RENDERINGS:
            encoded = _png(figure, dpi, has_palette)
            if len(encoded) <= PNG_BYTES_MAX:
                break
        path.write_bytes(encoded)
    except ValueError:
        raise InvalidArgument(f"plot: expected a picture format such as png or svg, found {suffix!r}") from None
    except OSError as error:
        raise StoreError(f"plot: expected a file that can be written, found {path}: {error}") from error


def _png(figure: Any, dpi: int, has_palette: bool) -> bytes:
    """Return the figure as PNG bytes, in full colour or 256 chosen colours."""
    from PIL import Image

    figure.set_dpi(dpi)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    if has_palette:
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
