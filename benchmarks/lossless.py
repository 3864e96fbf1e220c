"""Bits/sample and speed without loss: ours in three stages (reversible) against HTJ2K, JPEG 2000, JPEG-LS, JPEG XL.

    python benchmarks/lossless.py

The images are those of rivals.py; volumes go slice by slice to the rivals. Every result is decoded and compared.
JPEG-LS codes 16-bit words (imagecodecs cannot set its depth); at the true depth, 9 to 13 bits, pyjpegls takes 0.7 to
6.4 % fewer. Rates are of one thread in processor time. Writes results/lossless.csv and lossless.md.
"""

from __future__ import annotations

import argparse
import math
import os

from studies import RESULTS, test_pictures, write_rows

from mmip_gpu.bench.adapters import Codec, Source
from mmip_gpu.bench.measure import Row, round_trip, speeds
from mmip_gpu.bench.ours import ours_lossless
from mmip_gpu.bench.pictures import Picture
from mmip_gpu.bench.report.study_tables import lossless_report
from mmip_gpu.bench.rivals import lossless_rivals


def measured_row(codec: Codec, picture: Picture) -> Row:
    """One codec on one image."""
    source = Source(picture.array)
    trial = round_trip(codec, source, 0)
    if not math.isinf(trial.point.psnr_db):
        raise RuntimeError(f"{codec.name} is not exact on {picture.name}: {trial.point.psnr_db:.1f} dB")
    row = picture.facts | {"codec": codec.name, "version": codec.version, "bits_per_sample": trial.point.bits}
    return row | speeds(codec, source, trial)


def main() -> None:
    """All images and codecs; rows, tables."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.nice(5)
    codecs = [*ours_lossless(), *lossless_rivals()]
    rows = [measured_row(codec, picture) for picture in test_pictures() for codec in codecs]
    path = write_rows("lossless", rows)
    text = lossless_report(rows)
    print(text)
    (RESULTS / "lossless.md").write_text(text)
    print(f"wrote {path.name}, lossless.md")


if __name__ == "__main__":
    main()
