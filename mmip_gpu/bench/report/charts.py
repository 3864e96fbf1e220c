"""A chart of quality over rate as an SVG that stands in a page: lines, markers and bands, without a library.

Values: series of points (bits per sample, quality) in; the text of an SVG element out. Guarantees a colour, a marker
and a dash for each of the first 56 series that no other one has, which the colour-blind tell apart; a title and a
description that a screen reader reads; and bits on a logarithmic axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mmip_gpu.quality.drawing import COLOURS, rate_ticks

__all__ = ["Series", "chart", "legend_mark"]

_DASHES = ("", "6 3", "2 2")
_MARKERS = (
    "M-3.4,0a3.4,3.4 0 1,0 6.8,0a3.4,3.4 0 1,0 -6.8,0z",  # circle
    "M-3,-3h6v6h-6z",
    "M0,-4L4,3H-4z",
    "M0,-4.4L4.4,0L0,4.4L-4.4,0z",
    "M0,4L4,-3H-4z",
    "M-1.2,-4h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8z",
    "M-4,-2.6L-2.6,-4L0,-1.4L2.6,-4L4,-2.6L1.4,0L4,2.6L2.6,4L0,1.4L-2.6,4L-4,2.6L-1.4,0z",
    "M0,-4.4L1.2,-1.3L4.3,-1.3L1.8,0.7L2.7,3.8L0,2L-2.7,3.8L-1.8,0.7L-4.3,-1.3L-1.2,-1.3z",
)
_WIDTH, _HEIGHT = 470, 322
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 46, 42


@dataclass(frozen=True)
class Series:
    """A line: its name, its place in the legend, its points, and where it has one a band (bits, low, high)."""

    name: str
    style: int
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class _Frame:
    """From data to pixels."""

    low_bits: float
    high_bits: float
    low: float
    high: float

    def x(self, bits: float) -> float:
        share = math.log2(bits / self.low_bits) / max(math.log2(self.high_bits / self.low_bits), 1e-9)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def chart(series: Sequence[Series], images: str, measure: str, label: str) -> str:
    """Return the SVG of a chart of some images and a measure; nothing of a chart without points."""
    rates = [bits for line in series for bits, _ in line.points]
    if not rates:
        return ""
    values = [value for line in series for _, value in line.points]
    values += [value for line in series for _, *ends in line.band for value in ends]
    ticks = value_ticks(min(values), max(values))
    frame = _Frame(min(rates) * 0.93, max(rates) * 1.07, ticks[0], ticks[-1])
    named = ", ".join(line.name for line in series)
    return "\n".join(
        [
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(images)}, '
            f'{escape(measure)}: {escape(label)} over bits per sample of {escape(named)}">',
            f'<text class="title" x="4" y="15">{escape(images)}</text>',
            f'<text x="4" y="32">{escape(measure)}</text>',
            *_axes(frame, ticks, label),
            *(_line(frame, line) for line in series),
            "</svg>",
        ]
    )


def _axes(frame: _Frame, ticks: Sequence[float], label: str) -> list[str]:
    """Lines of the grid with their numbers, and what the axes are."""
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0])))
    parts = []
    for tick in ticks:
        y = frame.y(tick)
        parts.append(f'<path class="grid" d="M{_LEFT},{y:.1f}H{right}"/>')
        parts.append(f'<text class="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{tick:.{digits}f}</text>')
    for bits in rate_ticks(frame.low_bits, frame.high_bits):
        x = frame.x(bits)
        parts.append(f'<path class="grid" d="M{x:.1f},{_TOP}V{bottom}"/>')
        parts.append(f'<text class="mid" x="{x:.1f}" y="{bottom + 16}">{bits:g}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="mid" x="{middle}" y="{_HEIGHT - 8}">bits per sample</text>')
    parts.append(
        f'<text class="mid" transform="translate(13,{(_TOP + bottom) / 2}) rotate(-90)">{escape(label)}</text>'
    )
    return parts


def _line(frame: _Frame, line: Series) -> str:
    """One series: its band, its line, and its markers, which say their numbers."""
    colour, dash, marker = _style(line.style)
    places = [(frame.x(bits), frame.y(value)) for bits, value in line.points]
    band = ""
    if line.band:
        edge = [(bits, high) for bits, _, high in line.band] + [(bits, low) for bits, low, _ in reversed(line.band)]
        corners = " ".join(f"{frame.x(bits):.1f},{frame.y(value):.1f}" for bits, value in edge)
        band = f'<polygon class="band" points="{corners}" fill="{colour}" opacity="0.13"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(
        f'<path d="{marker}" transform="translate({x:.1f},{y:.1f})"><title>{escape(line.name)}: {bits:.4g} bits per '
        f"sample, {value:.4g}</title></path>"
        for (x, y), (bits, value) in zip(places, line.points, strict=True)
    )
    drawn = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"/>'
    return f'<g class="s{line.style}">{band}{drawn}<g fill="{colour}">{marks}</g></g>'


def _style(place: int) -> tuple[str, str, str]:
    """Colour, dash and marker of a place in the legend."""
    colours = len(COLOURS)
    return COLOURS[place % colours], _DASHES[place // colours % len(_DASHES)], _MARKERS[place % len(_MARKERS)]


def legend_mark(place: int) -> str:
    """Return the SVG that stands before a name in the legend."""
    colour, dash, marker = _style(place)
    return (
        f'<svg class="mark" viewBox="0 0 34 12" aria-hidden="true"><path d="M1,6H33" stroke="{colour}" '
        f'stroke-width="1.6" stroke-dasharray="{dash}"/><path d="{marker}" transform="translate(17,6)" '
        f'fill="{colour}"/></svg>'
    )


def value_ticks(low: float, high: float) -> list[float]:
    """Return 4 to 8 round numbers that reach over a range.

    Examples
    --------
    >>> value_ticks(31.2, 58.9)
    [30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0]
    """
    least = max(abs(high) * 1e-2, 1e-6)
    if high - low < least:
        low, high = low - least / 2, high + least / 2
    spread = high - low
    power = 10.0 ** math.floor(math.log10(spread / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if spread / (power * factor) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]
