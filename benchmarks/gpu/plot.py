"""The picture of a GPU run: rates against the size of a batch, kernels against the ceiling, and rivals.

Values: the rows of a run in; a PNG out. What was not measured is not drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpu.rows import Row, Rows


def draw(rows: Rows, path: Path) -> None:
    """Three panels; needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (rates, kernels, rivals) = plt.subplots(1, 3, figsize=(17, 5.5), layout="constrained")
    figure.suptitle(f"{rows.facts['device']}, {rows.facts['commit']}, {rows.facts['date']}")
    _rates(rows.read("rates"), rates)
    _kernels(rows.read("kernels"), kernels)
    _rivals(rows.read("rates"), rows.read("rivals"), rivals)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rates(rows: list[Row], axes: Any) -> None:
    ours = [r for r in rows if r["data"] == "volume" and r["dtype"] == "uint16"]
    for number, mode in enumerate(dict.fromkeys(r["mode"] for r in ours)):
        for column, line in (("encode_gb_s", "-o"), ("decode_gb_s", "--s")):
            points = sorted((r["chunk_mb"] * r["batch"], r[column]) for r in ours if r["mode"] == mode and column in r)
            axes.loglog(
                *zip(*points, strict=True) if points else ([], []),
                line,
                color=f"C{number}",
                label=f"{mode}, {column[:6]}",
            )
    axes.set(title="16-bit volumes, device to device", xlabel="MB in a batch", ylabel="GB/s")
    if axes.lines:
        axes.legend(fontsize=7)


def _kernels(rows: list[Row], axes: Any) -> None:
    rows = [r for r in rows if r["data"] == "volume" and r["dtype"] == "uint16" and "of_copy" in r]
    modes = [m for m in ("lossy, middle rate", "lossless") if any(r["mode"] == m for r in rows)]
    names = list(dict.fromkeys(r["kernel"] for r in rows))
    for offset, mode in enumerate(modes):
        share = {r["kernel"]: 100 * r["of_copy"] for r in rows if r["mode"] == mode}
        axes.barh([i + 0.4 * offset for i in range(len(names))], [share.get(n, 0) for n in names], 0.4, label=mode)
    axes.set_yticks([i + 0.2 for i in range(len(names))], names, fontsize=8)
    axes.set(title="bytes that must move, % of copy bandwidth")
    if modes:
        axes.legend(fontsize=8)


def _rivals(ours: list[Row], rivals: list[Row], axes: Any) -> None:
    points = [(r["codec"], r["bits_per_sample"], r["encode_gb_s"], "s") for r in rivals]
    largest = max((r["chunk_mb"] * r["batch"] for r in ours), default=0)
    for r in ours:
        if r["data"] == "volume" and r["chunk_mb"] * r["batch"] > largest / 2 and "encode_gb_s" in r:
            points.append((f"mmip {r['mode']} {r['dtype']}", r["bits_per_sample"], r["encode_gb_s"], "o"))
    for name, bits, rate, marker in points:
        axes.loglog(bits, rate, marker)
        axes.annotate(name, (bits, rate), fontsize=6)
    axes.set(title="encoding: ours (dots) and rivals (squares)", xlabel="bits a sample", ylabel="GB/s")
