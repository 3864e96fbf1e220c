"""How well the segmenters do on uncompressed planes: networks, each on what its fold held out, and classical means.

    python benchmarks/segmenters.py --weights FOLDER

FOLDER has the weights of python -m mmip_gpu.neural.train for all subjects. Writes results/segmenters.csv, with a row
for each plane.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from studies import data_folder, write_rows

from mmip_gpu.bench.images import checksum
from mmip_gpu.bench.intervals import bootstrap
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.tasks import tasks
from mmip_gpu.errors import MissingResource
from mmip_gpu.neural.segmenter import Segmenter
from mmip_gpu.neural.split import Subject, load_plane, subjects
from mmip_gpu.quality.label_scores import label_scores, mask_scores

SCORES = ("ap50", "pq", "dice", "boundary_f1")


def rows_of(subject: Subject, weights: Path, data: Path) -> list[Row]:
    """A row for every plane of a subject."""
    is_stars = subject.kind == "stars"
    compared = label_scores if is_stars else mask_scores
    classical = tasks["nuclei" if is_stars else "membranes"]
    rows = []
    for fold in range(len(subject.folds)):
        network = Segmenter.load(weights / f"{subject.name}-fold{fold}")
        for name, index in subject.held_out(fold):
            plane = load_plane(data, subject, name, index)
            row: Row = {"subject": subject.name, "image": name, "index": index, "fold": fold}
            row["data"] = checksum(plane.samples)
            row |= {"steps": network.facts["settings"]["steps"], "classical": classical.segmenter}
            found = compared(plane.labels, network.labels(plane.samples))
            other = compared(plane.labels, classical.segment(plane.samples, plane.samples))
            rows.append(row | {f"network_{s}": found[s] for s in SCORES} | {f"classical_{s}": other[s] for s in SCORES})
    return rows


def main() -> None:
    """All subjects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the networks' weights")
    options = parser.parse_args()
    data = data_folder()
    if data is None:
        raise MissingResource("the labelled images are not at hand: set MMIP_DATA to their folder")
    rows: list[Row] = []
    for subject in subjects().values():
        own = rows_of(subject, options.weights, data)
        rows += own
        for score in SCORES:
            for kind in ("network", "classical"):
                known = [row[f"{kind}_{score}"] for row in own if row[f"{kind}_{score}"] is not None]
                if known:
                    mean, low, high = bootstrap(known, 0)
                    print(f"{subject.name}, {kind}, {score}: {mean:.3f} ({low:.3f} to {high:.3f}), n = {len(known)}")
    print(f"wrote {write_rows('segmenters', rows).name}")


if __name__ == "__main__":
    main()
