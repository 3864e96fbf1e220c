"""The section on what a target costs: whole calls of `encode` over one whose step and cells are given."""

from __future__ import annotations

from pages.sections import IMAGES, heading, rows_of
from pages.text import paragraph, table

_OVER = ("psnr", "quality", "ratio")


def calls_section() -> str:
    """A line for each image, PSNR and effort."""
    lines = []
    for row in rows_of("calls"):
        rates = [f"{float(row[f'{column}_mb_s']):.0f}" for column in ("a_cells_given", "qstep", "htj2k")]
        over = [f"{float(row[f'{column}_over_a']):.2f}" for column in _OVER]
        lines.append([IMAGES[row["image"]], f"{float(row['psnr_asked']):g}", row["effort"], *rates, *over])
    return "\n".join(
        [
            heading("calls"),
            paragraph(
                "One thread, processor time, all calls in turns. A: `qstep=` with the depth of cells given, without",
                "padding and verification. MB/s of A, of `qstep=` without verification and of HTJ2K at equal PSNR;",
                "then how many times as long as A the targets take, verified. The PSNR of the 3D phantom jumps from",
                "step to step, so that its search is the longest.",
            ),
            table(["array", "dB", "effort", "A", "`qstep=`", "HTJ2K", *(f"`{name}=`" for name in _OVER)], lines),
        ]
    )
