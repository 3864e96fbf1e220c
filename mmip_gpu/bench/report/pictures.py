"""Small pictures of a run: the same window of an image, original and decoded, kept exactly and shown with error maps.

Values: a `BenchImage`, a record and what was decoded in; PNG files with the samples of a window out. From these files
and the records: HTML with images side by side. Guarantees one window for all codecs of an image, and one scale for all
error maps beside each other.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu.bench.images import BenchImage, file_safe
from mmip_gpu.bench.records import Record
from mmip_gpu.bench.report.quality_curves import number, series_name
from mmip_gpu.bench.report.results import Results, setting_text
from mmip_gpu.quality.drawing import short, shown_plane, signed_error

__all__ = ["PICTURES", "pictures_html", "save_pictures"]

PICTURES = "pictures"
_SIDE = 192
_COUNTS = 50_000  # of a range of floats
_NEAR = 1.15  # rates that count as the same
_MOST_IMAGES, _MOST_CODECS = 8, 6
_SHADES = 20  # of each colour of an error map
_BLUE, _WHITE, _ORANGE = ((0, 90, 160), (255, 255, 255), (200, 80, 0))


def save_pictures(folder: Path, image: BenchImage, record: Record, decoded: NDArray[Any]) -> None:
    """Write the window of an image that the report shows, original and decoded, as PNG files into a folder.

    Parameters
    ----------
    folder : pathlib.Path
        ``DIR/pictures`` of a run, made where it is not there.
    image : BenchImage
        The original.
    record : dict
        The record of this result; its codec, colour and setting name the file.
    decoded : numpy.ndarray
        Samples of the image's shape.

    Raises
    ------
    OSError
        Where they cannot be written; what is there is whole.
    """
    plane = shown_plane(image.array, image.axes)
    window = _detailed_window(plane)
    scale, offset = _counts(image)
    folder.mkdir(parents=True, exist_ok=True)
    about = folder / f"{image.name}.json"
    if not about.exists():  # it is written last
        _write(folder / f"{image.name}.png", _png(plane[window], scale, offset))
        spans = [[part.start, part.stop] for part in window]
        facts = {"checksum": image.checksum, "window": spans, "counts_per_unit": scale}
        _write(about, json.dumps(facts).encode())
    _write(folder / _file_name(record), _png(shown_plane(decoded, image.axes)[window], scale, offset))


def _file_name(record: Record) -> str:
    return f"{record['image']['name']}__{file_safe(series_name(record))}__{file_safe(setting_text(record))}.png"


def _detailed_window(plane: NDArray[Any]) -> tuple[slice, slice]:
    """The square with the most difference between neighbours, on a grid of half its side."""
    height, width = plane.shape[:2]
    change = np.abs(np.diff(plane.reshape(height, width, -1)[..., 0].astype(np.float64), axis=1))
    spots = [
        (slice(y, min(y + _SIDE, height)), slice(x, min(x + _SIDE, width)))
        for y in _starts(height)
        for x in _starts(width)
    ]
    return max(spots, key=lambda spot: float(change[spot].sum()))


def _starts(length: int) -> list[int]:
    return sorted({*range(0, max(length - _SIDE, 0), _SIDE // 2), max(length - _SIDE, 0)})


def _counts(image: BenchImage) -> tuple[float, float]:
    """(counts of the PNG for one unit of a sample, sample at count 0): exact for integers of 8 and 16 bits."""
    dtype = image.array.dtype
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return 1.0, float(np.iinfo(dtype).min)
    return _COUNTS / image.peak, float(image.array.min()) - 0.1 * image.peak


def _png(window: NDArray[Any], scale: float, offset: float) -> bytes:
    import imagecodecs

    counts = np.clip(np.rint((window.astype(np.float64) - offset) * scale), 0, 65535).astype(np.uint16)
    return bytes(imagecodecs.png_encode(counts, level=6))


def _write(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, whoever else writes it at the same time."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


@dataclass(frozen=True)
class _Shown:
    """A record that has a picture."""

    record: Record
    samples: NDArray[Any]

    @property
    def bits(self) -> float:
        return float(self.record["bits_per_sample"])


def pictures_html(folder: Path, results: Results) -> str:
    """Return images side by side with error maps: the original, and some codecs at about the same rate."""
    parts: list[str] = []
    for name in _turns(results.groups.values()):
        facts, original, about = results.images[name], folder / f"{name}.png", folder / f"{name}.json"
        if original.exists() and about.exists() and len(parts) < _MOST_IMAGES:
            window = json.loads(about.read_text(encoding="utf-8"))
            shown = _same_rate(_read_all(folder, results, name), results.anchor)
            if shown and window["checksum"] == facts["checksum"]:
                parts.append(_row(name, _read_png(original), shown, window))
    return "\n".join(parts)


def _turns(groups: Iterable[Sequence[str]]) -> Iterator[str]:
    """The first image of each group, then the second ones, none twice."""
    turns = [name for names in zip_longest(*groups) for name in names if name is not None]
    yield from dict.fromkeys(turns)


def _read_all(folder: Path, results: Results, name: str) -> list[_Shown]:
    found = []
    for record in results.measured:
        path = folder / _file_name(record)
        if record["image"]["name"] == name and path.exists() and number(record["metrics"].get("max_error")) != 0:
            found.append(_Shown(record, _read_png(path)))
    return found


def _same_rate(shown: Sequence[_Shown], anchor: str) -> list[_Shown]:
    """One picture a codec, near the rate at which most codecs have one; of several rates the lowest."""
    rates = sorted({item.bits for item in shown if series_name(item.record) == anchor} or {item.bits for item in shown})
    best: list[_Shown] = []
    for rate in rates:
        nearest: dict[str, _Shown] = {}
        for item in sorted(shown, key=lambda item: abs(np.log(item.bits / rate))):
            if 1 / _NEAR <= item.bits / rate <= _NEAR:
                nearest.setdefault(series_name(item.record), item)
        if len(nearest) > len(best):
            best = sorted(nearest.values(), key=lambda item: series_name(item.record) != anchor)
    return best[:_MOST_CODECS]


def _row(name: str, original: NDArray[Any], shown: Sequence[_Shown], about: dict[str, Any]) -> str:
    """The original and the decoded windows of one image, each with its error map, and the scale of these."""
    unit = about["counts_per_unit"]
    errors = [signed_error(original, item.samples) / unit for item in shown]
    limit = float(np.percentile(np.abs(errors), 99.5)) or float(np.abs(errors).max()) or 1.0
    low, high = np.percentile(original, (0.5, 99.5))
    (top, bottom), (left, right) = about["window"]
    place = f"rows {top} to {bottom - 1}, columns {left} to {right - 1}"
    figures = [_figure(_grey(original, low, high), f"{name}, original, {place}", "", _caption("original", place))]
    figures[0] = figures[0].replace("</figure>", f"{_scale(limit)}</figure>")
    for item, error in zip(shown, errors, strict=True):
        codec = series_name(item.record)
        quality = number(item.record["metrics"].get("psnr_range"))
        numbers = f"{item.bits:.3f} bits per sample" + ("" if quality is None else f", {quality:.2f} dB")
        worst = f"largest error here {short(round(float(np.abs(error).max()), 2))}"
        alt = f"{name} decoded by {codec}, {numbers}"
        map_alt = f"Error map of {codec} on {name}: {worst}; the scale ends at {limit:.3g}"
        coded = _figure(
            _grey(item.samples, low, high),
            alt,
            _image(_coloured(error, limit), map_alt),
            _caption(codec, f"{numbers}; {worst}"),
        )
        figures.append(coded)
    frame = f'<div class="pictures" role="region" tabindex="0" aria-label="Pictures of {escape(name)}">'
    return f"<h3>{escape(name)}</h3>{frame}{''.join(figures)}</div>"


def _caption(name: str, numbers: str) -> str:
    return f"<strong>{escape(name)}</strong><br>{escape(numbers)}"


def _figure(pixels: NDArray[np.uint8], alt: str, below: str, caption: str) -> str:
    return f"<figure>{_image(pixels, alt)}{below}<figcaption>{caption}</figcaption></figure>"


def _scale(limit: float) -> str:
    """The colours of the error maps, with the errors that they stand for, in sample units."""
    colours = ", ".join(f"rgb{colour}" for colour in (_BLUE, _WHITE, _ORANGE))
    return (
        f'<div class="scale"><p>decoded - original</p><div style="background:linear-gradient(to right, {colours})">'
        f"</div><p><span>{-limit:.3g}</span><span>0</span><span>+{limit:.3g}</span></p></div>"
    )


def _grey(samples: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Samples between two values as 8 bits."""
    scaled = np.clip((samples.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(np.rint(255 * scaled), np.uint8)


def _coloured(error: NDArray[np.float64], limit: float) -> NDArray[np.uint8]:
    """Errors as blue (below the original), white (none) and orange (above it)."""
    share = np.rint(_SHADES * np.clip(error / limit, -1, 1))[..., np.newaxis] / _SHADES
    ends = np.where(share < 0, np.array(_BLUE, float), np.array(_ORANGE, float))
    return np.asarray(np.rint(np.array(_WHITE) + np.abs(share) * (ends - np.array(_WHITE))), np.uint8)


def _image(pixels: NDArray[np.uint8], alt: str) -> str:
    import imagecodecs

    data = base64.b64encode(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=9)).decode()
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'


def _read_png(path: Path) -> NDArray[Any]:
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))
