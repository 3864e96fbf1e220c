"""Bytes of effort 3 at every point of the test images, and what two of its stages give, against a build before.

    python benchmarks/points.py [--images REGEX] [--renew]

`bytes` is interpolated between two encodings within 0.3 dB of the PSNR; `two_stages_bytes` and `two_stages_db` are of
the encoding at or above it, decoded from its stages 1 and 2 alone. `--renew` makes this build the one that later ones
are compared with. Writes results/points.csv; the exit status is 1 where a point takes more than 0.2 % more bytes than
before, or two stages lose more than 0.2 dB at equal bytes (interpolated between the points of an image, by the nearest
two beyond them).
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from before import percent_more, written
from studies import Row, test_pictures

import mmip_gpu as mmip
from mmip_gpu.bench.adapters import Source
from mmip_gpu.bench.measure import Trial, round_trip
from mmip_gpu.bench.ours import ours
from mmip_gpu.bench.pictures import Picture
from mmip_gpu.bench.rates import Point, bracket, rate_at
from mmip_gpu.bench.rows import psnr
from mmip_gpu.quality.metrics import format_table

MOST_BYTES, MOST_DB = 0.2, 0.2
AIMS = {
    ("ct_ge_head_4mm", 54): -6.0,
    ("ct_ge_head_4mm, air", 54): -6.0,
    ("nema_rg3", 54): -4.0,
    ("nema_ct1", 50): -2.0,
    ("xray_tooth_projections", 47): -15.0,
    ("mr_cardiac_cine_u8", 36): -3.0,
    ("mr_cardiac_cine_u8", 40): -3.0,
    ("micro_membrane_time", 46): -4.0,
    ("micro_membrane_time", 50): -4.0,
}
"""Percent of bytes that predicted blocks are to save, by image and PSNR."""
_KEYS = ("data", "target_db")
_COLUMNS = ("bytes", "two_stages_bytes", "two_stages_db")


def measured_rows(picture: Picture) -> list[Row]:
    """A row a point."""
    codec = next(codec for codec in ours() if codec.name == "mmip effort 3")
    source = Source(picture.array, picture.axes)
    trials: dict[float, Trial] = {}
    points: dict[float, Point] = {}

    def measure(parameter: float) -> Point:
        trials[parameter] = round_trip(codec, source, parameter)
        return trials[parameter].point

    rows = []
    for target in picture.targets:
        pair = bracket(measure, codec.dial(source, target), target, points)
        if pair is None:
            raise RuntimeError(f"{picture.name}: effort 3 does not reach {target} dB")
        blob = bytes(trials[pair[1].parameter].streams[0])
        two = {
            "two_stages_bytes": mmip.inspect(blob)["stages"][1]["bytes_to_here"],
            "two_stages_db": psnr(picture.array, mmip.decode(blob, stages=2), source.range),
        }
        size = rate_at(points.values(), pair, target) * picture.array.size / 8
        rows.append(picture.facts | {"target_db": target, "bytes": size} | two)
    return rows


def curve_at(curve: Sequence[tuple[float, float]], size: float) -> float:
    """PSNR at so many bytes: straight over the logarithm of the bytes, by the nearest two points beyond the ends."""
    points = sorted((math.log(bytes_), db) for bytes_, db in curve)
    if len(points) == 1:
        return points[0][1]
    x = math.log(size)
    left = max(min(sum(p[0] <= x for p in points) - 1, len(points) - 2), 0)
    (x0, y0), (x1, y1) = points[left : left + 2]
    return y0 if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def lost_db(row: Row, rows: Sequence[Row]) -> float:
    """What two stages lose in dB at equal bytes against the same image before."""
    own = [r for r in rows if r["image"] == row["image"]]
    curve = [(float(r["two_stages_bytes_before"]), float(r["two_stages_db_before"])) for r in own]
    return curve_at(curve, float(row["two_stages_bytes"])) - float(row["two_stages_db"])


def compared(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each point against the build before, with what it aims at."""
    return [
        {
            "image": row["image"],
            "dB": row["target_db"],
            "bytes": float(row["bytes"]),
            "percent": percent_more(row, "bytes"),
            "aim": AIMS.get((row["image"], int(row["target_db"])), ""),
            "two stages, dB lost": lost_db(row, rows),
        }
        for row in rows
    ]


def main() -> None:
    """All points; rows, and what is worse than before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="", help="regular expression; other images keep their rows")
    parser.add_argument("--renew", action="store_true", help="this build is what later ones are compared with")
    options = parser.parse_args()
    os.nice(5)
    chosen = [p for p in test_pictures(colour=True) if re.search(options.images, p.name)]
    rows = written("points", [row for p in chosen for row in measured_rows(p)], _KEYS, _COLUMNS, options.renew)
    found = compared(rows)
    print(format_table(found, list(found[0])))
    worse = [r for r in found if r["percent"] > MOST_BYTES or r["two stages, dB lost"] > MOST_DB]
    missed = [r for r in found if r["aim"] != "" and r["percent"] > r["aim"]]
    print(f"{len(worse)} of {len(found)} points are worse than before; {len(missed)} of {len(AIMS)} aims are missed")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
