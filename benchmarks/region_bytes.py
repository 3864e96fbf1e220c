"""Bytes and time that a region of a container needs, against a build before.

    python benchmarks/region_bytes.py [--renew]

Effort 3. `bytes_needed` is that of `inspect`, its mean over all positions of the region in the volume: positions that
touch the same tiles need the same bytes, so each such set is asked for once and counted as often as it occurs.
`region_ms` is processor time of `decode` on one thread, the mean over places drawn by seed of the least of three runs;
`whole_ms` is that of the whole array in the same run. `--renew` makes this build the one that later ones are compared
with. Writes results/region_bytes.csv; the exit status is 1 where a limit is passed: 30 % more bytes for the box, 15 %
(tiles of up to 4 slices) or 90 % for one slice, 2.5 times the time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
from before import percent_more, written
from studies import Row, test_pictures

import mmip_gpu as mmip
from mmip_gpu.bench.measure import cpu_seconds
from mmip_gpu.quality.metrics import format_table

POINTS = {"ct_ge_head_4mm": (50.0, 54.0, 58.0), "niivue_chris_t1": (42.0,), "mr_uih_t1_brain": (45.0,)}
BOX = (8, 128, 128)
MOST_TIME = 2.5
_MOST_OF_BOX, _MOST_OF_SLICE = 30.0, {4: 15.0, 8: 90.0}  # percent; of a slice by the depth of the tiles
_PLACES, _REPEATS, _CELL = 12, 3, 8
_KEYS, _COLUMNS = ("data", "target_db", "region"), ("bytes_needed", "region_ms", "whole_ms")

Place = tuple[slice, ...]


def tile_of(blob: bytes) -> tuple[int, int, int]:
    """Samples of a tile: slices, rows, columns."""
    config = mmip.inspect(blob)["config"]
    z, y, x = (2**n for n in config["tile_log2"])
    return z * config["cell_depth"], y * _CELL, x * _CELL


def starts(length: int, extent: int, tile: int) -> list[tuple[int, int]]:
    """(a start, how many starts touch the same tiles) along one axis."""
    touched = Counter((start // tile, (start + extent - 1) // tile) for start in range(length - extent + 1))
    first: dict[tuple[int, int], int] = {}
    for start in range(length - extent + 1):
        first.setdefault((start // tile, (start + extent - 1) // tile), start)
    return [(first[tiles], count) for tiles, count in touched.items()]


def mean_bytes_needed(blob: bytes, shape: tuple[int, ...], box: tuple[int, ...]) -> float:
    """Mean of `bytes_needed` over all positions of a box."""
    axes = [starts(n, extent, tile) for n, extent, tile in zip(shape, box, tile_of(blob), strict=True)]
    total = positions = 0
    for places in product(*axes):
        region = tuple(slice(start, start + extent) for (start, _), extent in zip(places, box, strict=True))
        count = int(np.prod([count for _, count in places]))
        total += count * mmip.inspect(blob, region=region)["bytes_needed"]
        positions += count
    return total / positions


def milliseconds(blob: bytes, region: Place | None = None) -> float:
    """Processor time of decoding, the least of three."""
    runs = [cpu_seconds(lambda: mmip.decode(blob, region=region, threads=1))[1] for _ in range(_REPEATS)]
    return 1e3 * min(runs)


def measured_row(blob: bytes, array: np.ndarray, name: str, box: tuple[int, ...]) -> Row:
    """Bytes and time of one kind of region."""
    rng = np.random.default_rng(0)
    corners = [
        [int(rng.integers(n - extent + 1)) for n, extent in zip(array.shape, box, strict=True)] for _ in range(_PLACES)
    ]
    places = [tuple(slice(a, a + extent) for a, extent in zip(corner, box, strict=True)) for corner in corners]
    return {
        "region": name,
        "tile": "x".join(map(str, tile_of(blob))),
        "bytes": len(blob),
        "bytes_needed": mean_bytes_needed(blob, array.shape, box),
        "region_ms": float(np.mean([milliseconds(blob, place) for place in places])),
        "whole_ms": milliseconds(blob),
    }


def limits_passed(row: Row) -> list[str]:
    """What a row costs more than it may."""
    depth = int(str(row["tile"]).split("x")[0])
    most = _MOST_OF_BOX if row["region"] == "box" else _MOST_OF_SLICE[4 if depth <= 4 else 8]
    passed = [f"bytes {percent_more(row, 'bytes_needed'):+.0f} %"] if percent_more(row, "bytes_needed") > most else []
    times = float(row["region_ms"]) / float(row["region_ms_before"])
    return [*passed, *([f"time {times:.1f} times"] if times > MOST_TIME else [])]


def main() -> None:
    """All images, points and regions; rows, and limits that are passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", help="this build is what later ones are compared with")
    renew = parser.parse_args().renew
    os.nice(5)
    rows: list[Row] = []
    for picture in test_pictures():
        for target in POINTS.get(picture.name, ()):
            blob = mmip.encode(picture.array, psnr=target, effort=3, threads=1)
            regions = {"box": BOX, "slice": (1, *picture.array.shape[1:])}
            facts = picture.facts | {"target_db": target}
            rows += [facts | measured_row(blob, picture.array, name, box) for name, box in regions.items()]
    found: list[dict[str, Any]] = written("region_bytes", rows, _KEYS, _COLUMNS, renew)
    columns = ["image", "target_db", "region", "tile", "bytes", "bytes_needed", "bytes_needed_before", "region_ms"]
    print(format_table(found, [*columns, "region_ms_before", "whole_ms"]))
    passed = [
        f"{row['image']} at {row['target_db']:g} dB, {row['region']}: {p}" for row in found for p in limits_passed(row)
    ]
    print("\n".join(passed) or "no limit is passed")
    sys.exit(1 if passed else 0)


if __name__ == "__main__":
    main()
