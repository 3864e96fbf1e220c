"""Figures of numbers: PSNR over rate, scores of a task over rate, and rates of coding as bars.

Values: rows (mappings) in; one picture file out (PNG, SVG, or what the file name says). Guarantees colours and markers
that the colour-blind tell apart, and that a row which cannot be drawn is refused or left out as its function says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmip_gpu.errors import InvalidArgument
from mmip_gpu.quality.drawing import COLOURS, curve_styles, new_figure, rate_ticks, save_figure
from mmip_gpu.signatures import ITEMS, public

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["plot_downstream", "plot_rate", "plot_throughput"]

_MOST_COLUMNS = 3


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
    for row in _checked(rows, "plot_rate", ("codec", "bits_per_sample", "psnr")):
        bits, quality = row["bits_per_sample"], row["psnr"]
        if quality is not None and math.isfinite(quality) and bits > 0:
            curves.setdefault(str(row["codec"]), []).append((float(bits), float(quality)))
    if not curves:
        raise InvalidArgument(f"plot_rate: expected rows with a finite psnr and bits above 0, found {len(rows)} rows")
    figure = new_figure(6.0, 4.0)
    panel = figure.subplots()
    for (codec, points), style in zip(curves.items(), curve_styles(), strict=False):
        panel.plot(*zip(*sorted(points), strict=True), **style, label=codec)
    _finish_rates(panel)
    panel.set_ylabel(f"PSNR (dB){', ' if peak else ''}{peak}")
    panel.legend(frameon=False, fontsize=9)
    save_figure(figure, Path(path))


@public(rows=ITEMS)
def plot_downstream(
    rows: Sequence[Mapping[str, Any]], path: str | PathLike[str], *, score: str = "Dice", title: str = ""
) -> None:
    """Draw the score of a task against bits per sample: a panel for each group, a curve for each codec.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``group`` and ``codec`` (str), ``bits_per_sample`` (above 0) and ``score``; ``low`` and ``high``,
        where there are some, are an interval that is drawn as a band. Rows whose score is None are left out.
    path : str or path-like
        File to write; its suffix names the format (``.png``: at most 300 kB).
    score : str
        What the score is; it stands at the axis.
    title : str
        What stands above all panels.

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
    >>> rows = [{"group": "EM", "codec": "a", "bits_per_sample": b, "score": 1 - 0.1 / b} for b in (0.5, 1, 2)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_downstream(rows, folder + "/downstream.png")
    """
    groups: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in _checked(rows, "plot_downstream", ("group", "codec", "bits_per_sample", "score")):
        if row["score"] is not None and math.isfinite(row["score"]) and row["bits_per_sample"] > 0:
            groups.setdefault(str(row["group"]), {}).setdefault(str(row["codec"]), []).append(row)
    if not groups:
        raise InvalidArgument(f"plot_downstream: expected rows with a score and bits above 0, found {len(rows)} rows")
    codecs = dict.fromkeys(codec for found in groups.values() for codec in found)
    styles = dict(zip(codecs, curve_styles(), strict=False))
    columns = min(len(groups), _MOST_COLUMNS)
    lines = -(-len(groups) // columns)
    figure = new_figure(max(3.6 * columns, 5.0), 3.0 * lines + 0.55 + 0.2 * -(-len(styles) // 3))
    panels = figure.subplots(lines, columns, squeeze=False)
    for panel in panels.flat[len(groups) :]:
        panel.set_axis_off()
    for panel, (group, curves) in zip(panels.flat, groups.items(), strict=False):
        for codec, found in curves.items():
            _draw_scores(panel, sorted(found, key=lambda row: float(row["bits_per_sample"])), styles[codec], codec)
        panel.set_title(group, fontsize=10)
        _finish_rates(panel)
        panel.set_ylabel(score)
    figure.suptitle(title, fontsize=11)
    handles = {
        label: line for panel in panels.flat for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save_figure(figure, Path(path))


@public(rows=ITEMS)
def plot_throughput(rows: Sequence[Mapping[str, Any]], path: str | PathLike[str], *, title: str = "") -> None:
    """Draw rates of encoding and decoding as bars, each with its number.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``name`` (str), ``encode`` and ``decode`` (MB/s, or None where it was not measured).
    path : str or path-like
        File to write; its suffix names the format (``.png``: at most 300 kB).
    title : str
        What was measured; it stands above the bars.

    Raises
    ------
    InvalidArgument
        No row has a rate, or an unknown suffix.
    MissingResource
        matplotlib is not installed.
    StoreError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_throughput([{"name": "mmip", "encode": 100.0, "decode": 400.0}], folder + "/throughput.png")
    """
    shown = [row for row in _checked(rows, "plot_throughput", ("name", "encode", "decode"))
             if row["encode"] or row["decode"]]  # fmt: skip
    if not shown:
        raise InvalidArgument(f"plot_throughput: expected rows with a rate, found {len(rows)} rows")
    figure = new_figure(7.0, 0.9 + 0.42 * len(shown))
    panel = figure.subplots()
    for place, (kind, colour) in enumerate((("encode", COLOURS[0]), ("decode", COLOURS[4]))):
        lengths = [float(row[kind] or 0) for row in shown]
        spots = [line + (place - 0.5) * 0.38 for line in range(len(shown))]
        bars = panel.barh(spots, lengths, 0.36, color=colour, label=kind)
        texts = [f"{length:.{'0f' if length >= 100 else '3g'}}" if length else "not measured" for length in lengths]
        panel.bar_label(bars, texts, padding=3, fontsize=8)
    panel.set_yticks(range(len(shown)), [str(row["name"]) for row in shown], fontsize=9)
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.set_xlabel("MB/s (1e6 bytes of samples a second)")
    panel.set_title(title, fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=9)
    save_figure(figure, Path(path))


def _checked(rows: Sequence[Any], name: str, keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield rows that have these keys."""
    for row in rows:
        if not isinstance(row, Mapping) or not set(keys) <= set(row):
            raise InvalidArgument(f"{name}: expected rows with {', '.join(keys[:-1])} and {keys[-1]}, found {row!r}")
        yield row


def _draw_scores(panel: Any, rows: Sequence[Mapping[str, Any]], style: dict[str, Any], codec: str) -> None:
    """Draw one curve, and its band where all of its rows have an interval."""
    bits = [row["bits_per_sample"] for row in rows]
    panel.plot(bits, [row["score"] for row in rows], **style, label=codec)
    if all(row.get("low") is not None and row.get("high") is not None for row in rows):
        ends = [row["low"] for row in rows], [row["high"] for row in rows]
        panel.fill_between(bits, *ends, color=style["color"], alpha=0.13, linewidth=0)


def _finish_rates(panel: Any) -> None:
    """Make the axes of a panel with rates below."""
    panel.set_xscale("log", base=2)
    ticks = rate_ticks(*panel.get_xlim())
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.set_xlabel("bits per sample")
    panel.grid(color="0.9", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
