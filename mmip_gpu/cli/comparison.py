"""The commands that compare codecs: bench --quick, bench run, bench report, bench stages, and the study bench seed.

Values: parsed options in; a results folder, its page, and a line on stdout out. mmip_gpu.bench measures; it needs the
packages of the extra `bench`, and is imported when a command runs.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmip_gpu.cli.results import show
from mmip_gpu.errors import InvalidArgument, MissingResource
from mmip_gpu.sources import open_source
from mmip_gpu.sources.masks import placed_roi, roi_of_text

__all__ = ["needs_bench", "quick", "report", "run", "seed", "stages"]

_QUICK: dict[str, Any] = {"targets": ("bits:0.5,1,2,4", "lossless"), "time_limit": 60.0, "seconds": 0.02}
_QUICK |= {"threads": 1, "workers": 2}
_QUICK_IMAGES = ["quick:phantom[23_][!u]*"]  # all but the grey one of 8 bits, as which the others will do
_SEED_REGION = "threshold:9000"
_OPTIONS = ("codecs", "tasks", "targets", "colours", "time_limit", "threads")


def quick(args: Namespace) -> None:
    """Compare all codecs on small phantoms, and write the page."""
    if not (args.quick and args.out) or args.input:
        raise InvalidArgument("expected mmip bench --quick --out DIR, without INPUT; see mmip bench run --help")
    records = _records(Path(args.out), _QUICK_IMAGES, _QUICK)
    _show_counts(args, records, _pages(Path(args.out), None))


def run(args: Namespace) -> None:
    """Measure what a results folder lacks."""
    given = {name: value for name in _OPTIONS if (value := getattr(args, name)) is not None}
    images = args.images or (_QUICK_IMAGES if args.quick else ["phantoms"])
    records = _records(Path(args.out), images, (_QUICK if args.quick else {}) | given)
    _show_counts(args, records, [f"tables and the page: mmip bench report {args.out}"])


def stages(args: Namespace) -> None:
    """Measure what the stages lack, and write their page."""
    with needs_bench():
        from mmip_gpu.bench.run import Run
        from mmip_gpu.bench.stages import PAGE, run_stages
    given = {name: value for name in _OPTIONS if (value := getattr(args, name)) is not None}
    options = {"threads": os.cpu_count() or 1} | (_QUICK if args.quick else {}) | given
    records = run_stages(Path(args.out), args.images or [], Run(**options), phantoms="quick" if args.quick else None)
    page = Path(args.out) / PAGE
    _show_counts(args, records, [f"the stages: {page}", f"tables and the page: mmip bench report {args.out}"])


def report(args: Namespace) -> None:
    """Write the tables and the page of a results folder."""
    paths = _pages(Path(args.folder), args.anchor, as_written=args.as_written)
    show(args, "\n".join(paths), {"paths": paths})


def seed(args: Namespace) -> None:
    """Run the study of regions of interest, and write its rows, tables and figures."""
    with needs_bench():
        from mmip_gpu.bench.seed_study import image_with_region, seed_images, write_seed_study
    if args.input:
        source, roi = open_source(args.input), roi_of_text(args.mask or _SEED_REGION)
        images = [image_with_region(source, placed_roi(roi, source), args.axes or source.axes)]
    elif args.mask or args.axes:
        raise InvalidArgument("--mask and --axes are of INPUT: expected mmip bench seed --out DIR INPUT --mask MASK")
    else:
        images = seed_images()
    paths = [str(path) for path in write_seed_study(Path(args.out), images)]
    show(args, "\n".join(paths), {"paths": paths})


@contextmanager
def needs_bench() -> Iterator[None]:
    """Name the extra whose packages are missing in what is imported within."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingResource(f"needs {error.name}: pip install 'mmip-gpu[bench]'") from None


def _records(folder: Path, images: Sequence[str], options: dict[str, Any]) -> list[dict[str, Any]]:
    with needs_bench():
        from mmip_gpu.bench.datasets import select_images
        from mmip_gpu.bench.run import Run, run
    return run(folder, select_images(images), Run(**{"threads": os.cpu_count() or 1} | options))


def _pages(folder: Path, anchor: str | None, *, as_written: bool = False) -> list[str]:
    with needs_bench():
        from mmip_gpu.bench.report import write_report
    return [str(path) for path in write_report(folder, anchor, as_written=as_written)]


def _show_counts(args: Namespace, records: Sequence[dict[str, Any]], more: Sequence[str]) -> None:
    counts = Counter(record["status"] for record in records)
    text = ", ".join(f"{counts[status]} {status}" for status in ("ok", "unsupported", "failed"))
    show(args, "\n".join([f"{args.out}: {len(records)} records: {text}", *more]), {"folder": args.out, **counts})
