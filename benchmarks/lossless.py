"""Bits and speed without loss: ours, predicted and in stages, against image codecs, video codecs and compressors.

    MMIP_DATA=FOLDER python benchmarks/lossless.py --out DIR [--images REGEX]

Whole arrays, in their dtype: slices, volumes (ours and compressors of arrays code them in 3D, image codecs slice by
slice), and colour. Every result is decoded and compared outside of the clock. Rates are of processor time with one
thread, and of the wall with two where a codec knows threads: medians of up to five runs. Fast codecs are measured
alone, slow ones two at a time and with one thread. A run that was interrupted goes on where it was when the command is
given again; about ten minutes on two cores that do nothing else. Writes results/lossless.csv, lossless.md and
lossless.png.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from studies import HERE, RESULTS, data_folder, write_rows

from mmip_gpu.bench.datasets import ImageSet, select_images
from mmip_gpu.bench.images import BenchImage, UnusableImage
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.records import Record
from mmip_gpu.bench.report.lossless_tables import lossless_report
from mmip_gpu.bench.report.study_figure import draw_lossless
from mmip_gpu.bench.run import Run, run
from mmip_gpu.errors import MissingResource

SLICES = (
    "nema_ct1", "nema_mr1", "nema_mr3", "nema_nm1", "nema_rg3", "ct_picker_shoulder", "mr_ge_knee", "micro_stardist2d"
)  # fmt: skip
VOLUMES = {
    "ct_ge_head_4mm": "zyx", "mr_uih_t1_brain": "zyx", "niivue_chris_t1": "zyx", "niivue_ct_avm": "zyx",
    "em_isbi_train": "zyx", "mr_cardiac_cine_u8": "tyx",
}  # fmt: skip
COLOUR = {
    "colour": ("fundus_drive-01", "micro_hela_rgb16", "nema_us1", "nema_vl1", "nema_vl6"),
    "BCCD": tuple(f"BloodImage_{number:05d}" for number in (42, 111, 189, 252, 315, 383)),
    "dermoscopy": ("ISIC_*",),
}
FAST = (
    "mmip [fs3]*lossless", "JPEG-LS*lossless", "HTJ2K*lossless", "JPEG XL e1 lossless", "JPEG 2000*lossless",
    "JPEG XL e3 lossless", "pcodec*", "nd-lift-ht lossless",
)  # fmt: skip
SLOW = (
    "JPEG XL e7 lossless", "JPEG XL e9 lossless", "WebP*lossless", "PNG lossless", "FFV1*", "HEVC*lossless", "zstd*",
    "Blosc*", "zfp reversible*", "nd-delta*", "nd-zfp lossless",
)  # fmt: skip
EXACT = Run(tasks=(), targets=("lossless",), pictures=False, similarity=False)
ALONE = replace(EXACT, codecs=FAST, threads=2, seconds=0.4)
TOGETHER = replace(EXACT, codecs=SLOW, workers=2, seconds=0.1, time_limit=90)


def images(wanted: str) -> Iterator[BenchImage | UnusableImage]:
    """Read the images whose names fit."""
    folder = data_folder()
    if folder is None:
        raise MissingResource("set MMIP_DATA to the folder of the real images")
    for name, axes in (dict.fromkeys(SLICES, "yx") | VOLUMES).items():
        if re.search(wanted, name):
            print(f"reading {name}", flush=True)
            array = np.load(folder / f"{name}.npy")
            group = "2D" if axes == "yx" else "volumes"
            yield BenchImage(name, array, axes, 8 * array.itemsize, "shared", group=group)
    for group, names in COLOUR.items():
        found = select_images([f"shared:{name}" for name in names if re.search(wanted, name)], HERE.parent.parent)
        for image in found:
            print(f"reading {image.name}", flush=True)
            whole = {"masks": {}, "labels": None, "task": None, "group": group}
            is_read = isinstance(image, BenchImage)
            yield replace(image, bits=8 * image.array.itemsize, **whole) if is_read else image


def row_of(record: Record) -> Row:
    """What the pages need of a record."""
    image, codec, time = record["image"], record["codec"], record["time"]
    row: Row = {"image": image["name"], "group": image["group"], "bits": image["bits"]}
    row |= {"shape": "x".join(map(str, image["shape"])), "dtype": image["dtype"], "data": image["checksum"]}
    row |= {"codec": codec["name"].removesuffix(" lossless"), "version": codec["version"]}
    row |= {"settings": json.dumps(codec["options"]), "colour": record["colour"]}
    row |= {"status": record["status"], "reason": record["reason"], "bits_per_sample": record["bits_per_sample"]}
    for way in ("encode", "decode") if time else ():
        one, two = time[way], time[f"{way}_all_threads"]
        megabytes = record["raw_bytes"] / 1e6
        row |= {f"{way}_mb_s": megabytes / one["cpu"], f"{way}_spread": one["spread"], f"{way}_runs": one["runs"]}
        row |= {f"{way}_wall_mb_s": megabytes / one["wall"]}
        row |= {f"{way}_threads_mb_s": megabytes / two["wall"] if two else None}
    facts = {name: record["machine"][name] for name in ("commit", "date", "cpu", "imagecodecs")}
    return row | {"threads": time.get("threads")} | facts


def ordered(records: Sequence[Record]) -> list[Record]:
    """By image, then by codec: of the first one first that fast codecs were measured with."""
    names, codecs = ([record[kind]["name"] for record in records] for kind in ("image", "codec"))
    return sorted(
        records, key=lambda record: (names.index(record["image"]["name"]), codecs.index(record["codec"]["name"]))
    )


def main() -> None:
    """Measure what is missing; rows, tables, figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--images", default="", help="regular expression; other images are left out")
    options = parser.parse_args()
    os.nice(5)
    chosen = ImageSet([lambda: images(options.images)])
    for wanted in (ALONE, TOGETHER):
        found = run(options.out, chosen, wanted)
    rows = [row_of(record) for record in ordered(found)]
    path = write_rows("lossless", rows)
    text = lossless_report(rows)
    print(text)
    (RESULTS / "lossless.md").write_text(text)
    draw_lossless(rows, RESULTS / "lossless.png")
    print(f"wrote {path.name}, lossless.md, lossless.png")


if __name__ == "__main__":
    main()
