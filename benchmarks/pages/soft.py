"""The section of measured.md on soft compression by codebooks."""

from __future__ import annotations

from collections.abc import Sequence

from mmip_gpu.bench.measure import Row
from pages.sections import heading, rows_of
from pages.text import bullets, holds, paragraph, span, table

OURS = "mmip soft"
FIRST_RIVALS = ("PNG", "lossless JPEG (SOF3)", "JPEG 2000 5/3 (OpenJPEG)")  # those of the original


def soft_section() -> str:
    """Ratios of every set and codec, what the original prints, and rates."""
    rows = rows_of("soft")
    ours = {row["set"]: row for row in rows if row["codec"] == OURS}
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    ratios = {(row["set"], row["codec"]): float(row["corpus_ratio"]) for row in rows}
    lines = [[codec, *(f"{ratios[s, codec]:.3f}" if (s, codec) in ratios else "" for s in ours)] for codec in codecs]
    return "\n".join(
        [
            heading("soft"),
            paragraph(
                "Ratio of the bytes of all test images of a set to those of their files. A codebook is trained on",
                "other images of the set, and is not in the files: its size is below. Blood smears have images to",
                "train with and to test with, of the other sets every image is coded by a codebook of all the rest.",
            ),
            table(["ratio", *ours], lines),
            bullets(_order(ours, ratios), _behind(ours, ratios)),
            paragraph(
                "What the original prints of each set, bytes of a codebook, and what its indicator says: shapes pay",
                "while a location takes fewer bits.",
            ),
            table(
                [
                    "set",
                    "images",
                    "mean",
                    "least",
                    "largest",
                    "variance",
                    "codebook bytes",
                    "bits a location",
                    "indicator",
                ],
                [_printed(row) for row in ours.values()],
            ),
            "Rates in MB/s of processor time on one thread, over all test images of each set:\n",
            table(["codec", "encode", "decode"], [_rates(rows, codec) for codec in codecs]),
        ]
    )


def _order(ours: dict[str, Row], ratios: dict[tuple[str, str], float]) -> str:
    """Where ours is above the rivals of the original."""
    above = [name for name in ours if all(ratios[name, OURS] > ratios[name, rival] for rival in FIRST_RIVALS)]
    others = [name for name in ours if name not in above]
    return holds(
        f"Above PNG, lossless JPEG and JPEG 2000, as its authors found, on: {', '.join(above)}"
        + (f"; not on: {', '.join(others)}." if others else "."),
        {"blood smears", "fundus"} <= set(above),
    )


def _behind(ours: dict[str, Row], ratios: dict[tuple[str, str], float]) -> str:
    """Where the best codec of all stands."""
    best = {name: max((r, codec) for (s, codec), r in ratios.items() if s == name) for name in ours}
    ahead = {name: 100 * (r / ratios[name, OURS] - 1) for name, (r, _) in best.items()}
    listed = ", ".join(f"{codec} by {ahead[name]:.0f} % ({name})" for name, (_, codec) in best.items() if codec != OURS)
    return f"Above it stand {listed}." if listed else "No codec stands above it."


def _printed(row: Row) -> list[str]:
    numbers = [f"{float(row[name]):.3f}" for name in ("mean_ratio", "minimum_ratio", "maximum_ratio")]
    bits = ["" if row[name] is None else f"{row[name]:.1f}" for name in ("location_bits", "indicator_bits")]
    size = f"{int(row['codebook_bytes']):,}"
    return [row["set"], row["tested"], *numbers, f"{float(row['variance']):.5f}", size, *bits]


def _rates(rows: Sequence[Row], codec: str) -> list[str]:
    own = [row for row in rows if row["codec"] == codec]
    return [codec, *(span((row[name] for row in own), ".0f") for name in ("encode_mb_s", "decode_mb_s"))]
