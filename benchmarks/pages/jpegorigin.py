"""The section of measured.md on images that were JPEG files before."""

from __future__ import annotations

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from pages.sections import heading, rows_of
from pages.text import paragraph, table


def jpegorigin_section() -> str:
    """What was found by past and change, and what must not be found."""
    rows = rows_of("jpegorigin")
    kinds = list(dict.fromkeys(map(_kind, rows)))
    lines = [_line(kind, [row for row in rows if _kind(row) == kind]) for kind in kinds]
    false = sum(row["false_accept"] == "True" for row in rows)
    slowest = max(float(row["encode_s"]) for row in rows)
    probe = max(float(row["probe_ms"]) for row in rows)
    return "\n".join(
        [
            heading("jpegorigin"),
            paragraph(
                '`lossless="small"` looks at 8-bit images for the JPEG file that they were, and codes its coefficients',
                "and what decoding these does not give. *Stated*: what the source says of the past. *Found*: how many",
                "were coded so. Ratios (bytes of the samples over those of the result, geometric means) are of",
                '`lossless="small"` and of JPEG XL, effort 7, on the same pixels. Some images were cut, brightened',
                "by 1, scaled or saved once more. A false accept is one that was never a JPEG file at this size, as",
                "far as its source states it, or that JPEG XL makes smaller:",
                f"{false} of {len(rows)}. The probe takes at most {probe:.1f} ms, encoding at most {slowest:.1f} s",
                "(one thread, processor time; the search, and the other codec that it is compared with).",
            ),
            table(["images", "change", "stated", "found", "ratio", "JPEG XL", "encode s", "decode s"], lines),
        ]
    )


def _kind(row: Row) -> tuple[str, str, str]:
    return row["dataset"], row["change"], row["stated"]


def _line(kind: tuple[str, str, str], rows: list[Row]) -> list[str]:
    found = sum(row["kind"] == "jpeg origin" for row in rows)
    ratios = [geometric_mean([float(row[name]) for row in rows]) for name in ("ratio", "jxl_ratio")]
    seconds = [max(float(row[name]) for row in rows) for name in ("encode_s", "decode_s")]
    group, change, stated = kind
    return [group, change or "none", stated, f"{found} of {len(rows)}", *(f"{n:.2f}" for n in ratios + seconds)]
