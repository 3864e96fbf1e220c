"""The figures behind ``mmip plot``: of images (progressive, roi, error) and of numbers (rate, downstream, throughput).

Values: parsed options, evaluations, or records in; a picture file out. The drawing is in ``quality/plot*.py``.
Guarantees that of the stages of a volume only the middle slice is kept.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmip_gpu import decode
from mmip_gpu.bench.equal_bytes import coded_to_bytes
from mmip_gpu.cli.comparison import needs_bench
from mmip_gpu.cli.decoded import open_decoded
from mmip_gpu.cli.results import show
from mmip_gpu.cli.tables import decibels_text, stage_label
from mmip_gpu.errors import InvalidArgument, StoreError
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.plot import plot_errors, plot_progressive
from mmip_gpu.quality.plot_charts import plot_downstream, plot_rate, plot_throughput
from mmip_gpu.quality.plot_regions import plot_roi
from mmip_gpu.quality.stage_errors import RoiReader, evaluate_stages
from mmip_gpu.sources import Source, open_source
from mmip_gpu.sources.masks import placed_roi, roi_of_text
from mmip_gpu.volume.roi import Roi

__all__ = ["downstream", "draw", "error", "progressive", "rate", "roi", "throughput"]


def progressive(args: Namespace) -> None:
    """Draw the stages of a container or a store."""
    roi, source = roi_of_text(args.roi), open_source(args.original)
    decoded = open_decoded(args.decoded, threads=args.threads)
    evaluation = evaluate_stages(source, decoded, axes=args.axes, structural=False)
    draw(source, decoded, evaluation, Path(args.output), placed_roi(roi, source))
    show(args, args.output, {"path": args.output})


def draw(source: Source, decoded: Decoded, evaluation: dict[str, Any], path: Path, roi: Roi | None) -> None:
    """Draw the middle slice of every stage that was evaluated."""
    middle = _middle(source, evaluation["axes"])
    stages = [np.asarray(decoded.open_stage(row["stage"])[middle]) for row in evaluation["stages"]]
    labels = [stage_label(row) for row in evaluation["stages"]]
    _draw(plot_progressive, source, evaluation, stages, labels, path, roi)


def error(args: Namespace) -> None:
    """Draw the middle slice of decoded images, with errors on one scale."""
    roi, source = roi_of_text(args.roi), open_source(args.original)
    images, labels = [], []
    for text in args.decoded:
        decoded = open_decoded(text, threads=args.threads)
        evaluation = evaluate_stages(source, _last(decoded), axes=args.axes, structural=False)
        (row,) = evaluation["stages"]
        size = "" if row["bytes"] is None else f"{row['bytes']:,} bytes, "
        labels.append(f"{decoded.name}\n{size}{decibels_text(row['psnr_range'])}")
        images.append(np.asarray(_last(decoded).open_stage(1)[_middle(source, evaluation["axes"])]))
    _draw(
        plot_errors, source, evaluation, images, labels, Path(args.output), placed_roi(roi, source), ["maps: one scale"]
    )
    show(args, args.output, {"path": args.output})


def roi(args: Namespace) -> None:
    """Draw an image coded with its region and without it, at the same bytes unless another file is given."""
    source, coded = open_source(args.original), open_decoded(args.decoded, threads=args.threads)
    original, axes = source.read(), args.axes or coded.axes or source.axes
    size = coded.bytes_to_here[-1]
    if size is None:
        raise InvalidArgument(f"{coded.name}: expected an .mmip file or a store, which says how large it is")
    if args.plain:
        plain = open_decoded(args.plain, threads=args.threads)
        without = np.asarray(_last(plain).open_stage(1)[:]), plain.bytes_to_here[-1] or 0
    else:
        blob = coded_to_bytes(original, size, axes)
        without = decode(blob, threads=args.threads), len(blob)
    decoded = {"with region": (np.asarray(_last(coded).open_stage(1)[:]), size), "without": without}
    region = placed_roi(roi_of_text(args.roi), source)
    if region is None:
        raise InvalidArgument("--roi: expected a rule or a mask")
    plot_roi(original, decoded, Path(args.output), region, axes=axes, name=source.name)
    show(args, args.output, {"path": args.output})


def _last(decoded: Decoded) -> Decoded:
    """The last stage of a decoded image as its only one."""
    count = len(decoded.bytes_to_here)
    return replace(decoded, bytes_to_here=decoded.bytes_to_here[-1:], open_stage=lambda _: decoded.open_stage(count))


def _middle(source: Source, axes: str) -> tuple[slice, ...]:
    """The middle slice of a volume."""
    return tuple(
        slice(size // 2, size // 2 + 1) if letter in "ntz" and size else slice(0, size)
        for letter, size in zip(axes, source.shape, strict=True)
    )


def _draw(
    plot: Callable[..., None],
    source: Source,
    evaluation: dict[str, Any],
    images: Sequence[NDArray[Any]],
    labels: Sequence[str],
    path: Path,
    roi: Roi | None,
    notes: Sequence[str] = (),
) -> None:
    """Draw the middle slice of the source beside images of it, with what they are."""
    axes = evaluation["axes"]
    middle = _middle(source, axes)
    original = source.read(middle)
    classes = RoiReader(roi, source, axes).classes(original, middle)
    shown = [f"{letter} = {part.start}" for letter, part in zip(axes, middle, strict=True) if letter in "ntz"]
    parts = [f"shown: {', '.join(shown)}", "bytes and dB: of all samples"] if shown else []
    caption = "\n".join([source.name, *parts, *notes, f"dB: peak {evaluation['data_range']:g}"])
    plot(original, images, labels, path, classes, axes=axes, caption=caption)


def rate(args: Namespace) -> None:
    """Draw PSNR against bits per sample of what mmip evaluate wrote: a curve each, one more inside a ROI."""
    rows = [row for text in args.results for row in _curve(Path(text))]
    peaks = {row["peak"] for row in rows}
    peak = f"peak {peaks.pop():g}, the range of the data" if len(peaks) == 1 else "peak: the range of each image"
    plot_rate(rows, Path(args.output), peak=peak)
    show(args, args.output, {"path": args.output})


def _curve(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the points of one evaluation."""
    evaluation = _json(path, "mmip evaluate --json")
    try:
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
    except (KeyError, TypeError):
        raise InvalidArgument(f"{path}: expected what mmip evaluate --json writes") from None


