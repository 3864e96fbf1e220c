"""Bits/sample under a bound of the largest error: ours against JPEG-LS, SZ3 and SPERR, every sample checked.

    python benchmarks/near_lossless.py [--images REGEX] [--bounds 1 2 4 8]

The images are those of rivals.py. Ours is the choice at each effort (1: predicted), and blocks with corrections beside
it. JPEG-LS codes slices at the depth of their samples; SZ3 and SPERR code float32 in 3D with the bound e + 0.49, so
that rounding to integers leaves e. Errors are compared outside of the clock. Rates are of one thread in processor time,
medians of three runs where these are short. About ten minutes on one core that does nothing else. Writes
results/near_lossless.csv and .md; of some images or bounds only, it prints the tables.
"""

from __future__ import annotations

import argparse
import os
import re

import numpy as np
from studies import RESULTS, run_facts, test_pictures, write_rows

from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.bounded import bounded_codecs
from mmip_gpu.bench.measure import Row, round_trip, speeds
from mmip_gpu.bench.pictures import Picture
from mmip_gpu.bench.report.study_tables import near_lossless_report

BOUNDS = (1, 2, 4, 8)


def measured_row(codec: Codec, picture: Picture, bound: int) -> Row:
    """One codec on one image under one bound."""
    source = Source(picture.array)
    trial = round_trip(codec, source, bound)
    largest = int(np.abs(trial.decoded.astype(np.int64) - source.array).max())
    if largest > bound and codec.ours:
        raise RuntimeError(f"{codec.name} on {picture.name}: an error of {largest} above {bound}")
    rates = speeds(codec, source, trial)
    return picture.facts | {
        "codec": codec.name,
        "version": codec.version,
        "bound": bound,
        "largest_error": largest,
        "bits_per_sample": trial.point.bits if largest <= bound else None,
        "note": "" if largest <= bound else f"breaks the bound: {largest}",
        "encode_mb_s": rates["encode_mb_s"],
        "decode_mb_s": rates["decode_mb_s"],
        "runs": rates["runs"],
    }


def main() -> None:
    """All images, bounds and codecs; rows, tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="", help="regular expression; other images are left out")
    parser.add_argument("--bounds", type=int, nargs="+", default=BOUNDS)
    options = parser.parse_args()
    os.nice(5)
    facts, rows = run_facts(), []
    for picture in test_pictures():
        for bound in options.bounds if re.search(options.images, picture.name) else ():
            rows += [facts | measured_row(codec, picture, bound) for codec in bounded_codecs()]
    text = near_lossless_report(rows)
    print(text)
    if options.images or tuple(options.bounds) != BOUNDS:
        return
    path = write_rows("near_lossless", rows)
    (RESULTS / "near_lossless.md").write_text(text)
    print(f"wrote {path.name}, near_lossless.md")


if __name__ == "__main__":
    main()
