"""What the commands print: tables of stages, sizes, errors.

Values: reports and rows (dicts) in, text out. Implements no section of FORMAT.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmip_gpu.quality.metrics import format_table

__all__ = ["about_lines", "evaluation_tables", "rate_text", "shape_text", "size_text", "stage_label", "stage_table"]

_HEADINGS = {
    "rmse": "RMSE",
    "psnr_16bit": "PSNR 16 bit",
    "psnr_range": "PSNR range",
    "max_error": "max error",
    "ssim": "SSIM",
}


def stage_table(report: Mapping[str, Any]) -> str:
    """Return bytes, rate and recorded PSNR of reading the stages 1, 2, .. of a report."""
    samples = math.prod(report["shape"])
    raw_bytes = samples * np.dtype(report["dtype"]).itemsize
    rows, last = [], len(report["stages"])
    for number, stage in enumerate(report["stages"], start=1):
        to_here = stage["bytes_to_here"]
        psnr = stage.get("psnr") if number < last else stage.get("psnr", report["loss"]["psnr"])
        if psnr is None and number == last and report["loss"]["lossless"]:
            psnr = math.inf
        rows.append(
            {
                "stage": number,
                "bytes": stage["bytes"],
                "bytes to here": to_here,
                "bits/sample": 8 * to_here / samples if samples else None,
                "ratio": raw_bytes / to_here if to_here else None,
                "PSNR": psnr,
            }
        )
    return format_table(rows, list(rows[0]))


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
    errors = [{heading: row[key] for key, heading in _HEADINGS.items()} for row in rows]
    table = [{**first, **error} for first, error in zip(firsts, errors, strict=True)]
    return format_table(table, list(table[0]))


def stage_label(row: Mapping[str, Any]) -> str:
    """Return the title of a stage in a figure.

    Examples
    --------
    >>> stage_label({"stage": 2, "bytes": 12801, "psnr_range": 48.04})
    'stage 2: 12.8 kB, 48.0 dB'
    """
    psnr = row["psnr_range"]
    quality = "no error" if psnr == math.inf else "-" if psnr is None else f"{psnr:.1f} dB"
    return f"stage {row['stage']}: {size_text(row['bytes'])}, {quality}"


def size_text(size: int) -> str:
    """Return a number of bytes in a readable unit.

    Examples
    --------
    >>> size_text(999), size_text(12801), size_text(1_500_000)
    ('999 bytes', '12.8 kB', '1.5 MB')
    """
    if size < 1000:
        return f"{size} bytes"
    power = min(int(math.log10(size)) // 3, 4)
    return f"{size / 1000**power:.1f} {'kMGT'[power - 1]}B"


def about_lines(report: Mapping[str, Any]) -> list[str]:
    """Say what is known of a store beside its samples: chunks, channels, voxel size, orientation, rescaling.

    Examples
    --------
    >>> about_lines({"shape": [2, 64], "axes": "cx", "chunk_count": 2, "chunks": [1, 64], "metadata": {"slope": 2.0}})
    ['2 chunks of 1 x 64', '2 channels', 'value = 2 * sample + 0']
    """
    lines, known = [], report.get("metadata") or {}
    if "chunk_count" in report:
        lines.append(f"{report['chunk_count']} chunks of {shape_text(report['chunks'])}")
    if "c" in report["axes"]:
        count = report["shape"][report["axes"].index("c")]
        names = ", ".join(map(str, known.get("channels") or ()))
        kind = "colours" if report.get("colour") else "channels"
        lines.append(f"{count} {kind} {names}".rstrip())
    if known.get("scale"):
        spatial = [axis for axis in zip(known["axes"], known["scale"], strict=True) if axis[0]["name"] in "zyx"]
        units = {axis.get("unit", "") for axis, _ in spatial}
        lines.append(f"voxel {' x '.join(f'{size:g}' for _, size in spatial)} {' '.join(sorted(units))} (z, y, x)")
    if known.get("affine"):
        lines.append(f"orientation {_orientation(known['affine'])} (to which x, y, z grow)")
    slope, intercept = known.get("slope", 1.0), known.get("intercept", 0.0)
    if slope is None or intercept is None:
        lines.append("rescale differs between slices")
    elif (slope, intercept) != (1.0, 0.0):
        lines.append(f"value = {slope:g} * sample {'-' if intercept < 0 else '+'} {abs(intercept or 0.0):g}")
    return lines


def _orientation(affine: Any) -> str:
    """Letters of right, left, anterior, posterior, superior, inferior to which the indices x, y, z grow most."""
    axes = np.asarray(affine, np.float64)[:3, :3]
    rows = np.abs(axes).argmax(axis=0)
    return "".join(("LR", "PA", "IS")[row][int(axes[row, column] > 0)] for column, row in enumerate(rows))


def rate_text(report: Mapping[str, Any]) -> str:
    """Return how long a store took.

    Examples
    --------
    >>> rate_text({"raw_bytes": 8_000_000, "seconds": 0.5})
    '8.0 MB in 0.5 s, 16.0 MB/s'
    """
    size, seconds = report["raw_bytes"], max(report["seconds"], 1e-3)
    return f"{size_text(size)} in {seconds:.1f} s, {size / 1e6 / seconds:.1f} MB/s"


def shape_text(shape: Sequence[int]) -> str:
    """Return "64 x 256 x 256".

    Examples
    --------
    >>> shape_text([512, 512])
    '512 x 512'
    """
    return " x ".join(map(str, shape))
