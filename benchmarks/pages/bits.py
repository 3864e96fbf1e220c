"""Sections on bytes: at equal PSNR, and under a bound of the largest error."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from statistics import median

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.report.study_tables import (
    ANCHOR,
    GROUPS,
    NEAR_ANCHOR,
    NEAREST,
    codecs_of,
    group_ratio,
    image_ratios,
    images_of,
)
from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, fewer, paragraph, percent, span, table
from pages.video import without_video

FAST, BEST, TWO_STAGES = "mmip effort 1", "mmip effort 3", "mmip effort 3, two stages"
AVIF = "AVIF speed 6"


def mean_of(rows: Sequence[Row], codec: str, against: str, group: str) -> float:
    """Bits over those of another codec, in the mean of a group of images."""
    found = group_ratio(image_ratios(rows, codec, against), images_of(rows), GROUPS[group])
    if found is None or not found[1]:
        raise ValueError(f"{codec} against {against}: rows of {group} are missing")
    return found[0]


def ratio_of(rows: Sequence[Row], codec: str, against: str) -> dict[str, float]:
    """Bits over those of another codec, in the mean of the targets of each image."""
    return {image: ratio for image, (ratio, _) in image_ratios(rows, codec, against).items()}


def _groups_table(rows: Sequence[Row], codecs: Sequence[str], against: str) -> str:
    groups = [group for group, members in GROUPS.items() if set(members) & set(images_of(rows).values())]
    lines = [[codec, *(percent(mean_of(rows, codec, against, group)) for group in groups)] for codec in codecs]
    return table(["%", *groups], lines)


def _images_table(rows: Sequence[Row], codecs: Sequence[str], against: str) -> str:
    """One line an image: names of codecs stand short, so that all fit."""
    ratios = [ratio_of(rows, codec, against) for codec in codecs]
    lines = [[IMAGES[image], *(percent(found[image]) for found in ratios)] for image in images_of(rows)]
    return table(["%", *map(_short, codecs)], lines)


def _short(codec: str) -> str:
    """A codec's name without its makers and settings."""
    name = codec.removeprefix("mmip ").replace(", two stages", ", 2 st.")
    return name.split(" (")[0].replace(" accuracy", "").replace(" speed 6", "").replace(" e7", "")


def images_table() -> str:
    """The test images of the comparisons."""
    rows = rows_of("bits")
    lines = []
    for image in images_of(rows):
        own = [row for row in rows if row["image"] == image]
        targets = ", ".join(f"{target:g}" for target in dict.fromkeys(row["target_db"] for row in own))
        first = own[0]
        lines.append([IMAGES[image], f"`{image}`", first["shape"], first["dtype"], targets, f"`{first['data']}`"])
    return table(["image", "file", "samples", "dtype", "at dB", "SHA-256 begins"], lines)


def bits_section() -> str:
    """Our bits and the rivals' at equal PSNR."""
    rows = without_video(rows_of("bits"))
    codecs = [codec for codec in codecs_of(rows) if codec != ANCHOR]
    volumes = [image for image, group in images_of(rows).items() if group == "volumes"]
    nearest = [ratio_of(rows, BEST, NEAREST)[image] for image in volumes]
    two_stages = 1 - mean_of(rows, TWO_STAGES, BEST, "all real")
    return "\n".join(
        [
            heading("bits"),
            paragraph(
                f"Percent more (+) or fewer (-) bits than {ANCHOR} with the 9/7 wavelet, slice by slice.",
                "Every codec is driven to points on both sides of each PSNR, and its bits are interpolated between",
                "them; whole files count. Means are geometric, over the PSNRs of an image first, over images then.",
                "JPEG 2000, HTJ2K, JPEG XL and AVIF code slices; SZ3, SPERR and zfp code whole volumes as float32.",
                "AVIF holds 12 bits at most, so wider samples are narrowed for it.",
            ),
            _groups_table(rows, codecs, ANCHOR),
            _images_table(rows, codecs, ANCHOR),
            "![Rate-distortion curves of all codecs](../../benchmarks/results/rivals.png)\n",
            bullets(
                f"Effort 3 takes {fewer(mean_of(rows, BEST, ANCHOR, '2D'))} bits than JPEG 2000 in 2D and "
                f"{fewer(mean_of(rows, BEST, ANCHOR, 'volumes'))} on volumes. AVIF takes "
                f"{fewer(mean_of(rows, AVIF, ANCHOR, '2D'))} and {fewer(mean_of(rows, AVIF, ANCHOR, 'volumes'))}.",
                f"Against {NEAREST} in 3D, effort 3 takes fewer bits on {sum(n < 1 for n in nearest)} of "
                f"{len(nearest)} volumes: {span((100 * (n - 1) for n in nearest), '+.0f')} %.",
                f"Two stages in a file instead of three save {100 * two_stages:.1f} % at effort 3.",
                f"Effort 3 takes more bits than {losses(rows)}.",
            ),
            paragraph(
                "Bits at every point, and what no codec reached, are in",
                "[rivals.md](../../benchmarks/results/rivals.md).",
            ),
        ]
    )


