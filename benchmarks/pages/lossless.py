"""The section on coding without loss: bits and rates of every codec, and how far ours is from its aims.

Values: rows of lossless.csv in; Markdown out.
"""

from __future__ import annotations

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from mmip_gpu.bench.report.lossless_tables import (
    FAST,
    HTJ2K,
    JPEGLS,
    JPEGXL,
    SMALL,
    aims_table,
    bits_of,
    mean_rate,
    ratio_table,
    ratios,
    slower_images,
    speed_table,
)
from mmip_gpu.bench.report.study_tables import codecs_of, images_of
from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, fewer, paragraph, percent, rate

SETS = ("2D", "volumes", "colour")
EXACT = {
    "mmip effort 1": "mmip fast effort 1",
    "mmip effort 3": "mmip fast effort 3",
    "JPEG 2000 (OpenJPEG)": "JPEG 2000 5/3 (OpenJPEG)",
    "zfp accuracy": "zfp reversible",
}


def lossless_section() -> str:
    """Bits and rates without loss."""
    rows = rows_of("lossless")
    return "\n".join(
        [
            heading("lossless"),
            paragraph(
                f"{len(images_of(rows))} whole images and {len(codecs_of(rows))} codecs, every result decoded and",
                f"compared. Percent more (+) or fewer (-) bits than {JPEGLS} at the true depth of the samples:",
                "geometric means over the images of a set; a star: the codec did not take some of them. Image codecs",
                "code volumes slice by slice.",
            ),
            ratio_table(rows, JPEGLS),
            f"Against {JPEGXL}:\n",
            ratio_table(rows, JPEGXL),
            "![Bits over rates of all codecs without loss](../../benchmarks/results/lossless.png)\n",
            paragraph(
                "Rates in MB/s over images of more than 1 MB, of 16 and of 8 bits: processor time with one thread,",
                "wall time with two (2t) of the codecs that know threads.",
            ),
            speed_table(rows),
            bullets(_more_bits(rows), _slower(rows)),
            "What was aimed at:\n",
            aims_table(rows),
            paragraph("Bits of every image are in [lossless.md](../../benchmarks/results/lossless.md)."),
        ]
    )


def _more_bits(rows: list[Row]) -> str:
    own, other = bits_of(rows, FAST), bits_of(rows, JPEGLS)
    found = [
        f"{_named(image)} ({100 * (own[image] / other[image] - 1):+.1f} %)"
        for image in own
        if own[image] > other[image]
    ]
    return f"`lossless=True` takes more bits than JPEG-LS on: {', '.join(found) or 'none'}."


def _slower(rows: list[Row]) -> str:
    found = [f"{_named(image)} ({100 * (ratio - 1):+.0f} %)" for image, ratio in slower_images(rows, HTJ2K).items()]
    return f"It decodes slower than HTJ2K: {', '.join(found) or 'none'}."


def _named(image: str) -> str:
    return IMAGES.get(image, image)


def exact_bits(codec: str) -> str:
    """README: percent of bits against JPEG-LS in 2D and on volumes, of what a codec has without loss; else nothing."""
    rows = rows_of("lossless")
    name = EXACT.get(codec, codec)
    means = [geometric_mean(ratios(rows, name, JPEGLS, group)) for group in ("2D", "volumes")]
    return " / ".join(percent(mean) for mean in means if mean)


def what_others_do_better() -> str:
    """README: bits and rates against JPEG XL, which takes the fewest."""
    rows = rows_of("lossless")
    (flat, deep, colour), (small_flat, small_deep, small_colour) = (
        [fewer(mean) for group in SETS if (mean := geometric_mean(ratios(rows, codec, JPEGXL, group)))]
        for codec in (FAST, SMALL)
    )
    ours, smalls, theirs = (
        " and ".join(rate(mean) for way in ("encode", "decode") if (mean := mean_rate(rows, codec, f"{way}_mb_s")))
        for codec in (FAST, SMALL, JPEGXL)
    )
    return (
        f"[Lossless][l] coding takes {flat} bits than JPEG XL (effort 7) in 2D, {deep} on volumes and {colour} on "
        f'colour, and `lossless="small"` {small_flat}, {small_deep} and {small_colour}. The one encodes and decodes at '
        f"{ours} MB/s, the other at {smalls}, JPEG XL at {theirs}."
    )
