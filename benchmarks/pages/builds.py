"""Sections of measured.md on builds: calls against those of an older build, and the time of an install."""

from __future__ import annotations

from collections import Counter

from pages.sections import heading, rows_of
from pages.text import paragraph, table

_VERDICTS = ("faster", "same", "slower", "bytes differ")


def against_section() -> str:
    """How many calls are slower than those of the old build, and which."""
    rows = rows_of("against")
    kinds = Counter((row["case"].split()[0], row["verdict"]) for row in rows)
    lines = [
        [kind, *(str(kinds[kind, verdict]) for verdict in _VERDICTS)]
        for kind in dict.fromkeys(row["case"].split()[0] for row in rows)
    ]
    slower = [row for row in rows if row["verdict"] not in ("faster", "same")]
    named = [
        [row["case"], row["image"] or "", f"{float(row['ratio']):.2f}", f"{float(row['aa_spread']):.2f}"]
        for row in slower
    ]
    ratios = sorted(float(row["ratio"]) for row in rows)
    return "\n".join(
        [
            heading("against"),
            paragraph(
                f"Processor time of whole calls, old build {rows[0]['old_commit']}, medians of",
                f"{float(rows[0]['runs']):.0f} rounds in turns. A call is slower or faster only beyond 2 % and",
                "beyond the spread of the old build against itself. The median of new over old is",
                f"{ratios[len(ratios) // 2]:.3f}.",
            ),
            table(["call", *_VERDICTS], lines),
            *(["Slower:\n", table(["call", "image", "new / old", "spread"], named)] if named else []),
        ]
    )


def install_section() -> str:
    """Seconds of an install, and of compiling the kernels' copies in it."""
    rows = rows_of("install")
    columns = ["wall_s", "processor_s", "compile_kernels_baseline_s", "compile_kernels_avx2_s"]
    lines = [[row["tree"], row["commit"], *(f"{float(row[column]):.0f}" for column in columns)] for row in rows]
    return "\n".join(
        [
            heading("install"),
            paragraph(
                "Seconds of `pip install .` with downloaded requirements, and of compiling the two kernel copies."
            ),
            table(["tree", "commit", "wall", "processor", "baseline copy", "AVX2 copy"], lines),
        ]
    )
