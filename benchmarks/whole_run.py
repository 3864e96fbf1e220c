"""The whole comparison on real images: every codec that is installed, an image of every kind, rates and no loss.

    MMIP_DATA=FOLDER python benchmarks/whole_run.py --out DIR [--check OTHER]

Of a large image the middle 512 rows and columns are taken, of a volume the middle 16 slices. Two jobs at a time; about
half an hour on two cores. A run that was interrupted or killed goes on where it was when the
command is given again. --check compares the records with those of another folder, but for times, memory and the
machine, and ends with 1 where they differ. Writes results/whole.csv; mmip bench report DIR makes a page of all.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator
from pathlib import Path

from studies import HERE, write_rows

from mmip_gpu.bench.datasets import ImageSet, select_images
from mmip_gpu.bench.images import BenchImage, UnusableImage, middle_of
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.records import Record, differing, read_records
from mmip_gpu.bench.report.comparisons import similarity_db
from mmip_gpu.bench.report.quality_curves import metric, series_name
from mmip_gpu.bench.run import Run, run

IMAGES = (
    "nema_ct1", "mr_ge_knee", "nema_nm1", "em_isbi_train-00", "fluo_dsb2018_256-00", "he_dsb2018-00", "nema_rg3",
    "nema_us1", "nema_vl1", "tissue_dsb2018_1024-00", "fundus_drive-00", "ISIC_0024311", "xray_chip_projections",
    "micro_hela_rgb16", "micro_membrane_time", "micro_stardist3d", "niivue_chris_t1",
)  # fmt: skip
SIDE, SLICES = 512, 16
WANTED = Run(tasks=("nuclei", "membranes"), seconds=0.2, workers=2)


def images() -> Iterator[BenchImage | UnusableImage]:
    """Read the images, and cut the large ones; read twice, first for their checksums."""
    for image in select_images([f"shared:{name}" for name in IMAGES], HERE.parent.parent):
        print(f"reading {image.name}", flush=True)
        yield middle_of(image, SIDE, SLICES) if isinstance(image, BenchImage) else image


def short(record: Record) -> Row:
    """What the measured page needs of a record."""
    names = ("image", "group", "data"), ("name", "group", "checksum")
    row: Row = {column: record["image"][name] for column, name in zip(*names, strict=True)}
    row |= {"codec": series_name(record), "version": record["codec"]["version"]}
    row |= {**record["setting"], "status": record["status"], "reason": record["reason"]}
    if record["status"] == "ok":
        row |= {name: record[name] for name in ("bytes", "bits_per_sample")}
        row |= {"psnr_range": finite(metric("psnr_range")(record)), "ms_ssim_db": finite(similarity_db(record))}
        row |= {f"{name}_mb_s": record["time"][f"mb_s_{name}"] for name in ("encode", "decode")}
    return row


def finite(value: float | None) -> float | None:
    """The number, None where it is none or infinite."""
    return value if value is not None and math.isfinite(value) else None


def main() -> None:
    """Measure what is missing, or compare with another run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--check", type=Path, metavar="OTHER", help="folder of another run")
    options = parser.parse_args()
    os.nice(5)
    found = run(options.out, ImageSet([images]), WANTED)
    print(f"{options.out}: {len(found)} records of {len(IMAGES)} images")
    print(f"wrote {write_rows('whole', [short(record) for record in found]).name}")
    if options.check:
        different = differing(found, read_records(options.check))
        raise SystemExit("\n".join(["different:", *different]) if different else None)


if __name__ == "__main__":
    main()
