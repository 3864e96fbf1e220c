"""Regions of interest from the segmenter's own doubt, against one quality for the whole plane.

    python benchmarks/roi_by_uncertainty.py --weights FOLDER [--groups fluorescence]

The network that has not seen a plane says where it doubts (a probability between 0.1 and 0.9); these samples become a
region of interest of higher quality, all others get a lower one, at effort 3. Writes results/roi_by_uncertainty.csv,
a row for each group and setting: means over planes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from studies import HERE, write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.datasets import select_images
from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.intervals import bootstrap
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.tasks import Task, task_named
from mmip_gpu.neural.segmenter import Segmenter, segmenter_for, segmenters

GROUPS = {"fluorescence": ("shared:fluo_dsb2018_256", "stars"), "EM": ("shared:em_isbi_train-0[0369]", "unet")}
QUALITIES = (3, 5, 8, 12, 20)
REGIONS = ((1, 3), (1, 5), (2, 8))  # outside and inside
DOUBT = (0.1, 0.9)


def settings(doubt: np.ndarray) -> dict[str, dict[str, Any]]:
    """Options of encode by name."""
    plain = {f"quality {q}": {"quality": q} for q in QUALITIES}
    regions = {f"{low}, doubt {high}": {"quality": low, "roi": doubt, "roi_quality": high} for low, high in REGIONS}
    return plain | regions


def scores_of(image: BenchImage, task: Task, networks: list[Segmenter]) -> dict[str, tuple[float, float, float]]:
    """Bits, Dice against the truth and Dice against the original by setting."""
    probability = segmenter_for(networks, image.array).probability(image.array)
    doubt = (probability > DOUBT[0]) & (probability < DOUBT[1])
    found = {}
    for name, options in settings(doubt).items():
        blob = mmip.encode(image.array, effort=3, **options)
        scores = task.score(image, mmip.decode(blob))
        found[name] = 8 * len(blob) / image.array.size, scores["truth"]["dice"], scores["original"]["dice"]
    return found


def main() -> None:
    """The groups that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the networks' weights")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    options = parser.parse_args()
    rows: list[Row] = []
    for group in options.groups:
        images, kind = GROUPS[group]
        task = task_named(f"{kind}:{options.weights}")
        wanted = "stars" if kind == "stars" else "membranes"
        networks = [s for s in segmenters(options.weights) if s.network.shape.kind == wanted]
        networks = [s for s in networks if s.network.shape.channels == 1]
        chosen = [i for i in select_images([images], HERE.parent.parent) if isinstance(i, BenchImage)]
        scored = [scores_of(image, task, networks) for image in chosen]
        for name in scored[0]:
            bits, truth, original = zip(*(found[name] for found in scored), strict=True)
            mean, low, high = bootstrap(truth, 0)
            row = {"group": group, "setting": name, "images": len(chosen), "bits_per_sample": float(np.mean(bits))}
            row |= {"truth_dice": mean, "truth_dice_low": low, "truth_dice_high": high}
            rows.append(row | {"original_dice": float(np.mean(original))})
            print(f"{group}, {name}: {row['bits_per_sample']:.4f} bits, Dice {mean:.4f}", flush=True)
    print(f"wrote {write_rows('roi_by_uncertainty', rows).name}")


if __name__ == "__main__":
    main()
