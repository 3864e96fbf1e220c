"""Bits and speed at equal PSNR against every rival: JPEG 2000, HTJ2K, JPEG XL, AVIF, SZ3, SPERR, zfp, video codecs.

    python benchmarks/rivals.py [--ours] [--missing] [--images REGEX] [--codecs REGEX]

Every codec is driven by its own parameter to points on both sides of the PSNR (one MSE for a whole volume, peak = max -
min, measured on the decoded array); its bits are interpolated between them, ours too: nobody gains by overshoot. The
points are within 0.3 dB where the parameter is fine enough (AVIF's and zfp's are not: up to 5 and 6 dB between two).
Colour images are coded by the colour transform of a codec, or channel by channel where it has none (column colour).
Grey images are also frames of x265 (along z, along z without motion, each slice alone), SVT-AV1 and VVenC; a row says
in `coded_as` what their samples became, or why the codec was not run. Bytes are those of whole containers. Rates are of
one thread in processor time, of a child's too. --ours measures our rows only and keeps those of rivals whose image
(checksum) and version are the same; --missing keeps ours, too, and measures what has no row. Writes results/rivals.csv,
rivals.md and rivals.png.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

from pages.video import without_video
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
from mmip_gpu.bench.video_rivals import stack_rivals


def row_key(row: Row) -> Key:
    """What makes a measured row valid for this run."""
    return row["data"], row["codec"], row["version"], f"{row['target_db']:g}"


def codecs_for(picture: Picture) -> list[Codec]:
    """Those that are compared on an image: the video codecs where it is grey."""
    slices = len(picture.array) if picture.array.ndim == 3 else 1
    return [*ours(), *rivals(), *(() if picture.axes else stack_rivals(slices))]


def measured_rows(codec: Codec, picture: Picture, targets: Sequence[float] | None = None) -> list[Row]:
    """One row a target, of the picture by default; one without bits where the codec cannot be brought to both sides."""
    targets = picture.targets if targets is None else targets
    source = Source(picture.array, picture.axes)
    facts = picture.facts | {"codec": codec.name, "version": codec.version}
    refused = None if picture.axes else codec.refusal(source)
    if refused:
        return [facts | {"target_db": target, "note": refused} for target in targets]
    facts["coded_as"] = codec.coded_as(source)
    if source.channels > 1:
        facts["colour"] = "joint" if "joint" in codec.colours else "separate"
        codec, source = in_colour(codec, source, facts["colour"])
    trials: dict[float, Trial] = {}

    def measure(parameter: float) -> Point:
        trials[parameter] = round_trip(codec, source, parameter)
        return trials[parameter].point

    rows = []
    points: dict[float, Point] = {}
    for target in targets:
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
    """A row a target: the kept one, or a new one; of a codec that is not installed any kept one."""
    facts = picture.facts | {"codec": codec.name, "version": codec.version}
    if codec.missing:
        print(f"{picture.name:20s} {codec.name:22s} {codec.missing}", flush=True)
        return [row for row in kept.values() if (row["data"], row["codec"]) == (facts["data"], codec.name)]
    found = {target: kept.get(row_key(facts | {"target_db": target})) for target in picture.targets}
    new = [target for target, row in found.items() if row is None]
    for row in measured_rows(codec, picture, new) if new else ():
        found[row["target_db"]] = row
        shown: Any = row["note"] if "note" in row else f"{row['bits_per_sample']:.4f} bits/sample"
        print(f"{picture.name:20s} {codec.name:22s} {row['target_db']:g} dB  {shown}", flush=True)
    return [row for row in found.values() if row is not None]


def main() -> None:
    """All images and codecs; rows, tables, figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", action="store_true", help="keep the rivals' rows of the last run")
    parser.add_argument("--missing", action="store_true", help="measure only what has no row")
    parser.add_argument("--images", default="", help="regular expression; other images keep all of their rows")
    parser.add_argument("--codecs", default="", help="regular expression; other codecs keep all of their rows")
    options = parser.parse_args()
    os.nice(5)
    facts = run_facts()
    stored = kept_rows("rivals", row_key)
    rows: list[Row] = []
    for picture in test_pictures(colour=True):
        of_picture = {key: row for key, row in stored.items() if row["data"] == picture.facts["data"]}
        if not re.search(options.images, picture.name):
            rows += of_picture.values()
            continue
        for codec in codecs_for(picture):
            if not re.search(options.codecs, codec.name):
                rows += [row for row in of_picture.values() if row["codec"] == codec.name]
                continue
            is_kept = options.missing or codec.missing or (options.ours and not codec.ours)
            rows += [facts | row for row in rows_of(codec, picture, of_picture if is_kept else {})]
    path = write_rows("rivals", rows)
    text = rivals_report(rows)
    print(text)
    (RESULTS / "rivals.md").write_text(text)
    draw(without_video(rows), RESULTS / "rivals.png")
    print(f"wrote {path.name}, rivals.md, rivals.png")


if __name__ == "__main__":
    main()
