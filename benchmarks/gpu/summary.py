"""What a run has found, in tables and a picture, from its rows alone; a process of its own, so that it can fail.

Values: a folder of rows in; rows of targets, a picture and text out.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from gpu.ceilings import copy_rate
from gpu.plot import draw
from gpu.rows import Rows
from gpu.run import kept_facts
from gpu.targets import add_targets
from mmip_gpu.quality.metrics import format_table

_TABLES = {
    "ceilings": ["what", "megabytes", "gb_s"],
    "kernels": ["data", "mode", "kernel", "seconds", "gb_s", "of_copy"],
    "rates": ["data", "mode", "dtype", "chunk_mb", "batch", "encode_gb_s", "decode_gb_s", "cpu_encode_gb_s"],
    "targets": ["target", "wanted", "found", "met"],
    "rivals": ["codec", "dtype", "bits_per_sample", "psnr_db", "encode_gb_s", "decode_gb_s"],
}
_SHOWN = ("lossy, middle rate", "lossless")  # modes whose kernels are printed; files have all


def run_summary(folder: Path) -> None:
    """Rows of targets, printed tables of 16-bit data, and the picture where matplotlib is installed."""
    rows = Rows(folder, kept_facts(folder))
    add_targets(rows, copy_rate(rows))
    for table, columns in _TABLES.items():
        shown = [row for row in rows.read(table) if row.get("mode", _SHOWN[0]) in _SHOWN or table == "rates"]
        shown = [row for row in shown if row.get("dtype", "uint16") == "uint16"]
        found = [{column: row.get(column, "") for column in columns} for row in shown]
        if found:
            print(f"\n{table}\n{format_table(found, columns)}", flush=True)
    if importlib.util.find_spec("matplotlib") is None:
        rows.skip("plot", "gpu.png", "matplotlib is not installed")
    else:
        draw(rows, folder / "gpu.png")
