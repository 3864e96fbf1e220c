"""What compression does to segmentation: Dice and AP@0.5 against bits on EM, fluorescence and H&E.

    python benchmarks/downstream.py --out FOLDER [--weights FOLDER]

Each codec is brought to the same bits a sample on images that are labelled; watershed, ridge filter and, with weights
of python -m mmip_gpu.neural.train, the networks segment what was decoded, each plane by the network of the fold that
held it out. FOLDER keeps the records: a run that was interrupted goes on. Writes results/downstream.csv (means with
intervals), results/downstream_falls.csv (the bits at which the Dice has fallen by 0.01) and results/downstream.md.
The code lengths of our codec were trained on the fluorescence and H&E images, not on EM (split.json).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from studies import HERE, RESULTS, write_rows

from mmip_gpu.bench.datasets import select_images
from mmip_gpu.bench.downstream import KEPT, WITHIN, fall_rows, score_rows
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import ANCHOR, markdown_table
from mmip_gpu.bench.run import Run, run

IMAGES = {
    "fluorescence": "shared:fluo_dsb2018_256",
    "histology": "shared:he_dsb2018-*[0257]",
    "EM": "shared:em_isbi_train-0[0369]",
}
NETWORKS = {"fluorescence": "stars", "EM": "unet"}  # which beat the classical means on held-out planes: segmenters.csv
CLASSICAL = {"fluorescence": "nuclei", "histology": "nuclei", "EM": "membranes"}
CODECS = (
    "mmip effort 1", "mmip effort 3", ANCHOR.lower(), "htj2k (openjph)", "jpeg xl e7", "avif speed 6",
    "png lossless",
)  # fmt: skip
TARGETS = ("bits:0.05,0.1,0.2,0.4,0.8", "lossless")


def tasks_of(group: str, weights: Path | None) -> list[str]:
    """The tasks of a group: the classical one, and the network where there are weights for it."""
    return [CLASSICAL[group], *([f"{NETWORKS[group]}:{weights}"] if weights and group in NETWORKS else [])]


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


def main() -> None:
    """Run what is missing, then write rows and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--weights", type=Path, help="folder of the networks' weights")
    parser.add_argument("--groups", nargs="+", choices=list(IMAGES), default=list(IMAGES))
    options = parser.parse_args()
    os.nice(5)
    rows: list[Row] = []
    for group in options.groups:
        wanted = Run(CODECS, tasks_of(group, options.weights), TARGETS, seconds=0.0, pictures=False)
        found = run(options.out / group, select_images([IMAGES[group]], HERE.parent.parent), wanted)
        rows += score_rows(found)
    for row in rows:
        row["task"] = row["task"].partition(":")[0]
    write_rows("downstream", rows)
    falls = fall_rows(rows, ANCHOR)
    write_rows("downstream_falls", falls)
    text = "# Segmentation after compression\n\n" + "\n".join([*fall_lines(falls), *curve_lines(rows)])
    (RESULTS / "downstream.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
