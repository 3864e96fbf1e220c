"""The command evaluate: errors of a decoded image, stage by stage.

Values: parsed options in; tables on stdout and a JSON file out. The measuring is in ``quality/stage_errors.py``.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from mmip_gpu.cli.decoded import open_decoded
from mmip_gpu.cli.results import show
from mmip_gpu.cli.tables import evaluation_tables
from mmip_gpu.quality.decoded import Decoded
from mmip_gpu.quality.stage_errors import evaluate_stages
from mmip_gpu.sources import Source, open_source
from mmip_gpu.sources.masks import placed_roi, roi_of_text
from mmip_gpu.volume.roi import Roi

__all__ = ["evaluate", "evaluated"]


def evaluate(args: Namespace) -> None:
    """Measure a decoded image."""
    roi = roi_of_text(args.roi)
    decoded = open_decoded(args.decoded, coded_bytes=args.bytes, threads=args.threads)
    source = open_source(args.original, labels=decoded.labels)
    evaluation = evaluated(source, decoded, placed_roi(roi, source), args.axes, args.metrics or ())
    show(args, evaluation_tables(evaluation), evaluation)


def evaluated(
    source: Source, decoded: Decoded, roi: Roi | None, axes: str | None, metrics: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure every stage; without SSIM, and a note, where scikit-image is missing."""
    structural = find_spec("skimage") is not None
    evaluation = evaluate_stages(source, decoded, roi, axes=axes, structural=structural, metrics=metrics)
    if not structural:
        print("mmip: note: no SSIM without scikit-image: pip install 'mmip-gpu[bench]'", file=sys.stderr)
    return evaluation
