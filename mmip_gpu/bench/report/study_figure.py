"""The figure of the comparison: one panel an image, PSNR over bits/sample of every codec.

Values: result rows in, a PNG file out. Guarantees that only measured rates are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import codecs_of, images_of, rate_points

_COLUMNS = 4
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
