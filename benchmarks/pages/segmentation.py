"""Segmentation after compression: the page downstream.md, and the sections of measured.md on it and on segmenters.

Values: rows of downstream.csv, downstream_falls.csv, segmenters.csv and roi_by_uncertainty.csv in; Markdown out.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from studies import read_rows

from mmip_gpu.bench.downstream import KEPT, WITHIN
from mmip_gpu.bench.intervals import bootstrap
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import markdown_table
from pages.sections import heading, rows_of
from pages.text import bullets, paragraph, table

_OURS = "mmip effort 3"


def with_numbers(rows: Sequence[Row]) -> list[Row]:
    """Rows whose numbers are numbers, in whatever column they stand."""
    return [{key: _number(value) for key, value in row.items()} for row in rows]


def _number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def downstream_report(scores: Sequence[Row], falls: Sequence[Row]) -> str:
    """The text of downstream.md."""
    tables = [*fall_lines(with_numbers(falls)), *curve_lines(with_numbers(scores))]
    return "# Segmentation after compression\n\n" + "\n".join(tables)


def curve_lines(rows: list[Row]) -> list[str]:
    """A table for each group and segmenter: Dice and AP against the truth, by codec and bits."""
    parts = []
    for group, task, segmenter in dict.fromkeys((r["group"], r["task"], r["segmenter"]) for r in rows):
        own = [r for r in rows if (r["group"], r["task"]) == (group, task)]
        asked = [a for a in dict.fromkeys(r["asked_bits"] for r in own) if a is not None]
        exact = next((r for r in own if r["asked_bits"] is None), None)
        score = "truth_dice" if own[0]["truth_ap50"] is None else "truth_ap50"
        lines = []
        for codec in dict.fromkeys(r["codec"] for r in own if r["asked_bits"] is not None):
            found = {r["asked_bits"]: r for r in own if r["codec"] == codec}
            lines.append([codec, *(with_interval(found.get(bits), score) for bits in asked)])
        title = "AP@0.5" if score == "truth_ap50" else "Dice"
        before = f"uncompressed {with_interval(exact, score)}" if exact else ""
        parts.append(f"## {group}, {segmenter}: {title} against ground truth\n\nn = {own[0]['images']}; {before}\n")
        parts.append(markdown_table(["codec", *(f"{bits:g} bits" for bits in asked)], lines))
    return parts


def with_interval(row: Row | None, score: str) -> str:
    """A mean with its interval; a dash where the codec does not come to these bits on every image."""
    if row is None or row[score] is None:
        return "-"
    low, high = row[f"{score}_low"], row[f"{score}_high"]
    return f"{row[score]:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")


def fall_lines(falls: list[Row]) -> list[str]:
    """A table of the bits at which the Dice has fallen."""
    head = ["images, segmenter", "codec"]
    for kind, level in (("truth", f"Dice - {KEPT:g}, truth"), ("original", f"Dice {1 - KEPT:g}, original")):
        head += [f"bits at {level}", "bytes" if kind == "truth" else "bytes ", f"over JPEG 2000, {kind}"]
        head += [f"the same at {WITHIN:g} less Dice, {kind}"]
    lines = []
    for row in falls:
        cells = []
        for kind in ("truth", "original"):
            names = ("bits", "bytes", "ratio", "ratio_within")
            note = row[f"{kind}_note"]
            cells += [f"{note} {number(row[f'{kind}_{name}'])}".strip() for name in names]
        lines.append([f"{row['group']}, {row['task']}", row["codec"], *cells])
    return ["## Bits at which the Dice has fallen\n", markdown_table(head, lines, 2)]


def number(value: float | None) -> str:
    """A number with three digits, or a dash."""
    return "-" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def downstream_section() -> str:
    """Bits at which the Dice has fallen, by codec, and what a region by doubt gains."""
    falls, doubt = with_numbers(rows_of("downstream")), with_numbers(read_rows("roi_by_uncertainty"))
    names = list(dict.fromkeys((row["group"], row["task"]) for row in falls))
    lines = []
    for codec in dict.fromkeys(row["codec"] for row in falls):
        own = {(row["group"], row["task"]): row for row in falls if row["codec"] == codec}
        cells = [f"{own[name]['truth_note'] or ''} {number(own[name]['truth_bits'])}".strip() for name in names]
        ratios = [number(own[name]["truth_ratio"]) if not own[name]["truth_note"] else "" for name in names]
        lines.append([codec, *(f"{a} ({b})" if b else a for a, b in zip(cells, ratios, strict=True))])
    ours = {(row["group"], row["task"]): row for row in falls if row["codec"] == _OURS}
    known = [row["truth_ratio_within"] for row in ours.values() if row["truth_ratio_within"]]
    plain = [row for row in doubt if row["setting"].startswith("quality")]
    marked = [row for row in doubt if not row["setting"].startswith("quality")]
    best = max(marked, key=lambda row: row["truth_dice"])
    cheaper = min((r for r in plain if r["truth_dice"] >= best["truth_dice"]), key=lambda r: r["bits_per_sample"])
    return "\n".join(
        [
            heading("downstream"),
            paragraph(
                f"Bits a sample at which the Dice against ground truth is {KEPT:g} below that of the uncompressed",
                "images, and in brackets their ratio to those of JPEG 2000. `at most`: the codec goes no lower.",
                "Our built-in codes were trained on the fluorescence and H&E images, not on EM.",
                "[downstream.md](../../benchmarks/results/downstream.md) has AP@0.5 and Dice by bits, with intervals",
                "(downstream.csv, downstream_falls.csv).",
            ),
            table(["codec", *(f"{group}, {task}" for group, task in names)], lines),
            bullets(
                f"With {WITHIN:g} less Dice than JPEG 2000 has there, effort 3 takes {min(known):.2f} to "
                f"{max(known):.2f} of its bytes; half was aimed at.",
                f"Regions by the segmenter's own doubt (roi_by_uncertainty.csv) gain nothing: their best Dice, "
                f"{best['truth_dice']:.3f}, takes {best['bits_per_sample']:.3f} bits, and one quality everywhere "
                f"reaches it with {cheaper['bits_per_sample']:.3f}.",
            ),
        ]
    )


def segmenters_section() -> str:
    """Networks against classical means on uncompressed planes that they have not seen."""
    rows = with_numbers(rows_of("segmenters"))
    lines = []
    for subject in dict.fromkeys(row["subject"] for row in rows):
        own = [row for row in rows if row["subject"] == subject]
        score = "ap50" if own[0]["network_ap50"] != "" and own[0]["network_ap50"] is not None else "dice"
        cells = []
        for kind in ("network", "classical"):
            values = [row[f"{kind}_{score}"] for row in own]
            _, low, high = bootstrap(values, 0)
            cells.append(f"{mean(values):.3f} ({low:.3f} to {high:.3f})")
        lines.append([subject, str(len(own)), "AP@0.5" if score == "ap50" else "Dice", own[0]["classical"], *cells])
    return "\n".join(
        [
            heading("segmenters"),
            paragraph(
                "Scores on uncompressed planes, each segmented by the network of the fold that held it out; means with",
                "95 % intervals over planes. A network that is not above the classical means stays out of the tables.",
            ),
            table(["subject", "planes", "score", "classical means", "network", "classical"], lines),
        ]
    )