def losses(rows: Sequence[Row]) -> str:
    """Each rival with the images on which it takes fewer bits than effort 3."""
    parts = []
    for codec in codecs_of(rows):
        if codec.startswith("mmip"):
            continue
        worse = {image: ratio for image, ratio in ratio_of(rows, BEST, codec).items() if ratio > 1}
        parts += [f"{_short(codec)} on {_listed(worse)}"] if worse else []
    return "; than ".join(parts)


def _listed(ratios: dict[str, float]) -> str:
    return ", ".join(f"{IMAGES[image]} ({percent(ratio, 1)} %)" for image, ratio in ratios.items()) or "none"


def near_lossless_section() -> str:
    """Bits under a bound of the largest error."""
    rows = [row | {"target_db": float(row["bound"])} for row in rows_of("near_lossless")]
    codecs = [codec for codec in codecs_of(rows) if codec != NEAR_ANCHOR]
    bounds = list(dict.fromkeys(row["target_db"] for row in rows))
    alone = {bound: [row for row in rows if row["target_db"] == bound] for bound in bounds}
    lines = [
        [codec, *(percent(mean_of(alone[bound], codec, NEAR_ANCHOR, "all real")) for bound in bounds)]
        for codec in codecs
    ]
    worse = {image: ratio for image, ratio in ratio_of(rows, BEST, NEAR_ANCHOR).items() if ratio > 1}
    broken = sum(row["note"] is not None for row in rows)
    return "\n".join(
        [
            heading("near_lossless"),
            paragraph(
                f"Percent more (+) or fewer (-) bits than {NEAR_ANCHOR} when no sample may differ by more than",
                f"{span(bounds, '.0f')}: geometric means over these bounds ({', '.join(f'{b:g}' for b in bounds)}),",
                f"then over images. Every sample was checked; {broken} of {len(rows)} results broke their bound.",
            ),
            _groups_table(rows, codecs, NEAR_ANCHOR),
            "All real images, by bound:\n",
            table(["%", *(f"{bound:g}" for bound in bounds)], lines),
            _images_table(rows, codecs, NEAR_ANCHOR),
            bullets(
                f"Effort 3 takes more bits than JPEG-LS on: {_listed(worse)}.",
                f"Ours encodes at {span(near_lossless_rates(rows, FAST), '.0f')} MB/s at effort 1, and at "
                f"{span(near_lossless_rates(rows, BEST), '.0f')} MB/s at effort 3, which searches for the step of a "
                "quantizer.",
                f"With three stages effort 1 encodes at a median of {_staged_rate(rows):.0f} MB/s at bound 2, over the "
                "images of 16 bits above 1 MB.",
            ),
            "Rates in MB/s of processor time on one thread:\n",
            rates_table(rows),
        ]
    )


def _staged_rate(rows: Sequence[Row]) -> float:
    """Median of the encode rates of blocks with corrections, of images that take more than a moment."""
    return median(
        row["encode_mb_s"]
        for row in rows
        if (row["codec"], row["target_db"]) == (f"{FAST}, 3 stages", 2.0)
        and row["dtype"] in ("int16", "uint16")
        and 2 * prod(map(int, row["shape"].split("x"))) > 2**20
    )


def near_lossless_rates(rows: Sequence[Row], codec: str) -> list[float]:
    """Means of the encode rates of a codec by group."""
    return [mean_rate(rows, codec, "encode_mb_s", group) for group in rate_groups(rows)]


def rate_groups(rows: Sequence[Row]) -> list[str]:
    """Groups of images in order of appearance."""
    return list(dict.fromkeys(images_of(rows).values()))


def mean_rate(rows: Sequence[Row], codec: str, column: str, group: str) -> float:
    """Geometric mean of a rate over the rows of a group of images."""
    values = [row[column] for row in rows if row["codec"] == codec and row["group"] == group and row[column]]
    mean = geometric_mean(values)
    if mean is None:
        raise ValueError(f"{codec} has no {column} of {group}")
    return mean


def other_machine(rows: Sequence[Row]) -> str:
    """A sentence on the codecs whose rates are of another machine than ours; none where all are of one."""
    machines = {codec: {row["cpu"] for row in rows if row["codec"] == codec} for codec in codecs_of(rows)}
    others = [codec for codec, found in machines.items() if found != machines[FAST]]
    if not others:
        return ""
    elsewhere = ", ".join(sorted(set.union(*(machines[codec] for codec in others)) - machines[FAST]))
    names, here = ", ".join(map(_short, others)), ", ".join(sorted(machines[FAST]))
    return (
        f"Rates of {names} are of another machine ({elsewhere}; the others: {here}): compare them among themselves "
        "alone."
    )


def rates_table(rows: Sequence[Row]) -> str:
    """Encode and decode MB/s of every codec by group."""
    groups = rate_groups(rows)
    columns = {"encode": "encode_mb_s", "decode": "decode_mb_s"}
    lines = [
        [codec, *(f"{mean_rate(rows, codec, column, group):.3g}" for column in columns.values() for group in groups)]
        for codec in codecs_of(rows)
    ]
    short = {"encode": "enc.", "decode": "dec."}
    names = [name if len(groups) <= 3 else short[name] for name in columns]
    return table(["MB/s", *(f"{name} {group}" for name in names for group in groups)], lines)
