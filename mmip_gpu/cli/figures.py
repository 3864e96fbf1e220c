"""The commands plot progressive and plot rate.

Values: parsed options, or evaluations, in; a picture file out. The drawing is in ``quality/plot.py``. Guarantees that
of a volume only the middle slice is kept.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmip_gpu.cli.decoded import open_decoded
from mmip_gpu.cli.results import show
from mmip_gpu.cli.tables import stage_label
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.plot import plot_progressive, plot_rate
from mmip_gpu.quality.stage_errors import RoiReader, evaluate_stages
from mmip_gpu.sources import Source, open_source
from mmip_gpu.sources.masks import placed_roi, roi_of_text
from mmip_gpu.volume.roi import Roi

__all__ = ["draw", "progressive", "rate"]


def progressive(args: Namespace) -> None:
    """Draw the stages of a container or a store."""
    roi, source = roi_of_text(args.roi), open_source(args.original)
    decoded = open_decoded(args.decoded, threads=args.threads)
    evaluation = evaluate_stages(source, decoded, axes=args.axes, structural=False)
    draw(source, decoded, evaluation, Path(args.output), placed_roi(roi, source))
    show(args, args.output, {"path": args.output})


def draw(source: Source, decoded: Decoded, evaluation: dict[str, Any], path: Path, roi: Roi | None) -> None:
    """Draw the middle slice of every stage that was evaluated."""
    axes = evaluation["axes"]
    middle = tuple(
        slice(size // 2, size // 2 + 1) if letter in "ntz" and size else slice(0, size)
        for letter, size in zip(axes, source.shape, strict=True)
    )
    original = source.read(middle)
    stages = [np.asarray(decoded.open_stage(row["stage"])[middle]) for row in evaluation["stages"]]
    classes = RoiReader(roi, source, axes).classes(original, middle)
    labels = [stage_label(row) for row in evaluation["stages"]]
    shown = [f"{letter} = {part.start}" for letter, part in zip(axes, middle, strict=True) if letter in "ntz"]
    parts = [f"shown: {', '.join(shown)}", "bytes and dB: of all samples"] if shown else []
    caption = "\n".join([source.name, *parts, f"dB: peak {evaluation['data_range']:g}"])
    plot_progressive(original, stages, labels, path, classes, axes=axes, caption=caption)


def rate(args: Namespace) -> None:
    """Draw PSNR against bits per sample of what mmip evaluate wrote: a curve each, one more inside a ROI."""
    rows = [row for text in args.results for row in _curve(Path(text))]
    peaks = {row["peak"] for row in rows}
    peak = f"peak {peaks.pop():g}, the range of the data" if len(peaks) == 1 else "peak: the range of each image"
    plot_rate(rows, Path(args.output), peak=peak)
    show(args, args.output, {"path": args.output})


def _curve(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the points of one evaluation."""
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
        for row in evaluation["stages"]:
            if row["bits_per_sample"]:
                point = {
                    "codec": evaluation["decoded"],
                    "bits_per_sample": row["bits_per_sample"],
                    "peak": float(evaluation["data_range"]),
                }
                yield point | {"psnr": row["psnr_range"]}
                if "roi" in row:
                    yield point | {"codec": f"{evaluation['decoded']}, ROI", "psnr": row["roi"]["psnr_range"]}
    except (ValueError, KeyError, TypeError):
        raise InvalidArgument(f"{path}: expected what mmip evaluate --json writes") from None
