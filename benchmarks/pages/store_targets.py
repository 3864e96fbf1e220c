"""The section on targets of stores: how often chunks are coded for a PSNR, and the rates of writing and reading."""

from __future__ import annotations

from itertools import groupby

from mmip_gpu.bench.measure import Row
from pages.sections import IMAGES, heading, rows_of
from pages.text import bullets, paragraph, table

_ONCE = 1.05
_AT_HAND = "decode, into memory at hand"


def store_targets_section() -> str:
    """Encodings a chunk by array, then rates."""
    rows = rows_of("store_targets")
    counts = [row for row in rows if row["study"] == "count"]
    rates = {row["what"]: float(row["cpu_mb_s"]) for row in rows if row["study"] == "rates"}
    lines = [_line(name, list(group)) for name, group in groupby(counts, key=lambda row: row["image"])]
    once = sum(_encodings(row) <= _ONCE for row in counts)
    shares = [f"{what} {rate:.0f} MB/s" for what, rate in rates.items() if what not in ("read", "decode", _AT_HAND)]
    return "\n".join(
        [
            heading("store_targets"),
            paragraph(
                "How often `write_zarr(psnr=)` codes a chunk, in small chunks at effort 1, and by how much the PSNR is",
                "more than asked for, at each of the targets.",
            ),
            table(["array", "chunks", "encodings a chunk, by target", "dB above the target"], lines),
            bullets(
                f"Chunks are coded once, or a twentieth of them again, in {once} of {len(counts)} stores.",
                f"Writing the T1 brain, tiled, with one thread, by processor time: {', '.join(shares)}.",
                f"Reading it: {rates['read']:.0f} MB/s, {rates['read'] / rates[_AT_HAND]:.2f} of the rate at which the "
                "same chunks are decoded into memory at hand.",
            ),
        ]
    )


def _encodings(row: Row) -> float:
    return float(row["encodings"]) / float(row["chunks"])


def _line(name: str, rows: list[Row]) -> list[str]:
    above = (float(row["reached_db"]) - float(row["what"].removeprefix("psnr=")) for row in rows if row["reached_db"])
    encodings = ", ".join(f"{_encodings(row):.2f}" for row in rows)
    return [IMAGES.get(name, f"`{name}`"), rows[0]["chunks"], encodings, ", ".join(f"{a:.2f}" for a in above)]
