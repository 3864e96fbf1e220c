"""What figures are drawn with: planes to show, error maps, colours, an empty figure, and its file.

Values: arrays in host memory in; a matplotlib figure, or its PNG or SVG file, out. Guarantees no global matplotlib
state, colours that the colour-blind tell apart, and a PNG below 300 kB.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.errors import InvalidArgument, MissingResource, StoreError

__all__ = [
    "COLOURS",
    "PNG_BYTES_MAX",
    "ROI_COLOUR",
    "curve_styles",
    "draw_errors",
    "draw_image",
    "draw_outline",
    "error_limit",
    "new_figure",
    "rate_ticks",
    "save_figure",
    "short",
    "shown_plane",
    "signed_error",
    "thinned",
]

PNG_BYTES_MAX = 300_000
# Okabe and Ito's colours without the yellow, which is not seen on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#595959")

_RENDERINGS = ((130, False), (130, True), (110, True), (90, True), (70, True), (50, True))  # dpi, palette
_DISPLAY_LENGTH = 768
_MARKERS = "os^Dv<>Ph*X"
_DASHES = ("-", "--", ":")
ROI_COLOUR = "#ff9f1c"
_ERROR_COLOURS = "RdBu_r"


def shown_plane(image: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the (y, x) or (y, x, 3) samples to show: the middle of the other axes."""
    is_colour = "c" in axes and image.shape[axes.index("c")] == 3
    kept = "yxc" if is_colour else "yx"
    middle = tuple(
        slice(None) if letter in kept else 0 if letter == "c" else length // 2
        for letter, length in zip(axes, image.shape, strict=True)
    )
    order = [letter for letter in axes if letter in kept]
    return image[middle].transpose([order.index(letter) for letter in kept])


def thinned(plane: NDArray[Any]) -> NDArray[Any]:
    """Return every n-th pixel of a plane that is larger than its display."""
    step = math.ceil(max(plane.shape[:2]) / _DISPLAY_LENGTH)
    return plane[::step, ::step]


def signed_error(original: NDArray[Any], decoded: NDArray[Any]) -> NDArray[np.float64]:
    """Return decoded - original per pixel; of a colour pixel the channel with the largest error."""
    error: NDArray[np.float64] = decoded.astype(np.float64) - original
    if error.ndim == 2:
        return error
    largest = np.abs(error).argmax(axis=2)[..., np.newaxis]
    return np.asarray(np.take_along_axis(error, largest, axis=2)[..., 0])


def draw_image(panel: Any, image: NDArray[Any], low: float, high: float, region: NDArray[np.bool_] | None) -> None:
    """Show an image between two grey levels, with the outline of the region."""
    scaled = np.clip((image.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1)
    panel.imshow(scaled, cmap="gray", vmin=0, vmax=1)
    draw_outline(panel, region)


def draw_outline(panel: Any, region: NDArray[np.bool_] | None) -> None:
    """Outline a region that is neither nothing nor all."""
    if region is not None and region.any() and not region.all():
        panel.contour(region, levels=[0.5], colors=ROI_COLOUR, linewidths=0.9)


def error_limit(error: NDArray[np.float64]) -> float:
    """Return where the scale of an error map ends: the 99.5 percentile of its errors, or the largest of few errors."""
    size = np.abs(error)
    return float(np.percentile(size, 99.5)) or float(size.max(initial=0))


def draw_errors(
    figure: Any, panel: Any, error: NDArray[np.float64], largest: float, limit: float | None = None
) -> None:
    """Show an error map on the scale that ends at `limit`, or on its own, with its colour bar below."""
    limit = error_limit(error) if limit is None else limit
    drawn = panel.imshow(error, cmap=_ERROR_COLOURS, vmin=-(limit or 1), vmax=limit or 1, interpolation="nearest")
    if not limit:
        panel.set_title("decoded = original" if not largest else f"largest error {short(largest)}", fontsize=8.5)
        return
    panel.set_title(f"decoded - original, at most {short(largest)}", fontsize=8.5)
    ends = "both" if largest > limit else "neither"
    scale = figure.colorbar(drawn, ax=panel, orientation="horizontal", shrink=0.8, pad=0.03, aspect=18, extend=ends)
    scale.set_ticks([-limit, 0, limit], labels=[short(-limit), "0", short(limit)], fontsize=8.5)
    scale.outline.set_visible(False)


def short(value: float) -> str:
    """Return a sample value with 4 digits, never as a power of ten when it is large."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def rate_ticks(low: float, high: float) -> list[float]:
    """Return 2 to 8 rates in a range that are about as far apart as each other: powers of two where it holds enough.

    Examples
    --------
    >>> rate_ticks(0.2, 5)
    [0.25, 0.5, 1.0, 2.0, 4.0]
    """
    found: list[float] = []
    for parts in (1, 2, 4, 8, 16):
        places = range(math.ceil(parts * math.log2(low)), math.floor(parts * math.log2(high)) + 1)
        found = [float(f"{2 ** (place / parts):.2g}") for place in places]
        if len(found) > 2:
            break
    return found[:: -(-len(found) // 8) or 1]


def curve_styles() -> Iterator[dict[str, Any]]:
    """Yield a colour, a marker and a dash for one curve after another."""
    place = 0
    while True:
        dash = _DASHES[place // len(COLOURS) % len(_DASHES)]
        marker = _MARKERS[place % len(_MARKERS)]
        yield {"color": COLOURS[place % len(COLOURS)], "marker": marker, "linestyle": dash, "markersize": 4, "lw": 1.4}
        place += 1


def new_figure(width: float, height: float) -> Any:
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


def save_figure(figure: Any, path: Path) -> None:
    """Write the figure; a PNG as the best rendering that keeps it small."""
    suffix = path.suffix[1:].lower() or "png"
    try:
        if suffix != "png":
            _save_drawing(figure, path, suffix)
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


def _save_drawing(figure: Any, path: Path, suffix: str) -> None:
    """Write an SVG, whose text stays text and whose bytes are the same each time, or another format."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mmip"}):
        figure.savefig(path, format=suffix, metadata={"Date": None} if suffix == "svg" else None)


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
