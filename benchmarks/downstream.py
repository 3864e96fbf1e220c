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

from pages.segmentation import downstream_report
from studies import HERE, RESULTS, read_rows, write_rows

from mmip_gpu.bench.datasets import select_images
from mmip_gpu.bench.downstream import fall_rows, score_rows
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import ANCHOR
from mmip_gpu.bench.run import Run, run

IMAGES = {
    "fluorescence": ("shared:fluo_dsb2018_256", "shared:fluo_dsb2018_520"),
    "histology": ("shared:he_dsb2018",),
    "EM": ("shared:em_isbi_train",),
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
        found = run(options.out / group, select_images(IMAGES[group], HERE.parent.parent), wanted)
        rows += score_rows(found)
    for row in rows:
        row["task"] = row["task"].partition(":")[0]
    write_rows("downstream", rows)
    falls = fall_rows(rows, ANCHOR)
    write_rows("downstream_falls", falls)
    text = downstream_report(read_rows("downstream"), read_rows("downstream_falls"))
    (RESULTS / "downstream.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
