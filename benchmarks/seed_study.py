"""Regions of interest on phantoms and real images with masks: stages, equal bytes, and qualities of the region.

    python benchmarks/seed_study.py [--out FOLDER]

The study is that of `mmip bench seed`. Writes results/seed.csv; with --out also its tables and figures into a folder.
Nothing is timed, so the load of the machine does not matter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from studies import HERE, write_rows

from mmip_gpu.bench.seed_study import seed_images, seed_report, seed_rows, write_seed_study


def main() -> None:
    """All images; rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for tables and figures")
    out = parser.parse_args().out
    images = seed_images(beside=HERE.parent.parent)
    rows = list(seed_rows(images))
    print(seed_report(rows))
    print(f"wrote {write_rows('seed', rows).name}")
    if out:
        print(*write_seed_study(out, images), sep="\n")


if __name__ == "__main__":
    main()
