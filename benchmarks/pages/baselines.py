"""Sections on what a change of the format is measured against: bytes at the points, bytes and time of regions."""

from __future__ import annotations

from before import percent_more
from points import AIMS, compared
from region_bytes import BOX, limits_passed

from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, paragraph, table


def _sign(value: float, form: str = "+.1f") -> str:
    text = format(value, form)
    return text if float(text) else text[1:]


def points_section() -> str:
    """Bytes of effort 3 at every point, and what they were in the build that it is compared with."""
    rows = rows_of("points")
    found = compared(rows)
    lines = [
        [
            IMAGES[row["image"]],
            f"{row['target_db']:g}",
            f"{float(row['bytes']):,.0f}",
            _sign(point["percent"]),
            f"{point['aim']:+.0f}" if point["aim"] != "" else "",
            f"{float(row['two_stages_bytes']):,.0f}",
            f"{float(row['two_stages_db']):.2f}",
            _sign(-point["two stages, dB lost"], "+.2f"),
        ]
        for row, point in zip(rows, found, strict=True)
    ]
    missed = [point for point in found if point["aim"] != "" and point["percent"] > point["aim"]]
    head = ["image", "dB", "bytes", "%", "aim", "stages 1 and 2", "their dB", "dB more"]
    return "\n".join(
        [
            heading("points"),
            paragraph(
                f"Bytes of effort 3 at each PSNR, and percent more (+) or less (-) than commit {_before(rows)} took,",
                "with what predicted blocks are to save. Then the bytes of stages 1 and 2 alone, their PSNR, and the",
                "dB that are gained (+) or lost (-) against that commit at equal bytes.",
            ),
            table(head, lines),
            bullets(f"{len(missed)} of {len(AIMS)} aims are missed."),
        ]
    )


def regions_of_containers_section() -> str:
    """Bytes and time of boxes and slices."""
    rows = rows_of("region_bytes")
    lines = [
        [
            IMAGES[row["image"]],
            f"{row['target_db']:g}",
            row["region"],
            row["tile"],
            f"{100 * float(row['bytes_needed']) / float(row['bytes']):.0f} %",
            f"{float(row['bytes_needed']):,.0f}",
            _sign(percent_more(row, "bytes_needed")),
            f"{float(row['region_ms']):.1f}",
            f"{float(row['region_ms']) / float(row['region_ms_before']):.2f}",
            f"{float(row['whole_ms']):.1f}",
        ]
        for row in rows
    ]
    passed = [row for row in rows if limits_passed(row)]
    head = ["image", "dB", "region", "tile", "of the file", "bytes", "%", "ms", "times", "whole, ms"]
    return "\n".join(
        [
            heading("region_bytes"),
            paragraph(
                f"What decoding a box of {' x '.join(map(str, BOX))} samples or one slice reads of a container of",
                "effort 3: the mean over all positions, as a part of the file, in bytes, and percent more (+) than",
                f"commit {_before(rows)} needed. Then processor time of decoding it on one thread, how many times",
                "that of the same commit this is, and the time of the whole array.",
            ),
            table(head, lines),
            bullets(f"{len(passed)} of {len(rows)} pass a limit of the study."),
        ]
    )


def _before(rows: list[dict[str, str]]) -> str:
    return ", ".join(dict.fromkeys(row["commit_before"] for row in rows))
