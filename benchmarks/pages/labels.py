"""The section of measured.md on segmentations without loss."""

from __future__ import annotations

from mmip_gpu.bench.measure import Row
from mmip_gpu.bench.rates import geometric_mean
from pages.sections import heading, rows_of
from pages.text import bullets, paragraph, span, table

OURS, RIVAL = "mmip", "crackle"
_SPEEDS = ("encode_mb_s", "decode_mb_s")


def labels_section() -> str:
    """Bytes and rates of masks and of a connectome."""
    rows = rows_of("labels")
    codecs = list(dict.fromkeys(row["codec"] for row in rows))
    images = list(dict.fromkeys(row["image"] for row in rows))
    found = {(row["image"], row["codec"]): row for row in rows}
    lines = [_line(image, [found[image, codec] for codec in codecs]) for image in images]
    lines.append(["geometric mean", "", *(_means(found, images, codec) for codec in codecs)])
    return "\n".join(
        [
            heading("labels"),
            paragraph(
                "`labels=True` keeps segmentations exactly. Ratio (bytes of the samples over those of the result),",
                "then MB/s of encoding / decoding on one thread. Every result was compared. crackle and",
                "compresso have their default settings, and get arrays whose x is their first axis. The connectome is",
                "made by seed: 512^3 uint64 samples, 4,000 cells of anisotropy 4 with a shell of background.",
            ),
            table(["image", "dtype", *codecs], lines),
            bullets(*_facts(found, images)),
        ]
    )


def _line(image: str, rows: list[Row]) -> list[str]:
    return [image, rows[0]["dtype"], *(_text(float(row["raw_bytes"]) / float(row["bytes"]), row) for row in rows)]


def _text(ratio: float, rates: Row) -> str:
    encode, decode = (float(rates[name]) for name in _SPEEDS)
    return f"{ratio:.1f}, {encode:.0f} / {decode:.0f}"


def _means(found: dict[tuple[str, str], Row], images: list[str], codec: str) -> str:
    rows = [found[image, codec] for image in images]
    ratio = geometric_mean([float(row["raw_bytes"]) / float(row["bytes"]) for row in rows])
    return _text(ratio, {name: geometric_mean([float(row[name]) for row in rows]) for name in _SPEEDS})


def _facts(found: dict[tuple[str, str], Row], images: list[str]) -> list[str]:
    """What the rows say of ours against crackle."""
    pairs = [(found[image, OURS], found[image, RIVAL]) for image in images]
    sizes = [float(ours["bytes"]) / float(rival["bytes"]) for ours, rival in pairs]
    faster = [[float(ours[name]) / float(rival[name]) for ours, rival in pairs] for name in _SPEEDS]
    encode, decode = (span(ratios) for ratios in faster)
    slower = [image for image, ratio in zip(images, faster[1], strict=True) if ratio < 1]
    return [
        f"Ours take {span(sizes, '.2f')} times the bytes of crackle.",
        f"They encode at {encode} and decode at {decode} times its rate; they decode slower on {len(slower)} of "
        f"{len(images)}{': ' + ', '.join(slower) if slower else ''}.",
    ]
