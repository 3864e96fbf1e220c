"""What the commands print: tables of stages, sizes, errors.

Values: reports and rows (dicts) in, text out. Implements no section of FORMAT.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmip_gpu.quality.metrics import format_table
from mmip_gpu.reports import size_text

__all__ = ["decibels_text", "evaluation_tables", "rate_text", "stage_label"]

_HEADINGS = {
    "rmse": "RMSE",
    "psnr_16bit": "PSNR 16 bit",
    "psnr_range": "PSNR range",
    "max_error": "max error",
    "ssim": "SSIM",
    "mse": "MSE",
    "mae": "MAE",
    "ms_ssim": "MS-SSIM",
    "haarpsi": "HaarPSI",
    "vsi": "VSI",
}


def evaluation_tables(evaluation: Mapping[str, Any]) -> str:
    """Return the table of the whole image and, with a ROI, the one inside it."""
    rows = evaluation["stages"]
    sizes = [
        {
            "stage": row["stage"],
            "bytes": row["bytes"],
            "bits/sample": row["bits_per_sample"],
            "ratio": row["ratio"],
        }
        for row in rows
    ]
    lines = [
        f"whole image (PSNR 16 bit: peak 65535; PSNR range: peak {evaluation['data_range']:g})",
        _error_table(sizes, rows),
    ]
    if evaluation["roi"] is not None:
        regions = [row["roi"] for row in rows]
        lines += [
            "",
            f"inside the ROI {evaluation['roi']}: {100 * regions[0]['share']:.3g} % of the image",
            _error_table([{"stage": row["stage"]} for row in rows], regions),
        ]
    return "\n".join(lines)


def _error_table(firsts: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    errors = [{heading: row[key] for key, heading in _HEADINGS.items() if key in row} for row in rows]
    table = [{**first, **error} for first, error in zip(firsts, errors, strict=True)]
    return format_table(table, list(table[0]))


def stage_label(row: Mapping[str, Any]) -> str:
    """Return the title of a stage in a figure.

    Examples
    --------
    >>> stage_label({"stage": 2, "bytes": 12801, "psnr_range": 48.04})
    'stage 2: 12.8 kB, 48.0 dB'
    """
    return f"stage {row['stage']}: {size_text(row['bytes'])}, {decibels_text(row['psnr_range'])}"


def decibels_text(psnr: float | None) -> str:
    """Return a PSNR as it stands in a figure.

    Examples
    --------
    >>> decibels_text(48.04), decibels_text(math.inf), decibels_text(None)
    ('48.0 dB', 'no error', '-')
    """
    return "no error" if psnr == math.inf else "-" if psnr is None else f"{psnr:.1f} dB"


def rate_text(report: Mapping[str, Any]) -> str:
    """Return how long a store took.

    Examples
    --------
    >>> rate_text({"raw_bytes": 8_000_000, "seconds": 0.5})
    '8.0 MB in 0.5 s, 16.0 MB/s'
    """
    size, seconds = report["raw_bytes"], max(report["seconds"], 1e-3)
    return f"{size_text(size)} in {seconds:.1f} s, {size / 1e6 / seconds:.1f} MB/s"
