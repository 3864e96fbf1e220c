"""The section on the whole comparison: every codec on an image of every kind, by BD-rate and without loss.

Values: rows of whole.csv in; Markdown out.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean, median

from mmip_gpu.bench.bd_rate import bd_rate
from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.report.study_tables import ANCHOR
from mmip_gpu.errors import MmipError
from pages.sections import heading, rows_of
from pages.text import bullets, paragraph, rate, table

EXACT_ANCHOR = "JPEG 2000 5/3 (OpenJPEG) lossless"
OURS = "mmip effort 3"
PSNR = "psnr_range"
MEASURES = (PSNR, "ms_ssim_db")


def whole_section() -> str:
    """BD-rates and sizes of all codecs that were installed, and how many of their settings came to nothing."""
    rows, measured = rows_of("whole"), measured_rows()
    lossy = bd_rates([row for row in measured if row["target"] == "bits"])
    failed = [row for row in rows if row["status"] != "ok"]
    return "\n".join(
        [
            heading("whole"),
            paragraph(
                f"{len({row['image'] for row in rows})} real images, one or two of each kind, and every codec that is",
                f"installed. First at 0.25 to 2 bits a sample: BD-rates against {ANCHOR}, the mean over images whose",
                "curves have four points and overlap by a quarter (in brackets how many); MB/s of one thread, medians.",
                "Codecs without a way to join channels code them apart. Then without loss: bytes over those of",
                f"{EXACT_ANCHOR.removesuffix(' lossless')} on the same images.",
            ),
            table(
                ["codec", "bits at equal PSNR", "at equal MS-SSIM", "encode MB/s", "decode MB/s"],
                [
                    [codec, *(_mean(found[name]) for name in MEASURES), *_rates(measured, codec, "bits")]
                    for codec, found in sorted(lossy.items(), key=lambda item: mean(item[1][PSNR].values()))
                ],
            ),
            table(["codec", "bytes", "images", "encode MB/s", "decode MB/s"], exact_lines(measured)),
            bullets(
                f"Fewer bits than effort 3 at equal PSNR: {fewer_bits(measured)}.",
                f"{len(failed)} of {len(rows)} settings came to nothing, each with its reason in whole.csv: a codec "
                "that cannot go so low, or cannot take such samples, or breaks its promise.",
            ),
        ]
    )


def measured_rows() -> list[Row]:
    """Rows of settings that came to a result."""
    return [row for row in rows_of("whole") if row["status"] == "ok"]


def bd_rates(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """BD-rates of each codec against the anchor, one an image, by PSNR and by MS-SSIM; those without any left out.

    An image is left out where the curves have too few points or too little in common.
    """
    curves: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        curves[row["codec"], row["image"]].append(row)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (codec, image), own in curves.items():
        if codec == ANCHOR or (ANCHOR, image) not in curves:
            continue
        for name in MEASURES:
            with contextlib.suppress(MmipError):  # too few points, or too little in common
                value = bd_rate(*_curve(curves[ANCHOR, image], name), *_curve(own, name))
                found.setdefault(codec, {name: {} for name in MEASURES})[name][image] = value
    return {codec: by_measure for codec, by_measure in found.items() if by_measure[PSNR]}


def _curve(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    known = [row for row in rows if row[name]]
    return [float(row["bits_per_sample"]) for row in known], [float(row[name]) for row in known]


def exact_lines(rows: Sequence[Row]) -> list[list[str]]:
    """Codecs without loss: bytes over the anchor's on the same images, in ascending order."""
    sizes: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["target"] == "lossless":
            sizes[row["codec"]][row["image"]] = float(row["bytes"])
    anchor = sizes[EXACT_ANCHOR]
    shares = {codec: _share(own, anchor) for codec, own in sizes.items() if own.keys() & anchor.keys()}
    return [
        [
            codec.replace(" lossless", ""),
            f"{shares[codec]:.3f}",
            str(len(sizes[codec])),
            *_rates(rows, codec, "lossless"),
        ]
        for codec in sorted(shares, key=shares.__getitem__)
    ]


def _share(own: Mapping[str, float], anchor: Mapping[str, float]) -> float:
    common = own.keys() & anchor.keys()
    return sum(own[image] for image in common) / sum(anchor[image] for image in common)


def fewer_bits(rows: Sequence[Row]) -> str:
    """Codecs that take fewer bits than effort 3 on the images that they take, with both BD-rates and their MB/s."""
    lossy = bd_rates([row for row in rows if row["target"] == "bits"])
    parts = []
    for codec, found in lossy.items():
        common = found[PSNR].keys() & lossy[OURS][PSNR].keys()
        theirs, ours = (mean(rates[image] for image in sorted(common)) for rates in (found[PSNR], lossy[OURS][PSNR]))
        if theirs < ours and OURS not in codec:
            encode, _ = _rates(rows, codec, "bits")
            name = codec.split(" (")[0] + (", channels apart" if codec.endswith("separate") else "")
            parts.append(f"{name} {theirs:+.0f} % where effort 3 takes {ours:+.0f} %, at {encode} MB/s")
    return "; ".join(parts)


def _mean(by_image: Mapping[str, float]) -> str:
    values = list(by_image.values())
    return f"{mean(values):+.0f} % ({len(values)})" if values else "-"


def _rates(rows: Sequence[Row], codec: str, target: str) -> list[str]:
    own = [row for row in rows if row["codec"] == codec and row["target"] == target]
    found = ([float(row[f"{name}_mb_s"]) for row in own if row[f"{name}_mb_s"]] for name in ("encode", "decode"))
    return [rate(median(values)) if values else "-" for values in found]