def _json(path: Path, command: str) -> Any:
    """Return what a file holds that a command wrote."""
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InvalidArgument(f"{path}: expected what {command} writes") from None


def downstream(args: Namespace) -> None:
    """Draw the score of a task over the rate of what mmip bench run wrote, by group and codec."""
    with needs_bench():
        from mmip_gpu.bench.report import score_rows
    rows, label, title = score_rows(Path(args.folder), args.task, args.against, args.score)
    plot_downstream(rows, Path(args.output), score=label, title=title)
    show(args, args.output, {"path": args.output})


def throughput(args: Namespace) -> None:
    """Draw rates of what mmip bench wrote: its JSON, or a folder of mmip bench run."""
    rows = [row for text in args.results for row in _speeds(Path(text))]
    plot_throughput(rows, Path(args.output), title="Rates of coding: " + ", ".join(Path(t).stem for t in args.results))
    show(args, args.output, {"path": args.output})


def _speeds(path: Path) -> list[dict[str, Any]]:
    """Rows of one file or folder."""
    if path.is_dir():
        with needs_bench():
            from mmip_gpu.bench.report import speed_rows
        return speed_rows(path)
    report = _json(path, "mmip bench --json")
    try:
        return [
            {
                "name": f"{row['coded with']}, {row['runs on']}",
                "encode": row["encode MB/s"],
                "decode": row["decode MB/s"],
            }
            for row in report["rows"]
        ]
    except (KeyError, TypeError):
        raise InvalidArgument(f"{path}: expected what mmip bench --json writes") from None
