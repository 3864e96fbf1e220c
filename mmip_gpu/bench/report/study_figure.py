"""The figures of the comparisons: PSNR over bits/sample, one panel an image; without loss, bits over MB/s.

Values: result rows in, a PNG file out. Guarantees that only measured rates are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.report.lossless_tables import JPEGLS, mean_rate, ratios
from mmip_gpu.bench.report.study_tables import codecs_of, images_of, rate_points
from mmip_gpu.quality.drawing import curve_styles, new_figure, save_figure

_COLUMNS = 4
_RATES_SHOWN, _MOST_SHOWN = (0.4, 4000), 60  # MB/s; percent of bits more
_OURS = ("#d62728", "#a01418", "#5c0a0c", "#e377c2")
_OTHERS = ("#1f77b4", "#17becf", "#2ca02c", "#9467bd", "#8c564b", "#ff7f0e", "#7f7f7f")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure."""
    images, codecs = list(images_of(rows)), codecs_of(rows)
    own = [c for c in codecs if c.startswith("mmip")]
    others = [c for c in codecs if c not in own]
    colours = dict(zip(own, cycle(_OURS), strict=False)) | dict(zip(others, cycle(_OTHERS), strict=False))
    lines = -(-(len(images) + 1) // _COLUMNS)
    figure = Figure(figsize=(3.1 * _COLUMNS, 2.5 * lines), layout="constrained")
    axes = figure.subplots(lines, _COLUMNS, squeeze=False)
    panels = list(axes.flat)
    for panel, image in zip(panels, images, strict=False):
        for codec in codecs:
            points = sorted(rate_points(rows, image, codec).items())
            width = 1.8 if codec in own else 1.0
            panel.plot(
                [b for _, b in points],
                [db for db, _ in points],
                ".-",
                color=colours[codec],
                lw=width,
                ms=4,
                label=codec,
            )
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_title(image, fontsize=9)
        panel.tick_params(labelsize=7, which="both")
        panel.grid(visible=True, which="both", lw=0.3, alpha=0.5)
    for panel in panels[len(images) :]:
        panel.axis("off")
    panels[len(images)].legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="center", frameon=False)
    figure.supxlabel("bits/sample", fontsize=9)
    figure.supylabel("PSNR in dB (peak = max - min)", fontsize=9)
    figure.savefig(path, dpi=80)


def draw_lossless(rows: Sequence[Row], path: Path) -> None:
    """Write the figure without loss: bits against those of JPEG-LS over MB/s of one thread, by group and way.

    What takes 60 % more bits and above is not shown.
    """
    groups, codecs = list(dict.fromkeys(images_of(rows).values())), codecs_of(rows)
    figure = new_figure(3.4 * len(groups), 7.4)
    panels = figure.subplots(2, len(groups), squeeze=False, sharey="col")
    for line, way in enumerate(("encode", "decode")):
        for panel, group in zip(panels[line], groups, strict=True):
            panel.set(xscale="log", xlim=_RATES_SHOWN, xlabel=f"{way}, MB/s")
            own = [row for row in rows if row["group"] == group]
            for codec, style in zip(codecs, curve_styles(), strict=False):
                bits, rate = geometric_mean(ratios(rows, codec, JPEGLS, group)), mean_rate(own, codec, f"{way}_mb_s")
                if bits and rate:
                    shown = style | {"linestyle": "none", "markersize": 9 if codec.startswith("mmip") else 6}
                    panel.plot([rate], [100 * (bits - 1)], **shown, label=codec)
            panel.set_ylim(top=min(panel.get_ylim()[1], _MOST_SHOWN))
            panel.set_title(group, fontsize=9)
            panel.axhline(0, color="0.6", lw=0.8)
            panel.grid(color="0.9", linewidth=0.7)
        panels[line][0].set_ylabel(f"% bits against {JPEGLS}")
    named = {
        label: mark for panel in panels.flat for mark, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    save_figure(figure, path)
