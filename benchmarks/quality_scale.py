"""What `quality=` means on real images: PSNR and ratio at seven qualities for CT, MR, EM and fluorescence.

    python benchmarks/quality_scale.py

The images are those of rivals.py out of the test half of split.json, and the 2D phantom, which needs no data. Effort is
the default one. Every result is decoded and compared with the original. Nothing is timed, so the load of the machine
does not matter. Writes results/quality.csv and the table of mmip_gpu/docs/quality.md.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from studies import HERE, RESULTS, test_pictures, write_rows

import mmip_gpu as mmip
from mmip_gpu.bench.pictures import Picture
from mmip_gpu.bench.report.study_tables import markdown_table
from mmip_gpu.bench.rows import psnr

QUALITIES = (1, 2, 5, 10, 20, 40, 80)
SUBJECTS = {
    "ct_ge_head_4mm": "CT, head",
    "mr_uih_t1_brain": "MR, brain",
    "em_isbi_train": "EM",
    "micro_bbbc034_aics": "fluorescence",
    "phantom2d": "phantom",
}
PAGE = HERE.parent / "mmip_gpu" / "docs" / "quality.md"
_TABLE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.S)


def measured_row(picture: Picture, quality: float) -> dict[str, Any]:
    """One image at one quality: encoded, decoded, compared."""
    blob = mmip.encode(picture.array, quality=quality)
    decoded, report = mmip.decode(blob), mmip.inspect(blob)
    worst = int(np.abs(picture.array.astype(np.int64) - decoded).max())
    reached = psnr(picture.array, decoded)
    if worst != report["loss"]["max_error"] or abs(reached - report["loss"]["psnr"]) > 1e-6:
        raise RuntimeError(f"{picture.name}: decoded with {reached} dB, {worst}, recorded as {report['loss']}")
    return picture.facts | {
        "range": f"{picture.array.min()}..{picture.array.max()}",
        "quality": quality,
        "rule_step": 2 * max(1, round(220 / quality)),
        "qstep": float(report["config"]["qstep"]),
        "bytes": len(blob),
        "ratio": round(picture.array.nbytes / len(blob), 2),
        "psnr_db": round(reached, 2),
        "max_error": worst,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """PSNR and ratio of every image by quality."""
    images = list(dict.fromkeys(row["image"] for row in rows))
    found = {(row["image"], int(row["quality"])): row for row in rows}
    first = [found[image, QUALITIES[0]] for image in images]
    head = ["quality", "step", *(SUBJECTS[row["image"]] for row in first)]
    lines = [["", "", *(f"{row['dtype']}, {row['range']}" for row in first)]]
    for quality in QUALITIES:
        here = [found[image, quality] for image in images]
        cells = [f"{float(row['psnr_db']):.1f} dB, {float(row['ratio']):.1f}" for row in here]
        lines.append([str(quality), str(here[0]["rule_step"]), *cells])
    return markdown_table(head, lines)


def with_table(page: str, text: str) -> str:
    """The page with this table in the place of its own."""
    changed, places = _TABLE.subn(lambda _: f"\n{text}\n", page)
    if places != 1:
        raise RuntimeError(f"{PAGE.name}: expected one place for the table, found {places}")
    return changed


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Rows as they are committed."""
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def main() -> None:
    """All images and qualities; rows, the page's table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    chosen = [picture for picture in test_pictures() if picture.name in SUBJECTS]
    rows = [measured_row(picture, quality) for picture in chosen for quality in QUALITIES]
    path = write_rows("quality", rows)
    text = table(rows_of(RESULTS / path.name))
    PAGE.write_text(with_table(PAGE.read_text(), text))
    print(text)
    print(f"wrote {path.name} and the table of {PAGE.name}")


if __name__ == "__main__":
    main()
