"""The command bench: how fast this machine codes, on the CPU and, where there is one, on the GPU.

Values: parsed options in; a table on stdout and a JSON file out. bench/throughput.py measures.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace

import numpy as np

from mmip_gpu.bench.throughput import Disagreement, throughput
from mmip_gpu.cli.comparison import quick
from mmip_gpu.cli.failures import VerificationError, in_flags
from mmip_gpu.cli.results import show
from mmip_gpu.quality.metrics import format_table
from mmip_gpu.reports import shape_text
from mmip_gpu.sources import open_source
from mmip_gpu.volume.axes import PlaneLayout

__all__ = ["bench"]

_PHANTOM = "phantom3d:64x256x256"
_COLUMNS = ["coded with", "runs on", "bits/sample", "encode MB/s", "decode MB/s"]


def bench(args: Namespace) -> None:
    """Measure and print; without a GPU the CPU's half, and what is missing."""
    if args.quick or args.out:
        quick(args)
        return
    source = open_source(args.input or _PHANTOM)
    array = np.ascontiguousarray(source.read())
    layout = PlaneLayout.of(array.shape, args.axes or source.axes)
    try:
        found = throughput(array, layout, args.threads or os.cpu_count() or 1, args.device)
    except Disagreement as error:
        raise VerificationError(str(error)) from None
    head = f"{source.name}, {shape_text(array.shape)} {array.dtype}, {array.nbytes / 1e6:.1f} MB; medians of 3 runs"
    report = {"source": source.name, "rows": found.rows, "gpu": found.no_gpu or "measured"}
    show(args, f"{head}\n{format_table(found.rows, _COLUMNS)}", report)
    for note in [*found.notes, *([f"no GPU was measured: {found.no_gpu}"] if found.no_gpu else [])]:
        print(f"mmip: note: {in_flags(note, args.flags)}", file=sys.stderr)
