"""Sections on what is promised: whether bounds hold, and what the system before reached at the same quality."""

from __future__ import annotations

from pages.sections import IMAGES, heading, rows_of
from pages.text import paragraph, percent, table


def bounds_section() -> str:
    """Encodings by kind of target."""
    rows = rows_of("bounds")
    lines = []
    for mode in dict.fromkeys(row["mode"] for row in rows):
        own = [row for row in rows if row["mode"] == mode]
        asked = ", ".join(dict.fromkeys(row["requested"] for row in own)) if mode != "lossless" else ""
        lines.append([f"`{mode}`", asked, *(f"{total(own, column):,}" for column in ("runs", "refused", "missed"))])
    return "\n".join(
        [
            heading("bounds"),
            paragraph(
                "Random arrays of every dtype, in one to three dimensions, and real images, as integers and as",
                "float32 with a step. Every result is decoded and compared with what was asked for, and with the",
                f"largest error that its own record states: {total(rows, 'missed')} of {total(rows, 'runs'):,} results",
                "missed. Refused: the encoder said that it cannot reach the target.",
            ),
            table(["target", "values", "encodings", "refused", "missed"], lines),
        ]
    )


def total(rows: list[dict[str, str]], column: str) -> int:
    """The sum of a column."""
    return sum(int(float(row[column])) for row in rows)


def phantom_section() -> str:
    """Stage by stage against the system before; how fast the volume is made."""
    lines, rates = [], []
    for row in rows_of("phantom"):
        if row["part"]:
            rates.append(f"{row['part']} at {float(row['mb_s']):.0f}")
            continue
        pairs = [
            f"{float(row[f'ours_psnr{part}']):.2f} / {float(row[f'seed_psnr{part}']):.2f}"
            for part in ("", "_roi", "_outside")
        ]
        sizes = f"{int(row['ours_bytes']):,} / {int(row['seed_bytes']):,}"
        lines.append([row["roi"], row["stage"], sizes, f"{float(row['saved_percent']):.0f} %", *pairs])
    return "\n".join(
        [
            heading("phantom"),
            paragraph(
                "The phantom of 512 x 512 samples at quality 10, coded by this codec and by the system that it began",
                "from (8 x 8 DCT in three stages). The region of interest is bone. PSNR in dB on the 16-bit peak,",
                "ours / the other's. Bytes of the other were measured once with its own program.",
            ),
            table(["region better", "stage", "bytes", "saved", "PSNR", "in the region", "outside"], lines),
            paragraph(
                f"Parts of the 3D phantom of 128x512x512 are made alone, in MB/s of one core: {', '.join(rates)}."
            ),
        ]
    )


_REGION_COLUMNS = ["image", "region", "bytes", "bytes, exact", "in it", "in it, equal bytes", "outside, equal bytes"]


def regions_section() -> str:
    """What a region of interest gains inside and costs outside, at one quality and at equal bytes."""
    rows = rows_of("regions")
    lines = []
    for image in dict.fromkeys(row["image"] for row in rows):
        own = [row for row in rows if row["image"] == image]
        off, on = (_last_stage(own, "stages", start) for start in ("off", "mask"))
        plain, equal = (_last_stage(own, "equal bytes", start) for start in ("off", "mask"))
        (exact,) = (row for row in own if row["roi_quality"] == "lossless")
        gains = [
            f"{float(with_region[column]) - float(without[column]):+.1f} dB"
            for with_region, without, column in (
                (on, off, "psnr_16bit_roi"),
                (equal, plain, "psnr_16bit_roi"),
                (equal, plain, "psnr_16bit_outside"),
            )
        ]
        sizes = [percent(int(row["bytes"]) / int(off["bytes"])) for row in (on, exact)]
        lines.append([IMAGES[image], f"{100 * float(own[0]['roi_share']):.0f} %", *sizes, *gains])
    return "\n".join(
        [
            heading("regions"),
            paragraph(
                "Images with a mask, coded with it as the region of interest and without, in three stages at one",
                "quality (10, or 40 where the samples have few values). Percent more (+) bytes than without a region:",
                "with it, and with it exact. Then dB gained (+) or lost (-): in the region at the same quality; and at",
                "the bytes that the region takes, spent on the whole image instead, in the region and outside.",
            ),
            table(_REGION_COLUMNS, lines),
        ]
    )


def _last_stage(rows: list[dict[str, str]], name: str, start: str) -> dict[str, str]:
    return [row for row in rows if row["table"] == name and row["roi"].startswith(start)][-1]
