"""Bits and speed at equal PSNR against every rival: JPEG 2000, HTJ2K, JPEG XL, AVIF, SZ3, SPERR, zfp.

    python benchmarks/rivals.py [--ours] [--images REGEX]

Every codec is driven by its own parameter to points on both sides of the PSNR (one MSE for a whole volume, peak = max -
min, measured on the decoded array); its bits are interpolated between them, ours too: nobody gains by overshoot. The
points are within 0.3 dB where the parameter is fine enough (AVIF's and zfp's are not: up to 5 and 6 dB between two).
Colour images are coded by the colour transform of a codec, or channel by channel where it has none (column colour).
Bytes are those of whole containers. Rates are of one thread in processor time. --ours measures our rows only and keeps
those of rivals whose image (checksum) and version are the same. Writes results/rivals.csv, rivals.md and rivals.png.
"""

from __future__ import annotations

import argparse
import os
import re
from typing import Any

from studies import RESULTS, kept_rows, run_facts, test_pictures, write_rows

from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.colour import in_colour
from mmip_gpu.bench.measure import Key, Row, Trial, round_trip, speeds
from mmip_gpu.bench.ours import ours
from mmip_gpu.bench.pictures import Picture
from mmip_gpu.bench.rates import Point, bracket, rate_at
from mmip_gpu.bench.report.study_figure import draw
from mmip_gpu.bench.report.study_tables import rivals_report
from mmip_gpu.bench.rivals import rivals


def row_key(row: Row) -> Key:
    """What makes a measured row valid for this run."""
    return row["data"], row["codec"], row["version"], f"{row['target_db']:g}"


def measured_rows(codec: Codec, picture: Picture) -> list[Row]:
    """One row a target; a row without bits where the codec cannot be brought to both sides of it."""
    source = Source(picture.array, picture.axes)
    facts = picture.facts | {"codec": codec.name, "version": codec.version}
    if source.channels > 1:
        facts["colour"] = "joint" if "joint" in codec.colours else "separate"
        codec, source = in_colour(codec, source, facts["colour"])
    trials: dict[float, Trial] = {}

    def measure(parameter: float) -> Point:
        trials[parameter] = round_trip(codec, source, parameter)
        return trials[parameter].point

    rows = []
    points: dict[float, Point] = {}
    for target in picture.targets:
        row = facts | {"target_db": target}
        pair = bracket(measure, codec.dial(source, target), target, points)
        if pair is None:
            reached = ", ".join(f"{p.psnr_db:.2f}" for p in sorted(points.values(), key=lambda p: p.parameter))
            rows.append(row | {"note": f"outside its range: reached {reached} dB"})
            continue
        below, above = pair
        rows.append(
            row
            | {
                "bits_per_sample": rate_at(points.values(), pair, target),
                "below_db": below.psnr_db,
                "below_bits": below.bits,
                "above_db": above.psnr_db,
                "above_bits": above.bits,
            }
            | speeds(codec, source, trials[above.parameter])
        )
    return rows


def rows_of(codec: Codec, picture: Picture, kept: dict[Key, Row]) -> list[Row]:
    """The kept rows if all targets have one, else new ones."""
    facts = picture.facts
    wanted = [row_key(facts | {"codec": codec.name, "version": codec.version, "target_db": t}) for t in picture.targets]
    if not codec.ours and all(key in kept for key in wanted):
        return [kept[key] for key in wanted]
    rows = measured_rows(codec, picture)
    for row in rows:
        shown: Any = row["note"] if "note" in row else f"{row['bits_per_sample']:.4f} bits/sample"
        print(f"{picture.name:20s} {codec.name:22s} {row['target_db']:g} dB  {shown}", flush=True)
    return rows


def main() -> None:
    """All images and codecs; rows, tables, figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", action="store_true", help="keep the rivals' rows of the last run")
    parser.add_argument("--images", default="", help="regular expression; other images keep all of their rows")
    options = parser.parse_args()
    os.nice(5)
    facts = run_facts()
    stored = kept_rows("rivals", row_key)
    rows: list[Row] = []
    for picture in test_pictures(colour=True):
        if not re.search(options.images, picture.name):
            rows += [row for row in stored.values() if row["data"] == picture.facts["data"]]
            continue
        for codec in [*ours(), *rivals()]:
            rows += [facts | row for row in rows_of(codec, picture, stored if options.ours else {})]
    path = write_rows("rivals", rows)
    text = rivals_report(rows)
    print(text)
    (RESULTS / "rivals.md").write_text(text)
    draw(rows, RESULTS / "rivals.png")
    print(f"wrote {path.name}, rivals.md, rivals.png")


if __name__ == "__main__":
    main()
