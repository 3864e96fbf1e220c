"""The figures of throughput.md, each stamped with the data that it shows, so that a changed row shows in a test.

Values: points of speed_rows.py and roofline.py in; PNG files out. What was not measured is not drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import studies

from mmip_gpu.quality.drawing import COLOURS, curve_styles, new_figure, save_figure
from mmip_gpu.quality.plot_charts import plot_throughput
from pages.roofline import roofline_points
from pages.speed_rows import chunk_bars, cost_curves, rate_bars

_STAMP = "rows"
_KERNELS = {"analyze": "o", "synthesize": "s", "pack": "^", "check": "v", "unpack first": "<", "unpack later": ">"}


@dataclass(frozen=True)
class Figure:
    """A figure: what it shows, and how that is drawn."""

    name: str
    data: Callable[[], Any]
    draw: Callable[[Any, Path], None]

    @property
    def path(self) -> Path:
        """Its file, beside the rows."""
        return studies.RESULTS / f"throughput_{self.name}.png"

    @property
    def stamp(self) -> str:
        """Checksum of what it should show."""
        return hashlib.sha256(json.dumps(self.data()).encode()).hexdigest()[:16]

    def is_current(self) -> bool:
        """Whether the file shows the rows as they are."""
        from PIL import Image

        if not self.path.exists():
            return False
        with Image.open(self.path) as picture:
            return bool(picture.info.get(_STAMP) == self.stamp)

    def write(self) -> None:
        """Draw it and stamp it; needs matplotlib."""
        from PIL import Image, PngImagePlugin

        self.draw(self.data(), self.path)
        stamp = PngImagePlugin.PngInfo()
        stamp.add_text(_STAMP, self.stamp)
        with Image.open(self.path) as picture:
            picture.load()
        picture.save(self.path, pnginfo=stamp, optimize=True)


def _rates(bars: list[dict[str, Any]], path: Path) -> None:
    plot_throughput(bars, path, title="A chunk whose plan is known: means over volumes")


def _chunks(bars: list[dict[str, Any]], path: Path) -> None:
    plot_throughput(bars, path, title="Writing (encode) and reading (decode) a store of 67 MB, by chunk shape")


def _cost(curves: dict[str, dict[int, float]], path: Path) -> None:
    figure = new_figure(7.0, 4.6)
    panel = figure.subplots()
    for (name, points), style in zip(curves.items(), curve_styles(), strict=False):
        panel.plot(list(points), list(points.values()), **style, label=name)
    sizes = sorted({size for points in curves.values() for size in points})
    panel.set(xscale="log", yscale="log", xlabel="MB of 16-bit samples", ylabel="ns a sample")
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    panel.set_yticks([2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"])
    panel.minorticks_off()
    _finish(panel)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save_figure(figure, path)


def _roofline(found: dict[str, Any], path: Path) -> None:
    figure = new_figure(11.0 + 4.5 * bool(found["gpu"]), 4.8)
    panels = figure.subplots(1, 2 + bool(found["gpu"]))
    modes = list(dict.fromkeys(mode for _, mode, *_ in found["bytes"]))
    colours = dict(zip(modes, COLOURS, strict=False))
    _roofs(panels[0], found["ceilings"])
    for kernel, mode, intensity, rate, counted in found["points"]:
        face = colours[mode] if counted == "all" else "white"
        panel = panels[0]
        panel.plot(intensity, rate, _KERNELS[kernel], mec=colours[mode], mfc=face, ms=8, mew=1.6, zorder=3)
    panels[0].set_title(f"{found['volume']}, one thread; hollow: not all counted, or not all run", fontsize=9)
    _kernel_legend(panels[0], colours, {row[0] for row in found["points"]})
    _bytes(panels[1], found, colours)
    if found["gpu"]:
        _device(panels[2], found["gpu"])
    save_figure(figure, path)


def _roofs(panel: Any, ceilings: dict[int, list[float]]) -> None:
    """Both roofs for each number of threads, in grey."""
    for (threads, (memory, arithmetic)), dash in zip(ceilings.items(), ("-", "--"), strict=False):
        meet, name = arithmetic / memory, f"{threads} thread{'s' * (int(threads) > 1)}"
        label = f"{name}: {memory:.0f} GB/s, {arithmetic:.0f} Gop/s"
        panel.plot([0.5, meet, 200], [0.5 * memory, arithmetic, arithmetic], dash, color="0.35", lw=1.4, label=label)
    panel.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="1e9 operations a second", xlim=(0.5, 200))
    _finish(panel)


def _kernel_legend(panel: Any, colours: dict[str, str], kernels: set[str]) -> None:
    for mode, colour in colours.items():
        panel.plot([], [], "o", color=colour, label=mode)
    for kernel in sorted(kernels):
        panel.plot([], [], _KERNELS[kernel], color="0.35", label=kernel)
    panel.legend(frameon=False, fontsize=8, loc="lower right")


def _bytes(panel: Any, found: dict[str, Any], colours: dict[str, str]) -> None:
    """Bytes a second of every kernel, against the memory of one thread."""
    names = [name for name in _KERNELS if any(kernel == name for kernel, *_ in found["bytes"])]
    for kernel, mode, rate in found["bytes"]:
        line = names.index(kernel) + 0.11 * (list(colours).index(mode) - len(colours) / 2)
        panel.plot(rate, line, _KERNELS[kernel], color=colours[mode], ms=7)
    memory = next(iter(found["ceilings"].values()))[0]
    panel.axvline(memory, color="0.35", lw=1.4)
    panel.text(memory * 0.95, -0.45, "memory,\none thread", ha="right", va="top", fontsize=8)
    panel.set_yticks(range(len(names)), names)
    panel.set(xscale="log", xlabel="1e9 bytes moved a second", ylim=(len(names) - 0.5, -0.7))
    panel.set_title("all kernels by the bytes that they must move", fontsize=9)
    _finish(panel)


def _device(panel: Any, gpu: dict[str, Any]) -> None:
    """Kernels of a GPU under its copy rate; its arithmetic was not measured, so it has no roof here."""
    ends = [0.1, 200]
    panel.plot(ends, [gpu["copy"] * end for end in ends], color="0.35", lw=1.4, label=f"copy, {gpu['copy']:.0f} GB/s")
    modes = list(dict.fromkeys(mode for _, mode, *_ in gpu["points"]))
    for kernel, mode, intensity, rate in gpu["points"]:
        panel.plot(intensity, rate, "o", color=COLOURS[modes.index(mode) % len(COLOURS)], ms=6)
        panel.annotate(kernel, (intensity, rate), fontsize=6)
    for mode, colour in zip(modes, COLOURS, strict=False):
        panel.plot([], [], "o", color=colour, label=mode)
    panel.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="1e9 operations a second")
    panel.set_title(gpu["device"], fontsize=9)
    panel.legend(frameon=False, fontsize=7)
    _finish(panel)


def _finish(panel: Any) -> None:
    panel.grid(color="0.9", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


FIGURES = (
    Figure("rates", rate_bars, _rates),
    Figure("cost", cost_curves, _cost),
    Figure("chunks", chunk_bars, _chunks),
    Figure("roofline", roofline_points, _roofline),
)
